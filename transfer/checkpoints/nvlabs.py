"""NVIDIA's layout: the .pkl of stylegan2-ada-pytorch and stylegan3 (StyleGAN2 configurations), and plain state dicts.

The .pkl is a dict of G, D and G_ema, each an object of NVIDIA's persistence with its tensors and plain numbers. The
state dict we write has the same names: ``G_ema`` and ``D`` hold what their ``load_state_dict`` takes, ``init_kwargs``
what to construct the networks with.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from torch import Tensor

from transfer.checkpoints.layout import FIR, Layout, Slot, Source, read_network, shape_of, with_parts, write_network
from transfer.checkpoints.torch_files import Module, StoredTensor
from transfer.errors import CheckpointError, ConfigError
from transfer.networks.discriminator import Discriminator
from transfer.networks.generator import Generator
from transfer.networks.spec import GeneratorSpec

Plain = int | float | str | bool | None
MAX_MODULES: Final = 10_000


@dataclass(frozen=True, slots=True)
class Parts:
    """A network taken apart: tensors and plain values by dotted name."""

    tensors: dict[str, Source]
    plain: dict[str, Plain]


def is_nvlabs(found: object) -> bool:
    """Whether this is a .pkl of NVIDIA's."""
    return isinstance(found, dict) and isinstance(found.get("G_ema", found.get("G")), Module)


def is_nvlabs_state(found: object) -> bool:
    """Whether this is a state dict by NVIDIA's names."""
    if not isinstance(found, dict):
        return False
    state = found.get("G_ema", found.get("G"))
    return isinstance(state, dict) and "mapping.fc0.weight" in state


def parts_of(network: object, init_kwargs: object = None) -> Parts:
    """Tensors and plain values of a network, whichever way it lies in the file.

    Raises:
        CheckpointError: it is no network.
    """
    parts = Parts({}, {})
    if isinstance(network, Module):
        for name, module in _modules(network):
            _gather(name, module.state, parts)
    elif isinstance(network, dict):
        parts.tensors.update({str(name): value for name, value in network.items() if isinstance(value, StoredTensor)})
        if len(parts.tensors) != len(network):
            raise CheckpointError("its state dict holds more than tensors")
        if isinstance(init_kwargs, dict):
            _gather_kwargs(init_kwargs, parts)
    else:
        raise CheckpointError("holds no network where one should be")
    return parts


def read_generator(parts: Parts, spec: GeneratorSpec) -> Generator:
    """The generator of a spec that :func:`generator_spec` inferred.

    Raises:
        CheckpointError: its tensors are not all and only what a StyleGAN2 has.
    """
    return read_network(Generator, spec, generator_layout(spec), parts.tensors)


def read_discriminator(parts: Parts, spec: GeneratorSpec) -> Discriminator:
    """The discriminator beside a generator of ``spec``; its own spec adds what only a discriminator decides.

    Raises:
        CheckpointError: it is of another architecture than "resnet", or does not fit the generator.
    """
    spec = _discriminator_spec(parts, spec)
    return read_network(Discriminator, spec, discriminator_layout(spec), parts.tensors)


def write_state(generator: Generator, discriminator: Discriminator | None) -> dict[str, object]:
    """The dict to save: see the module's head.

    Raises:
        CheckpointError: NVIDIA's classes cannot make networks of these widths.
    """
    spec = generator.spec
    kwargs = _init_kwargs(spec)
    found: dict[str, object] = {"G_ema": write_network(generator, generator_layout(spec))}
    if discriminator is not None:
        found["D"] = write_network(discriminator, discriminator_layout(spec))
    return found | {"init_kwargs": kwargs}


def generator_layout(spec: GeneratorSpec) -> Layout:
    """NVIDIA's names of a generator's tensors."""
    slots = [
        Slot("mapping.w_avg", "mapping.w_avg"),
        Slot("synthesis.const", "synthesis.b4.const"),
        *_mapping(spec, spec.mapping_layers),
    ]
    filters: dict[str, Tensor] = {}
    for i, side in enumerate(spec.resolutions):
        ours, theirs = f"synthesis.blocks.{i}", f"synthesis.b{side}"
        filters[f"{theirs}.resample_filter"] = FIR
        for mine, name in (("conv_up", "conv0"), ("conv", "conv1")):
            if side == 4 and name == "conv0":
                continue
            parts = ("weight", "bias", "noise_const", "noise_strength", "affine.weight", "affine.bias")
            slots += with_parts(f"{ours}.{mine}", f"{theirs}.{name}", *parts)
            filters[f"{theirs}.{name}.resample_filter"] = FIR
        slots += with_parts(f"{ours}.to_rgb", f"{theirs}.torgb", "weight", "bias", "affine.weight", "affine.bias")
    return Layout(tuple(slots), filters)


