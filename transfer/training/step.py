"""One step of training: the discriminator learns from a batch, then the generator does.

With a source generator the second half adds the consistency terms between tuned and source image of the same latents
and the same noise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from transfer.config import TrainConfig
from transfer.data import Portraits
from transfer.errors import NonFiniteLossError
from transfer.losses.adversarial import discriminator_loss, generator_loss, r1_penalty
from transfer.losses.compose import LossTerm, Step, compose
from transfer.networks.generator import Generator
from transfer.randomness import Purpose, SampleRandom
from transfer.training.augment import NUMBERS, augment
from transfer.training.state import TrainState


@dataclass(frozen=True)
class Source:
    """What a fine-tuning run holds on to: the source generator, the identity network, the weighted terms."""

    generator: Generator
    embed: Callable[[Tensor], Tensor]
    terms: Sequence[LossTerm]


class Trainer:
    """Takes steps. Samples ``state.images`` … ``+ batch`` are drawn by their index, so a resumed run repeats itself."""

    def __init__(self, state: TrainState, data: Portraits, config: TrainConfig, source: Source | None = None) -> None:
        self.state = state
        self.data = data
        self.config = config
        self.source = source
        self.random = SampleRandom(config.seed)
        self.device = next(state.generator.parameters()).device
        self.noise_sides = [conv.noise_const.shape[-1] for conv in state.generator.synthesis.styled_convs()]

    def step(self) -> dict[str, float]:
        """One step; returns the losses by name. Both halves see the same generated images, made once.

        Raises:
            NonFiniteLossError: a loss became NaN or infinite; the networks are as before the half step.
        """
        state = self.state
        indices = range(state.images, state.images + self.config.batch)
        z = self.random.normal(Purpose.LATENT, indices, state.generator.spec.z_dim).to(self.device)
        w = state.generator.mapping(z)
        ws = state.generator.broadcast(w)
        noise = [maps.to(self.device) for maps in self.random.noise(Purpose.NOISE, indices, self.noise_sides)]
        fake = state.generator.synthesis(ws, noise)
        losses = self._discriminator_half(indices, fake.detach()) | self._generator_half(indices, ws, noise, fake)
        if not self.config.freeze_mapping:
            state.generator.mapping.track(w.detach())
        state.images += self.config.batch
        state.steps += 1
        state.average(self.config)
        return losses

    def _discriminator_half(self, indices: range, fake: Tensor) -> dict[str, float]:
        state, config = self.state, self.config
        with torch.no_grad():
            real = self._augmented(self._real(indices), Purpose.AUGMENT_REAL, indices)
            fake = self._augmented(fake, Purpose.AUGMENT_FAKE, indices)
        penalised = config.r1_gamma > 0 and state.steps % config.r1_every == 0
        real.requires_grad_(penalised)
        real_logits = state.discriminator(real)
        fake_logits = state.discriminator(fake)
        losses = {"d_adversarial": discriminator_loss(real_logits, fake_logits)}
        total = losses["d_adversarial"]
        if penalised:
            losses["r1"] = r1_penalty(real_logits, real)
            total = total + losses["r1"] * (config.r1_gamma * config.r1_every)
        losses = self._descend(state.d_optimizer, total, losses)
        signs = {"real_sign": real_logits.detach().sign().mean(), "fake_sign": fake_logits.detach().sign().mean()}
        return {name: float(value) for name, value in (losses | signs).items()}

    def _generator_half(self, indices: range, ws: Tensor, noise: list[Tensor], fake: Tensor) -> dict[str, float]:
        state = self.state
        state.discriminator.requires_grad_(False)
        logits = state.discriminator(self._augmented(fake, Purpose.AUGMENT_FAKE, indices))
        losses = {"g_adversarial": generator_loss(logits)}
        total, consistency = losses["g_adversarial"], {}
        if self.source is not None:
            step = self._consistency_step(self.source, ws, noise, fake, indices)
            report = compose(self.source.terms, step)
            total, consistency = total + report.total, report.terms
        losses = self._descend(state.g_optimizer, total, losses)
        state.discriminator.requires_grad_(True)
        return {name: float(value) for name, value in losses.items()} | consistency

    def _consistency_step(self, source: Source, ws: Tensor, noise: list[Tensor], fake: Tensor, indices: range) -> Step:
        return Step(
            ws,
            index=self.state.steps,
            real=lambda: self._real(indices),
            generate=lambda _: fake,
            source=lambda w: source.generator.synthesis(w, noise),
            embed=source.embed,
        )

    def _descend(self, optimizer: torch.optim.Adam, total: Tensor, losses: dict[str, Tensor]) -> dict[str, Tensor]:
        for name, value in losses.items():
            if not bool(torch.isfinite(value)):
                raise NonFiniteLossError(f"{name} became {value.item()} at step {self.state.steps}")
        optimizer.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return {name: value.detach() for name, value in losses.items()}

    def _real(self, indices: range) -> Tensor:
        shown = self.data.order(self.random, indices)
        coins = self.random.uniform(Purpose.FLIP, indices, 1)[:, 0] < 0.5
        flips = [bool(coin) and self.config.mirror for coin in coins]
        return self.data.batch(shown, flips).to(self.device, memory_format=torch.channels_last)

    def _augmented(self, images: Tensor, purpose: Purpose, indices: range) -> Tensor:
        numbers = self.random.uniform(purpose, indices, NUMBERS)
        return augment(images, numbers, self.config.augment).contiguous(memory_format=torch.channels_last)
