"""Reads the networks dlib saves (.dat, .dat.bz2) into numpy arrays, without dlib. Pure numpy, pure data: nothing runs.

The stream, worked out from the files themselves and dlib's documentation of its serialisation:

- Integer: a control byte (low nibble: number of bytes that follow, 0x80: negative), then little-endian bytes.
  Bool: ASCII ``0`` or ``1``. Float: mantissa and exponent of two as integers. Text: its length, then its bytes.
- Tensor: version 2, four dimensions (samples, channels, rows, columns), raw little-endian float32. A *view* is
  version 1 and four dimensions: it names a slice of the layer's ``params``; views follow each other without a gap.
- Network: version 1, the loss, one version integer a layer from the output down (layer 2, innermost layer 3, tag or
  skip 1), the input, then every layer's details from the input up. Tags and skips leave nothing but their integer, so
  they do not appear in the result: which layers they join is the architecture's business, not the file's.
- ``repeat<>``: version 1, the number of groups, then each group as a network of its own, the topmost first, all
  *before* the layers below. A repeat of fewer than three groups cannot be told from a tag and is not supported.
"""

from __future__ import annotations

import bz2
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from drfhq_tools.errors import ModelFileError

Tensor = npt.NDArray[np.float32]

MAX_TEXT: Final = 64
MAX_GROUPS: Final = 1000
_RATES: Final = "float:rate float:decay float:bias_rate float:bias_decay"
_CONVOLUTION: Final = (
    "tensor:params int:filters int:rows int:columns int:stride_y int:stride_x int:padding_y int:padding_x "
    f"view:weight view:bias {_RATES}"
)
_POOL: Final = "int:rows int:columns int:stride_y int:stride_x int:padding_y int:padding_x"
_DENSE: Final = f"int:outputs int:inputs tensor:params view:weight view:bias int:bias_mode {_RATES}"
_BATCH_NORM: Final = (
    "tensor:params view:gamma view:beta tensor:batch_means tensor:batch_invstds tensor:means tensor:variances "
    f"int:updates int:window {_RATES} float:eps"
)
_FIELDS: Final = {
    "loss_metric_2": "float:margin float:distance_threshold",
    "loss_multiclass_log_": "",
    "input_rgb_image": "float:red float:green float:blue",
    "input_rgb_image_sized": "float:red float:green float:blue int:rows int:columns",
    "con_4": _CONVOLUTION,
    "con_5": f"{_CONVOLUTION} bool:use_bias",
    "fc_2": _DENSE,
    "fc_3": f"{_DENSE} bool:use_bias",
    "affine_": "tensor:params view:gamma view:beta int:mode",
    "bn_con2": _BATCH_NORM,
    "bn_fc2": _BATCH_NORM,
    "max_pool_2": _POOL,
    "avg_pool_2": _POOL,
    "relu_": "",
    "add_prev_": "",
    "concat_": "int:inputs",
    "dropout_": "float:drop_rate tensor:mask",
}
"""What each record holds, in the order of the stream; names are ours."""


@dataclass(frozen=True, slots=True)
class Record:
    """One layer, input or loss. ``kind`` is dlib's name without its version (``con``, ``fc``, ``affine``, ``bn_con``…).

    ``tensors`` are float32 of shape (samples, channels, rows, columns); a convolution's ``weight`` is (out, in, rows,
    columns), a dense layer's (in, out, 1, 1); a part the layer lacks (``bias``) is absent.
    """

    kind: str
    numbers: dict[str, float] = field(default_factory=dict)
    tensors: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Repeat:
    """A ``repeat<>``: groups of layers from the input up."""

    groups: tuple[tuple[Record | Repeat, ...], ...]


@dataclass(frozen=True, slots=True)
class DlibNetwork:
    """A network from the input up."""

    loss: Record
    input: Record
    layers: tuple[Record | Repeat, ...]

    def records(self) -> list[Record]:
        """Every layer, repeats unrolled, from the input up."""
        return list(_flatten(self.layers))