def discriminator_layout(spec: GeneratorSpec) -> Layout:
    """NVIDIA's names of a discriminator's tensors."""
    top = f"b{spec.resolution}"
    slots = [
        *with_parts("from_rgb", f"{top}.fromrgb", "weight", "bias"),
        *(_mapping(spec, spec.cmap_layers) if spec.c_dim else ()),
    ]
    filters = {f"{top}.fromrgb.resample_filter": FIR, "b4.conv.resample_filter": FIR}
    for i, side in enumerate(spec.resolutions[:0:-1]):
        ours, theirs = f"blocks.{i}", f"b{side}"
        slots += with_parts(f"{ours}.conv", f"{theirs}.conv0", "weight", "bias")
        slots += [Slot(f"{ours}.conv_down.{part}", f"{theirs}.conv1.{part}") for part in ("weight", "bias")]
        slots += with_parts(f"{ours}.skip", f"{theirs}.skip", "weight")
        filters |= {f"{theirs}{part}.resample_filter": FIR for part in ("", ".conv0", ".conv1", ".skip")}
    for name in ("conv", "fc", "out"):
        slots += with_parts(name, f"b4.{name}", "weight", "bias")
    return Layout(tuple(slots), filters)


def _mapping(spec: GeneratorSpec, layers: int) -> Iterator[Slot]:
    if spec.c_dim:
        yield from with_parts("mapping.embed", "mapping.embed", "weight", "bias")
    for i in range(layers):
        yield from with_parts(f"mapping.layers.{i}", f"mapping.fc{i}", "weight", "bias")


def _modules(root: Module) -> Iterator[tuple[str, Module]]:
    """Every module below ``root`` with its dotted name; a file whose modules contain each other comes to an end too."""
    waiting = [("", root)]
    for _ in range(MAX_MODULES):
        if not waiting:
            return
        name, module = waiting.pop()
        yield name, module
        children = module.state.get("_modules")
        for word, child in children.items() if isinstance(children, dict) else ():
            if isinstance(child, Module):
                waiting.append((f"{name}{word}."[:1000], child))
    raise CheckpointError(f"a network of more than {MAX_MODULES} modules")


def _gather(name: str, state: Mapping[object, object], parts: Parts) -> None:
    for group in ("_parameters", "_buffers"):
        tensors = state.get(group)
        for word, value in tensors.items() if isinstance(tensors, dict) else ():
            if isinstance(value, StoredTensor):
                parts.tensors[f"{name}{word}"] = value
    kwargs = state.get("_init_kwargs")
    for values in (kwargs if isinstance(kwargs, dict) else {}, state):
        for word, value in values.items():
            if value is None or isinstance(value, int | float | str):
                parts.plain[f"{name}{word}"] = value


def _gather_kwargs(kwargs: Mapping[object, object], parts: Parts) -> None:
    """What the plain values of the modules would be, of the keywords their networks are constructed with."""
    groups = {"": kwargs, **{str(word): value for word, value in kwargs.items() if isinstance(value, dict)}}
    values = {word: value for group in groups.values() if isinstance(group, dict) for word, value in group.items()}
    clamp, lr, group = values.get("conv_clamp"), values.get("lr_multiplier"), values.get("mbstd_group_size")
    if isinstance(clamp, int | float):
        parts.plain.update({f"{name.removesuffix('.weight')}.conv_clamp": clamp for name in parts.tensors})
    if isinstance(lr, int | float):
        parts.plain["mapping.fc0.bias_gain"] = lr
    if isinstance(group, int):
        parts.plain["b4.mbstd.group_size"] = group


def generator_spec(parts: Parts) -> GeneratorSpec:
    """The spec, inferred from shapes and plain values.

    Raises:
        CheckpointError: it is no StyleGAN2 generator of square RGB images; the message says what it is instead.
    """
    tensors, plain = parts.tensors, parts.plain
    if any(re.match(r"synthesis\.(input\.|L\d+_)", name) for name in tensors):
        raise CheckpointError(
            "an alias-free StyleGAN3 generator, whose layers are others than StyleGAN2's: take a StyleGAN2 "
            "(stylegan3 trains it with --cfg=stylegan2, and NVIDIA publishes stylegan2-ffhq-256x256.pkl and others)"
        )
    sides = sorted(
        int(found[1]) for name in tensors if (found := re.fullmatch(r"synthesis\.b(\d{1,4})\.conv1\.weight", name))
    )
    if not sides or sides != [4 << i for i in range(len(sides))]:
        raise CheckpointError("not a StyleGAN2 generator: no synthesis.b4.conv1.weight, b8, b16 and so on")
    if shape_of(tensors, "synthesis.b4.const")[1:] != (4, 4):
        raise CheckpointError("a generator of pictures that are not square, which this tool has not")
    if shape_of(tensors, "synthesis.b4.torgb.weight")[:1] != (3,):
        raise CheckpointError("a generator of pictures that are not RGB, which this tool has not")
    _refuse_others(plain, "synthesis.", "skip", "a generator")
    layers = sum(1 for name in tensors if re.fullmatch(r"mapping\.fc\d+\.weight", name))
    try:
        w_dim = shape_of(tensors, "synthesis.b4.conv1.affine.weight")[-1]
        c_dim = shape_of(tensors, "mapping.embed.weight")[-1] if "mapping.embed.weight" in tensors else 0
        return GeneratorSpec(
            resolution=sides[-1],
            z_dim=shape_of(tensors, "mapping.fc0.weight")[-1] - (w_dim if c_dim else 0),
            w_dim=w_dim,
            mapping_layers=layers,
            mapping_lr=_number(plain.get("mapping.fc0.bias_gain"), 0.01),
            channels=tuple(shape_of(tensors, f"synthesis.b{side}.conv1.weight")[0] for side in sides),
            conv_clamp=_clamp(plain, "synthesis."),
            c_dim=c_dim,
        )
    except (ConfigError, IndexError) as error:
        raise CheckpointError(f"shapes of which no StyleGAN2 can be made ({error})") from error


