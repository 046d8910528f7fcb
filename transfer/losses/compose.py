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


class Step:
    """One generator step. ``ws`` (N, num_ws, w_dim); ``index`` counts the steps from 0 and decides which terms are due.

    ``real`` gives a batch of the data set, ``generate`` the tuned generator's images of ``ws``, ``source`` the source
    generator's, ``embed`` the identity network; images are (N, 3, R, R) in [-1, 1], embeddings (N, 128).
    """

    def __init__(
        self, ws: Tensor, *, index: int, real: Callable[[], Tensor], generate: Images, source: Images, embed: Images
    ) -> None:
        self.ws = ws
        self.index = index
        self._real = real
        self._generate = generate
        self._source = source
        self._embed = embed

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

    @cached_property
    def embeddings(self) -> tuple[Tensor, Tensor]:
        """Identity embeddings of ``fake`` (with gradient) and of ``source_fake`` (without)."""
        with torch.no_grad():
            source = self._embed(self.source_fake)
        return self._embed(self.fake), source


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
