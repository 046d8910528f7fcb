"""``transfer pretrain``: a generator from nothing, on a data set of photo-like faces."""

from __future__ import annotations

from dataclasses import replace

import click

from transfer.cli.options import plan, training, training_options, training_request

ACTIVATION_LIMIT = 256.0
"""What Karras et al. 2020 (StyleGAN2-ADA) clamp activations to, for fp16."""


@click.command()
@training_options
@click.option("--resolution", type=int, default=64, help="Side of the images: a power of two, 32 to 1024.")
@click.option("--channels", help="Feature maps at 4, 8, … the resolution, comma-separated; or see the next two.")
@click.option("--channel-base", type=int, default=16384, help="Without --channels: base / side feature maps a level …")
@click.option("--channel-max", type=int, default=512, help="… and at most this many.")
@click.option("--latent", type=int, default=512, help="Width of z and w.")
@click.option("--mapping-layers", type=int, default=8, help="Layers of the mapping network.")
def pretrain(
    resolution: int,
    channels: str | None,
    channel_base: int,
    channel_max: int,
    latent: int,
    mapping_layers: int,
    **shared: object,
) -> None:
    """Train a StyleGAN2 from nothing on a built data set. The same command again resumes.

    \b
    Example:
      transfer pretrain --data photos --out runs/photo64 --kimg 150 --resolution 64 --channel-max 128
    """
    from transfer.errors import ConfigError
    from transfer.networks.spec import GeneratorSpec, channels_for
    from transfer.training.run import pretrain as run

    try:
        widths = tuple(int(word) for word in channels.split(",")) if channels else None
    except ValueError as error:
        raise ConfigError(f"--channels {channels!r} is not a list of whole numbers such as 128,128,96,48,32") from error
    spec = GeneratorSpec(
        resolution=resolution,
        z_dim=latent,
        w_dim=latent,
        mapping_layers=mapping_layers,
        channels=widths or channels_for(resolution, base=channel_base, maximum=channel_max),
    )
    with training() as (console, processes):
        request = training_request(shared, processes)
        limit = ACTIVATION_LIMIT if request.config.precision == "fp16" else None
        spec = replace(spec, conv_clamp=limit)
        if shared["dry_run"]:
            click.echo(plan(request, spec, tuned=False))
            return
        made = run(request, spec, console)
        if processes.first:
            click.echo(made)
