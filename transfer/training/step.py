"""One step of training: the discriminator learns from a batch, then the generator does.

With a source generator the second half adds the consistency terms between tuned and source image of the same latents
and the same noise.

Whatever is random follows from a sample's index, so it does not matter to a step in how many micro-batches and
processes it is computed (:mod:`transfer.training.shares`), but for the rounding of sums.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torch.optim import Adam

from transfer.config import Schedule, TrainConfig
from transfer.data import Portraits
from transfer.errors import NonFiniteLossError
from transfer.losses.adversarial import fake_loss, generator_loss, r1_penalty, real_loss
from transfer.losses.compose import Look, LossTerm, Stages, Step, compose
from transfer.networks.discriminator import group_size
from transfer.networks.generator import Generator
from transfer.randomness import Purpose, SampleRandom
from transfer.training.augment import NUMBERS, ada, adapted, augment
from transfer.training.precision import DTYPES, LEAST_SCALE, computing
from transfer.training.processes import ALONE, Processes
from transfer.training.regularise import mixed, next_mean, path_lengths, path_penalty
from transfer.training.shares import PairwiseSum, micro_batches, shares
from transfer.training.state import TrainState

DIVERGED: Final = 1e6
"""No loss comes near this in a run that can still end well."""

Objective = tuple[Tensor, dict[str, Tensor]]
"""What to descend, and the losses to report by name; scalars."""


@dataclass(frozen=True)
class Source:
    """What a fine-tuning run holds on to: the source generator, the identity network, the weighted terms, and a network
    that judges appearance in the identity network's place."""

    generator: Generator
    look: Look
    terms: Sequence[LossTerm]
    stages: Stages | None = None


@dataclass(frozen=True)
class Share:
    """What one micro-batch of n samples draws: their indices, the pictures shown, z (n, z_dim), noise maps."""

    indices: list[int]
    shown: list[int]
    z: Tensor
    noise: list[Tensor]


@dataclass(frozen=True)
class Made:
    """Generated images (n, 3, R, R) with w (n, w_dim) and ws (n, num_ws, w_dim) they come from."""

    w: Tensor
    ws: Tensor
    images: Tensor


