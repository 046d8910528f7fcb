"""The command line as a promise: its flags change only on purpose, and the documents name only flags that exist."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from drfhq_tools.cli import main as drfhq
from transfer.cli import main as transfer

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "command_line.txt"
PROGRAMS = {"drfhq": drfhq, "transfer": transfer}
DOCUMENTS = [
    *("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "demo/generator/CARD.md"),
    *(path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "docs").glob("*.md"))),
]


def flags(command: click.Command) -> list[str]:
    """Every spelling of every option, and arguments in capitals."""
    names = []
    for parameter in command.params:
        if isinstance(parameter, click.Argument):
            names.append(str(parameter.name).upper())
        else:
            names += [*parameter.opts, *parameter.secondary_opts]
    return sorted(names)


def commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    """Each command with the words that call it, those of groups within included."""
    for name, command in sorted(group.commands.items()):
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


COMMANDS = {words: command for program, group in PROGRAMS.items() for words, command in commands(group, program)}


def command_line() -> str:
    return "".join(f"{words}: {' '.join(flags(command))}\n" for words, command in COMMANDS.items())


def test_flags_change_only_on_purpose() -> None:
    """To accept a change: python tests/contract/test_command_line.py."""
    assert command_line() == GOLDEN.read_text(encoding="utf-8")


def documented() -> Iterator[tuple[str, str]]:
    """Each command a document shows in an indented or fenced block."""
    for name in DOCUMENTS:
        text = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ")
        for line in re.findall(
            r"^(?: {4,}|(?=(?:drfhq|transfer) [^`]*$))((?:drfhq|transfer) .*)$", text, flags=re.MULTILINE
        ):
            yield name, line


@pytest.mark.parametrize(("document", "line"), list(documented()))
def test_documents_name_commands_and_flags_that_exist(document: str, line: str) -> None:
    words = shlex.split(line, comments=True)
    calls = next(calls for calls in COMMANDS if calls.split() == words[: len(calls.split())])
    command = COMMANDS[calls]
    known = set(flags(command))
    assert {word.split("=")[0] for word in words if word.startswith("--")} <= known, f"{document}: {line}"
    required = {option.opts[-1] for option in command.params if isinstance(option, click.Option) and option.required}
    assert required <= set(words) or "…" in words, f"{document}: {line} lacks {required - set(words)}"


@pytest.mark.parametrize("calls", list(COMMANDS))
def test_help_shows_an_example_of_the_command_that_holds(calls: str) -> None:
    command = COMMANDS[calls]
    _, _, after = (command.help or "").partition("Example")
    examples = [
        shlex.split(line)
        for line in after.splitlines()
        if line.strip().startswith(f"{calls} ") or line.strip() == calls
    ]
    assert examples, f"{calls} --help shows no example"
    required = {option.opts[-1] for option in command.params if isinstance(option, click.Option) and option.required}
    for words in examples:
        assert {word.split("=")[0] for word in words if word.startswith("--")} <= set(flags(command)), words
        assert required <= set(words), words


@pytest.mark.parametrize("program", ["drfhq", "transfer"])
def test_help_loads_neither_torch_nor_pyarrow(program: str) -> None:
    package = {"drfhq": "drfhq_tools", "transfer": "transfer"}[program]
    code = (
        f"import sys; from {package}.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "print(sorted({'torch', 'pyarrow', 'cv2', 'dlib'} & set(sys.modules)), file=sys.stderr)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stderr.strip() == "[]"
    assert "Commands:" in result.stdout


if __name__ == "__main__":
    GOLDEN.write_text(command_line(), encoding="utf-8")