def read_dlib_network(path: Path) -> DlibNetwork:
    """Read ``path`` (a name ending in .bz2 is unpacked first).

    Raises:
        ModelFileError: missing, truncated, or not a dlib network of known layers.
    """
    try:
        data = path.read_bytes()
        if path.suffix == ".bz2":
            data = bz2.decompress(data)
    except (OSError, ValueError, EOFError) as error:
        raise ModelFileError(f"cannot read the dlib network {path}: {error}") from error
    try:
        return parse_dlib_network(data)
    except ModelFileError as error:
        raise ModelFileError(f"{path}: {error}") from error


def parse_dlib_network(data: bytes) -> DlibNetwork:
    """Parse the whole stream of one network, as :func:`read_dlib_network`."""
    stream = _Stream(data)
    version = stream.integer()
    if version != 1:
        raise ModelFileError(f"not a dlib network: the stream starts with version {version}, a network with 1")
    loss = _record(stream, stream.text())
    try:
        bottom, layers = _network(stream)
    except RecursionError as error:
        raise ModelFileError("not a dlib network: repeats nested beyond measure") from error
    if bottom is None:
        raise ModelFileError("the network has no input layer")
    if stream.position != len(data):
        raise ModelFileError(f"{len(data) - stream.position} bytes follow the network's end")
    return DlibNetwork(loss, bottom, layers)


