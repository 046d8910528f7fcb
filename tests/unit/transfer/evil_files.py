"""Files that would harm a reader who trusts them: each touches ``marker`` if anything of it runs, or eats the machine.

Pickles are written by hand where Python's pickler would not: an instruction a byte, arguments behind it (pickletools).
"""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

NESTED = 40
FLOOD = 1_500_000
HUGE = 10**12


def text(words: str) -> bytes:
    return b"X" + struct.pack("<I", len(words.encode())) + words.encode()


def named(module: str, word: str) -> bytes:
    return f"c{module}\n{word}\n".encode()


def call(module: str, word: str, *arguments: bytes) -> bytes:
    return named(module, word) + b"(" + b"".join(arguments) + b"tR"


def number(value: int) -> bytes:
    data = value.to_bytes(12, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def pickled(body: bytes) -> bytes:
    return b"\x80\x02" + body + b"."


def items(**values: bytes) -> bytes:
    return b"}(" + b"".join(text(name) + value for name, value in values.items()) + b"u"


def persistent(class_name: str, source: str, state: bytes) -> bytes:
    """An object of NVIDIA's persistence."""
    meta = items(type=text("class"), class_name=text(class_name), module_src=text(source), state=state)
    return call("torch_utils.persistence", "_reconstruct_persistent_obj", meta)


def storage(kind: str, key: str, count: int) -> bytes:
    return b"(" + text("storage") + named("torch", kind) + text(key) + text("cpu") + number(count) + b"tQ"


def tensor(of: bytes, shape: list[int], stride: list[int]) -> bytes:
    sides, steps = (b"(" + b"".join(map(number, values)) + b"t" for values in (shape, stride))
    return call(
        "torch._utils", "_rebuild_tensor_v2", of, number(0), sides, steps, b"\x89", call("collections", "OrderedDict")
    )


def torch_zip(body: bytes, compression: int = zipfile.ZIP_STORED, **data: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        archive.writestr("a/data.pkl", pickled(body))
        archive.writestr("a/byteorder", b"little")
        for key, values in data.items():
            archive.writestr(f"a/data/{key}", values)
    return out.getvalue()


def torch_stream(body: bytes, keys: list[str], *storages: bytes) -> bytes:
    head = [pickle.dumps(0x1950A86A20F9469CFC6C, 2), pickle.dumps(1001, 2), pickle.dumps({"little_endian": True}, 2)]
    return b"".join([*head, pickled(body), pickle.dumps(keys, 2), *storages])


class Planted:
    """Its pickle calls what it is given."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.what = (function, arguments)

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self.what  # type: ignore[return-value]


def code_runners(folder: Path, marker: Path) -> Iterator[tuple[str, bytes]]:
    """Files that run something when they are unpickled as Python would."""
    touch = f"open({str(marker)!r}, 'w').close()"
    shell = f'python -c "{touch}"'
    (folder / "planted.py").write_text(f"{touch}\nclass Here:\n    def __setstate__(self, state): {touch}\n")
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        yield f"os.system-{protocol}", pickle.dumps({"g_ema": Planted(os.system, shell)}, protocol)
        yield f"eval-{protocol}", pickle.dumps({"g_ema": Planted(eval, touch)}, protocol)
    planted = named("planted", "Here") + b")\x81}b"
    yield "planted-class", pickled(planted)
    yield "planted-stack-global", pickled(text("planted") + text("Here") + b"\x93)R")
    yield "planted-inst", b"(iplanted\nHere\n."
    yield "getattr", pickled(call("builtins", "getattr", named("os", "system"), text("__call__")))
    yield "torch-hub", pickled(call("torch.hub", "load", text(str(folder)), text("planted")))
    yield "numpy-load", pickled(call("numpy", "load", text(str(marker))))
    evil = call("os", "system", text(shell))
    yield "in-a-zip", torch_zip(items(g_ema=evil))
    yield "in-a-stream", torch_stream(items(g_ema=evil), [])
    yield (
        "in-a-storage",
        pickled(
            items(
                G_ema=call(
                    "torch.storage", "_load_from_bytes", b"B" + struct.pack("<I", len(pickled(evil))) + pickled(evil)
                )
            )
        ),
    )
    yield "in-a-state", pickled(items(G_ema=persistent("Generator", "", items(_parameters=evil))))
    yield "source-code", pickled(items(G_ema=persistent("Generator", touch, items(_modules=b"}", _parameters=b"}"))))
    yield "storage-type-called", pickled(call("torch", "FloatStorage", text(shell)))
    yield "build-on-allowed", pickled(call("argparse", "Namespace") + items(__class__=evil) + b"b")


def eaters() -> Iterator[tuple[str, bytes]]:
    """Files that take memory or time without bound where a reader follows them."""
    laugh = b"]q\x00" + b"".join(
        b"](" + b"h" + bytes([i]) * 1 + (b"h" + bytes([i])) * 9 + b"eq" + bytes([i + 1]) for i in range(NESTED)
    )
    yield "laughs", pickled(items(g_ema=items(**{"input.input": laugh})))
    hashed = b")q\x00" + b"".join(b"(" + (b"h" + bytes([i])) * 10 + b"tq" + bytes([i + 1]) for i in range(NESTED))
    yield "hashed-laughs", pickled(b"}" + hashed + b"Ns")
    yield "set-of-laughs", pickled(b"\x8f(" + hashed + b"\x90")
    yield "flood-of-dicts", pickled(b"}" * FLOOD)
    yield "flood-of-words", pickled(text("word") * (FLOOD // 4) + b"}" * FLOOD)
    yield "depth", pickled(b"]" * (FLOOD // 4) + b"a" * (FLOOD // 4 - 1))
    yield "memo", pickled(b"]r\xff\xff\xff\xff")
    yield "announced-bytes", b"\x80\x04\x8e" + struct.pack("<Q", 1 << 62) + b"."
    yield "announced-word", b"\x80\x04\x8d" + struct.pack("<Q", 1 << 62) + b"."
    yield "announced-frame", b"\x80\x04\x95" + struct.pack("<Q", 1 << 62) + b"}."
    yield (
        "same-bytes-often",
        pickled(
            b"B"
            + struct.pack("<I", 500_004)
            + b"\x80\x02"
            + b"}0" * 250_000
            + b"}."
            + b"q\x00"
            + (named("torch.storage", "_load_from_bytes") + b"h\x00\x85R") * 1000
        ),
    )
    of_zip = storage("FloatStorage", "0", HUGE)
    yield "announced-storage", torch_zip(items(g_ema=items(a=tensor(of_zip, [HUGE], [1]))), **{"0": bytes(64)})
    small = storage("FloatStorage", "0", 16)
    yield "announced-shape", torch_zip(items(g_ema=items(a=tensor(small, [HUGE], [1]))), **{"0": bytes(64)})
    yield "stride-of-nothing", torch_zip(items(g_ema=items(a=tensor(small, [HUGE], [0]))), **{"0": bytes(64)})
    yield "stride-beyond", torch_zip(items(g_ema=items(a=tensor(small, [2], [HUGE]))), **{"0": bytes(64)})
    yield (
        "announced-in-a-stream",
        torch_stream(
            items(g_ema=items(a=tensor(of_zip[:-2] + b"NtQ", [HUGE], [1]))), ["0"], struct.pack("<q", HUGE) + bytes(64)
        ),
    )
    yield (
        "modules-within-themselves",
        pickled(
            items(
                G_ema=persistent(
                    "Generator",
                    "",
                    b"}q\x01("
                    + text("_modules")
                    + b"}("
                    + text("a")
                    + call(
                        "torch_utils.persistence",
                        "_reconstruct_persistent_obj",
                        items(class_name=text("A"), state=b"h\x01"),
                    )
                    + text("b")
                    + call(
                        "torch_utils.persistence",
                        "_reconstruct_persistent_obj",
                        items(class_name=text("A"), state=b"h\x01"),
                    )
                    + b"uu",
                )
            )
        ),
    )


def lying_zips() -> Iterator[tuple[str, bytes]]:
    """Zips whose headers are not to be believed."""
    honest = torch_zip(items(g_ema=items(a=tensor(storage("FloatStorage", "0", 16), [16], [1]))), **{"0": bytes(64)})
    zeros = bytes(200_000_000)
    bomb = torch_zip(
        items(g_ema=items(a=tensor(storage("FloatStorage", "0", 50_000_000), [50_000_000], [1]))),
        zipfile.ZIP_DEFLATED,
        **{"0": zeros},
    )
    yield "bomb", bomb
    entry = honest.rindex(b"PK\x01\x02")
    for name, value in (("larger", 1 << 30), ("smaller", 4)):
        yield f"{name}-size", honest[: entry + 24] + struct.pack("<I", value) + honest[entry + 28 :]
        both = struct.pack("<II", value, value)
        yield f"{name}-sizes", honest[: entry + 20] + both + honest[entry + 28 :]
    yield "pointing-elsewhere", honest[: entry + 42] + struct.pack("<I", 7) + honest[entry + 46 :]
    damaged = bytearray(honest)
    damaged[honest.index(b"a/data/0") + 10] ^= 1
    yield "damaged", bytes(damaged)
    for length in range(0, len(honest), 97):
        yield f"cut-at-{length}", honest[:length]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for i in range(1000):
            archive.writestr(f"entry/{i}", b"")
    yield "no-pickle", out.getvalue()
    yield "script", torch_zip(call("__torch__.torch.nn", "Module"))


def lying_safetensors() -> Iterator[tuple[str, bytes]]:
    """Our own format, its header lying."""
    spec = {"resolution": 32, "channels": [8] * 4}
    for name, changes in (
        ("layers", {"mapping_layers": 10**9}),
        ("widths", {"channels": [10**9] * 4}),
        ("words", {"resolution": "many"}),
        ("nothing", {"z_dim": None}),
    ):
        metadata = {"drfhq": json.dumps({"format": "drfhq-stylegan2-v1", "spec": {**spec, **changes}})}
        header = json.dumps({"__metadata__": metadata}).encode()
        yield f"ours-{name}", struct.pack("<Q", len(header)) + header
    header = json.dumps({"a": {"dtype": "F32", "shape": [HUGE], "data_offsets": [0, 4 * HUGE]}}).encode()
    yield "ours-announced", struct.pack("<Q", len(header)) + header
    yield "ours-header", struct.pack("<Q", 1 << 60) + b"{"


def everything(folder: Path, marker: Path) -> Iterator[tuple[str, bytes]]:
    """All of them by name."""
    yield from code_runners(folder, marker)
    yield from eaters()
    yield from lying_zips()
    yield from lying_safetensors()