def _discriminator_spec(parts: Parts, spec: GeneratorSpec) -> GeneratorSpec:
    tensors, plain = parts.tensors, parts.plain
    _refuse_others(plain, "b", "resnet", "a discriminator")
    if f"b{spec.resolution}.skip.weight" not in tensors:
        raise CheckpointError("of another architecture than 'resnet', which is the one this tool has")
    if _clamp(plain, "b") != spec.conv_clamp:
        raise CheckpointError("it clamps otherwise than the generator")
    group = plain.get("b4.mbstd.group_size", 4)
    if type(group) is not int or plain.get("b4.mbstd.num_channels", 1) != 1:
        raise CheckpointError("its minibatch statistic is other than one channel over groups")
    layers = sum(1 for name in tensors if re.fullmatch(r"mapping\.fc\d+\.weight", name))
    if layers and _number(plain.get("mapping.fc0.bias_gain"), 0.01) != spec.mapping_lr:
        raise CheckpointError("it maps classes at another learning rate than the generator")
    values: dict[str, object] = {**spec.to_dict(), "mbstd_group": group}
    return GeneratorSpec.from_dict(values | ({"cmap_layers": layers} if spec.c_dim else {}))


def _refuse_others(plain: Mapping[str, Plain], prefix: str, architecture: str, what: str) -> None:
    """Plain values that mean other mathematics than ours."""
    for name, value in plain.items():
        _, _, word = name.rpartition(".")
        if not name.startswith(prefix):
            continue
        if word == "architecture" and value != architecture:
            raise CheckpointError(f"{what} of architecture {str(value)[:20]!r}, and this tool has {architecture!r}")
        if word == "activation" and value not in ("lrelu", "linear"):
            raise CheckpointError(f"{what} with the activation {str(value)[:20]!r}, and this tool has 'lrelu'")
        if word == "use_noise" and value is not True:
            raise CheckpointError(f"{what} whose layers take no noise, which this tool has not")


def _clamp(plain: Mapping[str, Plain], prefix: str) -> float | None:
    """The one limit of all convolutions; a discriminator's skips have none."""
    found = {
        value
        for name, value in plain.items()
        if name.startswith(prefix) and re.search(r"\.(conv\d?|torgb|fromrgb)\.conv_clamp$", name)
    }
    if len(found) > 1:
        raise CheckpointError("of its layers some are clamped and some are not")
    value = found.pop() if found else None
    return None if value is None else _number(value, 0.0)


def _number(value: Plain, default: float) -> float:
    try:
        return float(value) if isinstance(value, int | float) else default
    except OverflowError as error:
        raise CheckpointError("a number beyond all measure") from error


def _init_kwargs(spec: GeneratorSpec) -> dict[str, dict[str, object]]:
    """What NVIDIA's ``Generator`` and ``Discriminator`` are constructed with, in stylegan2-ada-pytorch's grouping."""
    base, widest = spec.channels[-1] * spec.resolution, max(spec.channels)
    if spec.channels != tuple(min(base // side, widest) for side in spec.resolutions):
        raise CheckpointError(
            "NVIDIA's networks have min(base / side, maximum) feature maps at each side, and these "
            f"({', '.join(map(str, spec.channels))}) are of no base and maximum: that layout cannot hold them"
        )
    clamp = spec.conv_clamp
    shape: dict[str, object] = {"channel_base": base, "channel_max": widest, "num_fp16_res": 0, "conv_clamp": clamp}
    images: dict[str, object] = {"c_dim": spec.c_dim, "img_resolution": spec.resolution, "img_channels": 3}
    mapping: dict[str, object] = {"num_layers": spec.mapping_layers, "lr_multiplier": spec.mapping_lr}
    return {
        "G_ema": {
            **images,
            **{"z_dim": spec.z_dim, "w_dim": spec.w_dim, "mapping_kwargs": mapping, "synthesis_kwargs": shape},
        },
        "D": {
            **images,
            **shape,
            "mapping_kwargs": {"num_layers": spec.cmap_layers, "lr_multiplier": spec.mapping_lr},
            "epilogue_kwargs": {"mbstd_group_size": spec.mbstd_group},
        },
    }
