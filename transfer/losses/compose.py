"""Sums weighted loss terms over one training step and keeps their names.

A :class:`Step` is what the terms look at. It is lazy: each network runs at most once a step, however many terms ask,
and not at all when none does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from transfer.errors import NonFiniteLossError

Images = Callable[[Tensor], Tensor]
Look = Callable[[Tensor], tuple[Tensor, list[Tensor]]]
"""Images (N, 3, R, R) → identity embeddings (N, 128) and activations (N, C, s, s), finest first, in one pass."""
Stages = Callable[[Tensor], list[Tensor]]
Pair = tuple[list[Tensor], list[Tensor]]
"""Activations of the tuned generator's images, with gradient, and of the source generator's, without."""


class Step:
    """One generator step. ``ws`` (N, num_ws, w_dim); ``index`` counts the steps from 0 and decides which terms are due.

    ``real`` gives a batch of the data set, ``generate`` the tuned generator's images of ``ws``, ``source`` the source
    generator's, ``look`` what the identity network sees; images are (N, 3, R, R) in [-1, 1], embeddings (N, 128).
    ``stages`` is another network's activations, for what is to be judged by its eyes; None for the identity network's.
    Terms that compare samples with each other do so in groups of ``group``: i, i + N/group, …
    """

    def __init__(
        self,
        ws: Tensor,
        *,
        index: int,
        real: Callable[[], Tensor],
        generate: Images,
        source: Images,
        look: Look,
        stages: Stages | None = None,
        group: int = 1,
    ) -> None:
        self.ws = ws
        self.index = index
        self.group = group
        self._real = real
        self._generate = generate
        self._source = source
        self._look = look
        self._stages = stages

    @cached_property
    def real(self) -> Tensor:
        """Pictures of the data set, no gradient."""
        return self._real()

    @cached_property
    def fake(self) -> Tensor:
        """The tuned generator's images of ``ws``; gradients flow to its weights."""
        return self._generate(self.ws)

    @cached_property
    def source_fake(self) -> Tensor:
        """The source generator's images of the same ``ws``, no gradient."""
        with torch.no_grad():
            return self._source(self.ws)

    @property
    def embeddings(self) -> tuple[Tensor, Tensor]:
        """Identity embeddings of ``fake`` (with gradient) and of ``source_fake`` (without)."""
        (fake, _), (source, _) = self._looks
        return fake, source

    @property
    def activations(self) -> Pair:
        """What the identity network sees of both on its way to the embeddings."""
        (_, fake), (_, source) = self._looks
        return fake, source

    @cached_property
    def appearance(self) -> Pair:
        """What the network that judges appearance sees of both: ``stages``, or else the identity network."""
        if self._stages is None:
            return self.activations
        with torch.no_grad():
            source = self._stages(self.source_fake)
        return self._stages(self.fake), source

    @cached_property
    def _looks(self) -> tuple[tuple[Tensor, list[Tensor]], tuple[Tensor, list[Tensor]]]:
        with torch.no_grad():
            source = self._look(self.source_fake)
        return self._look(self.fake), source


@dataclass(frozen=True, slots=True)
class LossTerm:
    """A named part of the objective. Called with a step it returns its *unweighted* scalar.

    A term due only every ``every`` steps counts ``every`` times as much when it is, so its pull does not depend on it
    (the lazy regularisation of Karras et al. 2020, section 3.1).
    """

    name: str
    weight: float
    function: Callable[[Step], Tensor]
    every: int = 1
    looks: bool = False
    """Whether it asks the identity network, which must be there then."""

    def __call__(self, step: Step) -> Tensor:
        """The term's value, a scalar."""
        return self.function(step)

    def due(self, index: int) -> bool:
        """Whether step ``index`` computes this term."""
        return self.weight != 0 and index % self.every == 0


@dataclass(frozen=True, slots=True)
class LossReport:
    """``total`` is what to call backward on; ``terms`` are the unweighted values of the terms that were due."""

    total: Tensor
    terms: dict[str, float]


def compose(terms: Sequence[LossTerm], step: Step) -> LossReport:
    """Σ weight · every · term over the terms due at ``step.index``; terms of weight 0 are not computed.

    Raises:
        NonFiniteLossError: a term is NaN or infinite; the message names it.
    """
    total = step.ws.new_zeros(())
    values: dict[str, float] = {}
    for term in terms:
        if not term.due(step.index):
            continue
        value = term(step)
        values[term.name] = float(value.detach())
        if not torch.isfinite(value):
            raise NonFiniteLossError(f"the loss term {term.name!r} became {values[term.name]} at step {step.index}")
        total = total + term.weight * term.every * value
    return LossReport(total, values)