class _Stream:
    """A cursor over the bytes that refuses to run past their end."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    def take(self, count: int) -> bytes:
        chunk = self.data[self.position : self.position + count]
        if count < 0 or len(chunk) != count:
            raise ModelFileError(f"truncated: {count} bytes wanted at byte {self.position} of {len(self.data)}")
        self.position += count
        return chunk

    def integer(self) -> int:
        at = self.position
        control = self.take(1)[0]
        length = control & 0x0F
        if control & 0x70 or not 1 <= length <= 8:
            raise ModelFileError(f"not a dlib network: no integer at byte {at}")
        value = int.from_bytes(self.take(length), "little")
        return -value if control & 0x80 else value

    def boolean(self) -> float:
        at = self.position
        flag = self.take(1)
        if flag not in (b"0", b"1"):
            raise ModelFileError(f"not a dlib network: no bool at byte {at}")
        return float(flag == b"1")

    def real(self) -> float:
        mantissa, exponent = self.integer(), self.integer()
        if abs(exponent) > 900:  # dlib marks infinities and NaN with exponents beyond any weight's
            raise ModelFileError("a stored number is not finite")
        return math.ldexp(mantissa, exponent)

    def text(self) -> str:
        at = self.position
        length = self.integer()
        if not 0 < length <= MAX_TEXT:
            raise ModelFileError(f"not a dlib network: no name at byte {at}")
        return self.take(length).decode("latin-1")

    def shape(self, version: int) -> tuple[int, int, int, int]:
        found = self.integer()
        if found != version:
            raise ModelFileError(f"a tensor of version {found} where version {version} is known")
        samples, channels, rows, columns = (self.integer() for _ in range(4))
        if min(samples, channels, rows, columns) < 0:
            raise ModelFileError("a tensor of negative size")
        return samples, channels, rows, columns

    def tensor(self) -> Tensor:
        shape = self.shape(2)
        if 0 in shape:
            return np.zeros((0, 0, 0, 0), np.float32)
        return np.frombuffer(self.take(4 * math.prod(shape)), "<f4").astype(np.float32).reshape(shape)

    def peek(self, count: int) -> list[int]:
        """The next ``count`` integers, −1 where there is none, without moving."""
        start = self.position
        found = []
        for _ in range(count):
            try:
                found.append(self.integer())
            except ModelFileError:
                found.append(-1)
        self.position = start
        return found


def _network(stream: _Stream) -> tuple[Record | None, tuple[Record | Repeat, ...]]:
    """Versions from the output down, the input (None inside a repeat), details from the input up."""
    pending: list[Repeat | None] = []  # from the output down; None: a layer whose details follow
    while True:
        version = stream.integer()
        after, beyond = stream.peek(2)
        if version == 3:
            bottom, lowest = _innermost(stream)
            above: list[Record | Repeat] = [lowest]
            break
        if version == 2 and (after > 3 or (after == 2 and beyond == 0)):  # a tag straight on the input
            bottom, above = _tagged_input(stream), []
            break
        if version == 1 and (after > 3 or (after == 3 and beyond in (1, 2, 3))):
            pending.append(_repeat(stream))
        elif version == 2:
            pending.append(None)
        elif version != 1:
            raise ModelFileError(f"a layer of version {version} at byte {stream.position} is not known")
    for item in reversed(pending):
        above.append(_layer(stream) if item is None else item)
    return bottom, tuple(above)


def _repeat(stream: _Stream) -> Repeat:
    count = stream.integer()
    if count > MAX_GROUPS:
        raise ModelFileError(f"a repeat of {count} groups: not a dlib network")
    groups = [_network(stream)[1] for _ in range(count)]
    return Repeat(tuple(reversed(groups)))


def _innermost(stream: _Stream) -> tuple[Record | None, Record]:
    name = stream.text()
    bottom = None
    if name.startswith("input"):
        bottom, name = _record(stream, name), stream.text()
    lowest = _record(stream, name)
    _skip(stream, booleans=3, tensors=3)
    stream.integer()  # samples one input expands to
    return bottom, lowest


def _tagged_input(stream: _Stream) -> Record | None:
    bottom = None if stream.peek(1) == [2] else _record(stream, stream.text())
    _skip(stream, booleans=0, tensors=2)
    _skip(stream, booleans=1, tensors=0)
    stream.integer()
    return bottom


def _layer(stream: _Stream) -> Record:
    record = _record(stream, stream.text())
    _skip(stream, booleans=3, tensors=3)
    return record


def _skip(stream: _Stream, booleans: int, tensors: int) -> None:
    """State of training that dlib keeps beside a layer."""
    for _ in range(booleans):
        stream.boolean()
    for _ in range(tensors):
        stream.tensor()


def _record(stream: _Stream, name: str) -> Record:
    fields = _FIELDS.get(name)
    if fields is None:
        raise ModelFileError(f"a layer named {name!r} at byte {stream.position} is not known")
    record = Record(name.rstrip("0123456789").rstrip("_"))
    views: dict[str, tuple[int, int, int, int]] = {}
    scalars: dict[str, Callable[[], float]] = {"int": stream.integer, "float": stream.real, "bool": stream.boolean}
    for item in fields.split():
        form, key = item.split(":")
        if form == "tensor":
            record.tensors[key] = stream.tensor()
        elif form == "view":
            views[key] = stream.shape(1)
        else:
            record.numbers[key] = scalars[form]()
    if views:
        _cut_views(record, views, name)
    return record


def _cut_views(record: Record, views: dict[str, tuple[int, int, int, int]], name: str) -> None:
    """Replace ``params`` by the slices its views name; an empty view (a bias left out) is dropped."""
    params = record.tensors.pop("params").reshape(-1)
    start = 0
    for key, shape in views.items():
        size = math.prod(shape)
        if size == 0 or start == len(params):
            continue
        if start + size > len(params):
            raise ModelFileError(f"{name}: {key} reaches past its {len(params)} parameters")
        record.tensors[key] = params[start : start + size].reshape(shape)
        start += size


def _flatten(layers: tuple[Record | Repeat, ...]) -> Iterator[Record]:
    for layer in layers:
        if isinstance(layer, Repeat):
            for group in layer.groups:
                yield from _flatten(group)
        else:
            yield layer
