"""PyTorch's files read without PyTorch's unpickler: tensors, plain values and names of modules, nothing else.

Two containers exist (``torch/serialization.py``, documented in PyTorch's notes on serialisation semantics). The zip of
torch 1.6 and later holds ``X/data.pkl`` and one uncompressed entry ``X/data/KEY`` a storage. The older stream is a
magic number, a protocol number, facts on the machine, the pickle, the list of storage keys, and then each storage: its
element count (int64) and its elements. Both name a storage in the pickle by (``"storage"``, type, key, place, count).
Sizes that are announced are compared with the bytes that are there before anything is allocated.
"""

from __future__ import annotations

import functools
import io
import struct
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np
import torch
from torch import Tensor

from transfer.checkpoints.pickles import Budget, Name, Record, Rule, Rules, read_pickle
from transfer.errors import CheckpointError

MAX_FILE_BYTES: Final = 4 << 30
"""Of a checkpoint; StyleGAN2 at 1024² with its optimisers takes less than one GiB."""
MAX_ENTRIES: Final = 100_000
MAX_DIMENSIONS: Final = 8
LEGACY_MAGIC: Final = 0x1950A86A20F9469CFC6C

_DTYPES: Final = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
_STORAGES: Final = {Name("torch", word): dtype for word, dtype in _DTYPES.items()}
_ZIP_ERRORS: Final = (zipfile.BadZipFile, EOFError, ValueError, RuntimeError, NotImplementedError, struct.error)
_SCALARS: Final = frozenset({"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"})


@dataclass(slots=True, eq=False)
class Storage:
    """``count`` elements in a row; ``read`` gives their bytes when they are wanted."""

    dtype: torch.dtype
    count: int
    read: Callable[[], memoryview]


@dataclass(frozen=True, slots=True, eq=False)
class StoredTensor:
    """A tensor that still lies in its file. Its extent is checked; ``load`` copies it out."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    def load(self) -> Tensor:
        """Contiguous float32 on the CPU, the file's memory no longer needed.

        Raises:
            CheckpointError: its bytes are missing or damaged.
        """
        data = self.storage.read()
        if len(data) != self.storage.count * self.storage.dtype.itemsize:
            raise CheckpointError("a storage holds other than the bytes it announces")
        if not prod(self.shape):
            return torch.empty(self.shape)
        size = self.storage.dtype.itemsize
        own = bytearray(data[self.offset * size : (self.offset + prod(self.shape)) * size])
        flat = torch.frombuffer(own, dtype=self.storage.dtype)
        return flat.as_strided(self.shape, self.stride).to(torch.float32).contiguous()


@dataclass(slots=True, eq=False)
class Module:
    """An object that NVIDIA's persistence pickled: its class name and what it held; never its source."""

    class_name: str
    state: dict[object, object]


def read_torch_file(path: Path) -> object:
    """What ``torch.save`` or ``pickle.dump`` wrote, tensors as :class:`StoredTensor`.

    Raises:
        CheckpointError: it is none of these files, is damaged, lies about sizes, or names what no checkpoint needs.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise CheckpointError(f"larger than {MAX_FILE_BYTES >> 30} GiB")
        data = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"cannot be read ({error.strerror or error})") from error
    if data[:2] == b"PK":
        return _read_zip(data)
    if data[:1] != b"\x80":
        raise CheckpointError("neither a pickle of protocol 2 or later nor a file of PyTorch")
    budget = Budget()
    nested = _rules(budget)
    calls = {Name("torch.storage", "_load_from_bytes"): lambda arguments: _read_stream(_bytes(arguments[0]), nested)}
    return _read_stream(memoryview(data), _rules(budget, calls))


def _read_stream(data: memoryview, rules: Rules) -> object:
    """A bare pickle, or the stream of torch before 1.6."""
    first, position = read_pickle(data, rules)
    if type(first) is not int or first != LEGACY_MAGIC:
        return first
    _, position = read_pickle(data, rules, position)
    machine, position = read_pickle(data, rules, position)
    if not isinstance(machine, dict) or machine.get("little_endian") is not True:
        raise CheckpointError("written on a big-endian machine")
    storages: dict[str, Storage] = {}
    found, position = read_pickle(data, _keeping(storages, rules), position)
    keys, position = read_pickle(data, rules, position)
    if not isinstance(keys, list) or sorted(map(_text, keys)) != sorted(storages):
        raise CheckpointError("its storages are not those its tensors name")
    for key in keys:
        position = _place(storages[_text(key)], data, position)
    return found


def _place(storage: Storage, data: memoryview, position: int) -> int:
    """Find the storage's bytes at ``position``, and where they end."""
    start = position + 8
    end = start + storage.count * storage.dtype.itemsize
    if end > len(data) or struct.unpack("<q", data[position:start])[0] != storage.count:
        raise CheckpointError(f"a tensor announces {storage.count} elements that the file does not hold")
    storage.read = lambda: data[start:end]
    return end


