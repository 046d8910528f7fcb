"""Documents: what they show and link to is there, headings included, and every page can be reached from the README."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = (".", "docs", "manifests", "demo/generator")
DOCUMENTS = {path.resolve() for folder in FOLDERS for path in (ROOT / folder).glob("*.md")}


def targets(document: Path) -> list[str]:
    """What a document shows or links to in the repository, relative to it."""
    found = re.findall(r"\]\(([^)]+)\)", document.read_text(encoding="utf-8"))
    return [target for target in found if not target.startswith(("http", "mailto"))]


def anchors(document: Path) -> set[str]:
    """The names of its headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", sorted(DOCUMENTS), ids=lambda path: path.relative_to(ROOT.resolve()).as_posix())
def test_no_document_points_to_nothing(document: Path) -> None:
    for target in targets(document):
        name, _, anchor = target.partition("#")
        path = (document.parent / name).resolve() if name else document
        assert path.exists(), f"{document.name} points to {target}"
        assert not anchor or anchor in anchors(path), f"{document.name} points to {target}"


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, ahead = set[Path](), [(ROOT / "README.md").resolve()]
    while ahead:
        page = ahead.pop()
        reached.add(page)
        linked = {(page.parent / target.partition("#")[0]).resolve() for target in targets(page)}
        ahead += [path for path in linked & DOCUMENTS if path not in reached]
    pages = {path for path in DOCUMENTS if path.parent.name == "docs"}
    assert not pages - reached