class Trainer:
    """Takes steps. Samples ``state.images`` … ``+ batch`` are drawn by their index, so a resumed run repeats itself."""

    def __init__(
        self,
        state: TrainState,
        data: Portraits,
        config: TrainConfig,
        source: Source | None = None,
        *,
        schedule: Schedule | None = None,
        processes: Processes = ALONE,
    ) -> None:
        """``schedule`` says how much is computed at once; None for a share of the batch in one go.

        Raises:
            ConfigError: the batch cannot be dealt to so many processes and micro-batches.
        """
        self.state = state
        self.data = data
        self.config = config
        self.source = source
        self.processes = processes
        self.random = SampleRandom(config.seed)
        self.device = next(state.generator.parameters()).device
        self.dtype = DTYPES[config.precision]
        self.noise_sides = [conv.noise_const.shape[-1] for conv in state.generator.synthesis.styled_convs()]
        group = state.generator.spec.mbstd_group
        limit = schedule.micro_batch if schedule else 0
        self.keeps_graphs = limit == 0
        """Whether generated images are kept for the second half instead of made again, but where R1 is due."""
        if limit == 0 and self.device.type == "cpu":  # costs nothing there, and any number of processes sums alike
            limit = group_size(config.batch, group)
        count = micro_batches(config.batch, group, processes.size, limit)
        everyone = shares(config.batch, group, processes.size * count)
        self.places = everyone[processes.rank * count :][:count]
        self.halves = group_size(config.batch, group) % 2 == 0
        """Whether the first halves of all shares are the first half of the batch."""
        compiled = schedule is not None and schedule.compile
        self._synthesis = torch.compile(state.generator.synthesis) if compiled else state.generator.synthesis
        self._discriminator = torch.compile(state.discriminator) if compiled else state.discriminator

    def step(self) -> dict[str, float]:
        """One step; returns the losses by name. Both halves see the same generated images.

        Raises:
            NonFiniteLossError: a loss became NaN, infinite or absurdly large; the networks are as before the half step.
        """
        state, config = self.state, self.config
        order = self.data.order(self.random, range(state.images, state.images + config.batch))
        batch = [self._share(places, order) for places in self.places]
        networks = [state.generator.synthesis, *([self.source.generator.synthesis] if self.source else [])]
        with computing(self.dtype, state.discriminator, *networks):
            keep = self.keeps_graphs and not self._penalised  # double backward needs the room
            made = [self._make(share) if keep else None for share in batch]
            w_mean = None if config.freeze_mapping else self._mean_w(batch, made)
            losses = self._discriminator_half(batch, made) | self._generator_half(batch, made)
        state.scaler.update()
        if w_mean is not None:
            state.generator.mapping.track(w_mean[None])
        self._measure(losses)
        state.images += config.batch
        state.steps += 1
        state.average(config)
        return losses

    def _share(self, places: list[int], order: list[int]) -> Share:
        indices = [self.state.images + place for place in places]
        return Share(
            indices=indices,
            shown=[order[place] for place in places],
            z=self.random.normal(Purpose.LATENT, indices, self.state.generator.spec.z_dim).to(self.device),
            noise=[maps.to(self.device) for maps in self.random.noise(Purpose.NOISE, indices, self.noise_sides)],
        )

    def _discriminator_half(self, batch: list[Share], made: list[Made | None]) -> dict[str, float]:
        pairs = zip(batch, made, strict=True)
        objectives = (self._discriminator_objectives(share, images) for share, images in pairs)
        return self._descend(self.state.d_optimizer, objectives, len(batch))

    @property
    def _penalised(self) -> bool:
        """Whether this step's real pictures come with R1."""
        return self.config.r1_gamma > 0 and self.state.steps % self.config.r1_every == 0

    def _discriminator_objectives(self, share: Share, made: Made | None) -> Iterator[Objective]:
        """Of generated images, then of real ones, whose loss is told with theirs: what one needs for its gradients is
        gone before the other begins."""
        with torch.no_grad():
            fake = (made or self._make(share)).images.detach()
            fake = self._augmented(fake, Purpose.AUGMENT_FAKE, share)
        logits = self._discriminator(fake)
        loss = fake_loss(logits)
        yield loss, {"d_adversarial": loss, "fake_sign": logits.detach().sign().mean()}
        yield self._real_objective(share, loss.detach())

    def _real_objective(self, share: Share, of_fake: Tensor) -> Objective:
        config = self.config
        with torch.no_grad():
            real = self._augmented(self._real(share), Purpose.AUGMENT_REAL, share)
        real.requires_grad_(self._penalised)
        logits = self._penalised_logits(real) if self._penalised else self._discriminator(real)
        total = real_loss(logits)
        losses = {"d_adversarial": total + of_fake, "real_sign": logits.detach().sign().mean()}
        if self._penalised:
            losses["r1"] = r1_penalty(logits, real)
            total = total + losses["r1"] * (config.r1_gamma * config.r1_every)
        return total, losses

    def _penalised_logits(self, real: Tensor) -> Tensor:
        """In fp32 and uncompiled, since they will be differentiated twice."""
        with computing(torch.float32, self.state.discriminator):
            logits: Tensor = self.state.discriminator(real)
        return logits

    def _generator_half(self, batch: list[Share], made: list[Made | None]) -> dict[str, float]:
        state, config = self.state, self.config
        judging = state.d_optimizer.param_groups[0]["params"]
        _require_gradients(judging, False)
        due = config.path_length > 0 and state.steps % config.path_length_every == 0

        def objectives(share: Share, images: Made | None) -> Iterator[Objective]:
            yield self._generator_objective(share, images)
            if due:
                yield self._path_objective(share)

        pairs = zip(batch, made, strict=True)
        losses = self._descend(state.g_optimizer, (objectives(*pair) for pair in pairs), len(batch))
        _require_gradients(judging, True)
        return losses

    def _generator_objective(self, share: Share, made: Made | None) -> Objective:
        made = made or self._make(share)
        logits = self._discriminator(self._augmented(made.images, Purpose.AUGMENT_FAKE, share))
        losses = {"g_adversarial": generator_loss(logits)}
        total = losses["g_adversarial"]
        if self.source is not None:
            report = compose(self.source.terms, self._consistency_step(self.source, share, made))
            total = total + report.total
            losses |= {name: total.new_tensor(value) for name, value in report.terms.items()}
        return total, losses

    def _consistency_step(self, source: Source, share: Share, made: Made) -> Step:
        return Step(
            made.ws,
            index=self.state.steps,
            real=lambda: self._real(share),
            generate=lambda _: made.images,
            source=lambda ws: source.generator.synthesis(ws, share.noise),
            look=source.look,
            stages=source.stages,
            group=group_size(self.config.batch, self.state.generator.spec.mbstd_group),
        )

    def _path_objective(self, share: Share) -> Objective:
        """Of the first half of the batch, as the paper does to save time; in fp32, for it is differentiated twice."""
        config, synthesis = self.config, self.state.generator.synthesis
        count = len(share.indices) // 2 if self.halves else len(share.indices)
        ws = self._styles(share)[1][:count]
        if not ws.requires_grad:
            ws.requires_grad_()
        with computing(torch.float32, synthesis):
            images = synthesis(ws, [maps[:count] for maps in share.noise])
        noise = self.random.normal(Purpose.PATH, share.indices[:count], images[0].numel())
        lengths = path_lengths(images, ws, noise.view_as(images).to(self.device))
        penalty = path_penalty(lengths, self.state.measured.path_length)
        losses = {"path_length": lengths.detach().mean(), "path_penalty": penalty}
        return penalty * (config.path_length * config.path_length_every), losses

    def _make(self, share: Share) -> Made:
        w, ws = self._styles(share)
        return Made(w, ws, self._synthesis(ws, share.noise))

    def _styles(self, share: Share) -> tuple[Tensor, Tensor]:
        """w and ws, the finer layers of some images of another latent where the config says so."""
        generator, config = self.state.generator, self.config
        w = generator.mapping(share.z)
        ws = generator.broadcast(w)
        if config.style_mixing:
            z = self.random.normal(Purpose.MIXING_LATENT, share.indices, generator.spec.z_dim).to(self.device)
            numbers = self.random.uniform(Purpose.MIXING, share.indices, 2)
            ws = mixed(ws, generator.mapping(z), numbers, config.style_mixing)
        return w, ws

    @torch.no_grad()
    def _mean_w(self, batch: list[Share], made: list[Made | None]) -> Tensor:
        """(w_dim,), over the whole batch."""
        means = PairwiseSum()
        for share, images in zip(batch, made, strict=True):
            w = images.w if images else self.state.generator.mapping(share.z)
            means.add([w.detach().float().mean(dim=0)])
        mean = means.total()[0] / len(batch)
        self.processes.average([mean])
        return mean

    def _descend(self, optimizer: Adam, objectives: Iterable[Iterable[Objective]], count: int) -> dict[str, float]:
        """Take a step down the mean of the objectives over ``count`` shares and the processes; returns their losses'
        means.

        Numbers of other processes are waited for even when one's own are bad: all stop together, for the same reason.
        """
        optimizer.zero_grad(set_to_none=True)
        gradients, values = PairwiseSum(), PairwiseSum()
        learning: list[Tensor] = []
        names: list[str] = []
        for share in objectives:
            losses: dict[str, Tensor] = {}
            for total, parts in share:
                self.state.scaler.scale(total / count).backward()  # type: ignore[no-untyped-call]
                losses |= parts
            names = list(losses)
            values.add([torch.stack([loss.detach().float() for loss in losses.values()])])
            learning = [weights for weights in optimizer.param_groups[0]["params"] if weights.grad is not None]
            gradients.add(_taken_gradients(learning))
        means, summed = values.total()[0] / count, gradients.total()
        self.processes.average([means])
        named = dict(zip(names, means.tolist(), strict=True))
        self._check(named)
        self.processes.average(summed)
        for weights, gradient in zip(learning, summed, strict=True):
            weights.grad = gradient
        self.state.scaler.step(optimizer)
        return named

    def _check(self, losses: dict[str, float]) -> None:
        step, scaler = self.state.steps, self.state.scaler
        for name, value in losses.items():
            if not abs(value) <= DIVERGED:
                raise NonFiniteLossError(f"{name} became {value:g} at step {step}")
        if scaler.is_enabled() and scaler.get_scale() < LEAST_SCALE:
            raise NonFiniteLossError(f"fp16 gradients overflow however little the loss is scaled, at step {step}")

    def _measure(self, losses: dict[str, float]) -> None:
        """Follow the mean path length and ADA's p; what a run is steered by stands in the log too."""
        config, measured = self.config, self.state.measured
        if "path_length" in losses:
            measured.path_length = next_mean(measured.path_length, losses["path_length"])
        if not config.adaptive:
            return
        measured.sign += losses["real_sign"]
        measured.sign_steps += 1
        if measured.sign_steps >= config.ada_every:
            measured.ada_p = adapted(
                measured.ada_p,
                measured.sign / measured.sign_steps,
                target=config.ada_target,
                images=measured.sign_steps * config.batch,
                speed_kimg=config.ada_kimg,
            )
            measured.sign, measured.sign_steps = 0.0, 0
        losses["ada_p"] = measured.ada_p

    def _real(self, share: Share) -> Tensor:
        coins = self.random.uniform(Purpose.FLIP, share.indices, 1)[:, 0] < 0.5
        flips = [bool(coin) and self.config.mirror for coin in coins]
        return self.data.batch(share.shown, flips, self.device).contiguous(memory_format=torch.channels_last)

    def _augmented(self, images: Tensor, purpose: Purpose, share: Share) -> Tensor:
        numbers = self.random.uniform(purpose, share.indices, NUMBERS)
        if self.config.adaptive:
            images = ada(images, numbers, self.state.measured.ada_p)
        else:
            images = augment(images, numbers, self.config.augment)
        return images.contiguous(memory_format=torch.channels_last)


def _taken_gradients(parameters: Iterable[Tensor]) -> list[Tensor]:
    """Their gradients, which they have no more."""
    taken = []
    for parameter in parameters:
        assert parameter.grad is not None
        taken.append(parameter.grad)
        parameter.grad = None
    return taken


def _require_gradients(parameters: Iterable[Tensor], wanted: bool) -> None:
    for parameter in parameters:
        parameter.requires_grad_(wanted)