def _read_zip(data: bytes) -> object:
    if data.count(b"PK\x01\x02") > MAX_ENTRIES:
        raise CheckpointError(f"a zip of more than {MAX_ENTRIES} entries")
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))  # stays open: storages are read when wanted
    except (*_ZIP_ERRORS, OSError) as error:
        raise CheckpointError(f"a damaged zip ({error})") from error
    sizes = _sizes(archive, len(data))
    pickles = [name for name in sizes if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise CheckpointError("a zip that is no file of PyTorch")
    root = pickles[0].removesuffix("data.pkl")
    if f"{root}byteorder" in sizes and _entry(archive, f"{root}byteorder").tobytes() != b"little":
        raise CheckpointError("written on a big-endian machine")
    storages: dict[str, Storage] = {}
    found, _ = read_pickle(_entry(archive, pickles[0]), _keeping(storages, _rules(Budget())))
    for key, storage in storages.items():
        name = f"{root}data/{key}"
        if sizes.get(name) != storage.count * storage.dtype.itemsize:
            raise CheckpointError(f"a tensor announces {storage.count} elements that the file does not hold")
        storage.read = functools.partial(_entry, archive, name)
    return found


def _sizes(archive: zipfile.ZipFile, file_bytes: int) -> dict[str, int]:
    """Bytes of each entry. PyTorch stores entries as they are: whatever grows on reading is a trap."""
    sizes = {info.filename: info.file_size for info in archive.infolist()}
    for info in archive.infolist():
        if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
            raise CheckpointError("a zip with compressed entries, which PyTorch does not write")
    if len(sizes) != len(archive.infolist()) or sum(sizes.values()) > file_bytes:
        raise CheckpointError("a zip whose entries overlap")
    return sizes


def _entry(archive: zipfile.ZipFile, name: str) -> memoryview:
    """An entry's bytes, held to its checksum."""
    try:
        return memoryview(archive.read(name))
    except _ZIP_ERRORS as error:
        raise CheckpointError(f"a damaged zip ({error})") from error


def _rules(budget: Budget, more: Mapping[Name, Rule] = MappingProxyType({})) -> Rules:
    return Rules(calls={**_CALLS, **more}, values=frozenset(_STORAGES), persistent=None, budget=budget)


def _keeping(storages: dict[str, Storage], rules: Rules) -> Rules:
    """Rules for a pickle whose tensors lie beside it: each storage it names is noted under its key."""

    def note(identity: tuple[object, ...]) -> Storage:
        tag, kind, key, _, count, *view = identity
        if tag != "storage" or kind not in _STORAGES or any(part is not None for part in view):
            raise CheckpointError("the pickle refers to something other than a storage")
        announced = Storage(_STORAGES[kind], _size(count), _missing)
        known = storages.setdefault(_text(key), announced)
        if (known.dtype, known.count) != (announced.dtype, announced.count):
            raise CheckpointError("one storage is announced in two ways")
        return known

    return replace(rules, persistent=note)


def _missing() -> memoryview:
    raise CheckpointError("a tensor's bytes are missing")


def _tensor(arguments: tuple[object, ...]) -> StoredTensor:
    """``torch._utils._rebuild_tensor_v2``: storage, offset, shape, stride, …; no larger than what it lies in."""
    storage, offset, shape, stride = arguments[:4]
    if not (isinstance(storage, Storage) and isinstance(shape, tuple) and isinstance(stride, tuple)):
        raise TypeError
    if len(shape) != len(stride) or len(shape) > MAX_DIMENSIONS:
        raise CheckpointError("a tensor of impossible shape")
    found = StoredTensor(storage, _size(offset), tuple(map(_size, shape)), tuple(map(_size, stride)))
    extent = 1 + sum((side - 1) * step for side, step in zip(found.shape, found.stride, strict=True))
    count = prod(found.shape)
    if count and (found.offset + max(count, extent) > storage.count):
        raise CheckpointError(f"a tensor announces {count} elements and its storage holds {storage.count}")
    if count and extent != count:
        raise CheckpointError("a tensor with gaps or repetitions, which no network's weights have")
    return found


def _persistent(arguments: tuple[object, ...]) -> Module:
    """NVIDIA's ``torch_utils.persistence``: class name and state are kept, the source code it carries is not read."""
    meta = arguments[0]
    if not isinstance(meta, dict) or not isinstance(meta.get("state"), dict):
        raise TypeError
    return Module(_text(meta.get("class_name")), meta["state"])


def _mapping(arguments: tuple[object, ...]) -> dict[object, object]:
    """A dict of whatever kind: empty, its items follow, or made of pairs, as older pickles do."""
    if not arguments:
        return {}
    (pairs,) = arguments
    if not isinstance(pairs, list):
        raise TypeError
    return {_text(key): value for key, value in pairs}


def _set(arguments: tuple[object, ...]) -> set[object]:
    values = arguments[0] if arguments else []
    if not isinstance(values, list):
        raise TypeError
    return {_text(value) for value in values}


def _numpy_scalar(arguments: tuple[object, ...]) -> object:
    """``numpy.core.multiarray.scalar``: a little-endian number of a plain type."""
    kind, data = arguments
    if not isinstance(kind, Record) or not isinstance(kind.state, tuple) or kind.arguments[0] not in _SCALARS:
        raise TypeError
    if kind.state[1] not in ("<", "|"):
        raise TypeError
    number: object = np.frombuffer(_bytes(data), dtype=f"<{kind.arguments[0]}", count=1)[0].item()
    return number


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _bytes(value: object) -> memoryview:
    if not isinstance(value, memoryview):
        raise TypeError
    return value


def _size(value: object) -> int:
    if type(value) is not int or value < 0:
        raise TypeError
    return value


def _records(*names: Name) -> dict[Name, Rule]:
    return {name: functools.partial(Record, name) for name in names}


_CALLS: Final[Mapping[Name, Rule]] = {
    Name("collections", "OrderedDict"): _mapping,
    Name("dnnlib.util", "EasyDict"): _mapping,
    Name("builtins", "set"): _set,
    Name("__builtin__", "set"): _set,
    Name("torch", "Size"): lambda arguments: arguments[0],
    Name("torch._utils", "_rebuild_tensor_v2"): _tensor,
    Name("torch._utils", "_rebuild_parameter"): lambda arguments: arguments[0],
    Name("torch_utils.persistence", "_reconstruct_persistent_obj"): _persistent,
    Name("numpy.core.multiarray", "scalar"): _numpy_scalar,
    Name("numpy._core.multiarray", "scalar"): _numpy_scalar,
    **_records(Name("numpy", "dtype"), Name("argparse", "Namespace")),
}
