"""Ways to make a rendered generator, by name: settings, weights of the consistency terms, what follows the training.

``drfhq`` is this project's own. The others are what the field would try first, to be held against it at equal budget:
fine-tuning without ties, FreezeD (Mo et al. 2020), frozen coarse layers of the generator, layer swapping after plain
fine-tuning (Pinkney & Adler 2020), and no rendered generator at all: the render inverted straight into the photo
generator (Garbin et al. 2020).

A recipe in a file is TOML: ``swap_from`` and ``direct`` at its top, settings under ``[train]``, weights under
``[weights]``, periods of lazy terms under ``[every]``. All but the weights may be left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from drfhq_tools.toml_file import read_toml
from transfer.errors import ConfigError
from transfer.losses.terms import CONSISTENCY_TERMS, consistency_terms
from transfer.settings import configured

_PARTS: Final = ("train", "weights", "every", "swap_from", "direct")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One way to make a rendered generator from a photo generator.

    Raises:
        ConfigError: an unknown setting or term, or a recipe that trains nothing and swaps.
    """

    name: str
    settings: Mapping[str, object] = field(default_factory=dict)
    """Of training, by the names of ``--config``; what is not named is at its default."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """Every consistency term that is on, with its weight."""
    every: Mapping[str, int] = field(default_factory=dict)
    """Steps between a term's turns, where not each step is one."""
    swap_from: int | None = None
    """After training, layers below this resolution are the source's again (:func:`transfer.blend.swapped`)."""
    direct: bool = False
    """Nothing is trained: the source generator is its own rendered one."""

    def __post_init__(self) -> None:
        configured(self.settings, kimg=1.0, freeze_mapping=True, weights=self.weights, every=self.every)
        consistency_terms(self.weights, self.every)
        if self.direct and (self.settings or self.weights or self.swap_from is not None):
            raise ConfigError(f"recipe {self.name} is direct: without training there are no settings, weights or swap")


RECIPES: Final[dict[str, Recipe]] = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="drfhq", weights={name: term.weight for name, term in CONSISTENCY_TERMS.items() if term.weight > 0}
        ),
        Recipe(name="plain"),
        # The image's layer and three blocks, of five at 64² and of seven at 256², where Mo et al. freeze about four;
        # NVIDIA's own advice for transfer is 10 or 13.
        Recipe(name="freezed", settings={"freeze_d": 10}),
        Recipe(name="frozen", settings={"freeze_g": (4, 8, 16)}),
        Recipe(name="swapped", swap_from=16),
        Recipe(name="direct", direct=True),
    )
}
"""The recipes with a name; ``drfhq`` is what ``transfer finetune`` does unless told otherwise."""


def load_recipe(name: str) -> Recipe:
    """The recipe of that name, or the one in that TOML file.

    Raises:
        ConfigError: no such recipe or file, or one that holds something else.
    """
    if name in RECIPES:
        return RECIPES[name]
    path = Path(name)
    if path.suffix != ".toml":
        raise ConfigError(f"no recipe named {name!r}; known: {', '.join(RECIPES)}, or a file such as mine.toml")
    return _recipe(path.stem, read_toml(path))


def _recipe(name: str, document: Mapping[str, object]) -> Recipe:
    if unknown := sorted(set(document) - set(_PARTS)):
        raise ConfigError(f"recipe {name}: {', '.join(unknown)} is no part of one; known: {', '.join(_PARTS)}")
    swap_from, direct = document.get("swap_from"), document.get("direct", False)
    if not (swap_from is None or type(swap_from) is int) or not isinstance(direct, bool):
        raise ConfigError(f"recipe {name}: swap_from is a resolution such as 16, direct true or false")
    numbers = _numbers(name, "weights", document)
    every = _numbers(name, "every", document)
    if any(period != int(period) for period in every.values()):
        raise ConfigError(f"recipe {name}: every counts steps, whole numbers")
    return Recipe(
        name=name,
        settings=_table(name, "train", document),
        weights=numbers,
        every={term: int(period) for term, period in every.items()},
        swap_from=swap_from,
        direct=direct,
    )


def _table(name: str, part: str, document: Mapping[str, object]) -> dict[str, object]:
    table = document.get(part, {})
    if not isinstance(table, dict):
        raise ConfigError(f"recipe {name}: {part} must be a table, [{part}]")
    return dict(table)


def _numbers(name: str, part: str, document: Mapping[str, object]) -> dict[str, float]:
    found: dict[str, float] = {}
    for term, value in _table(name, part, document).items():
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            raise ConfigError(f"recipe {name}: {term} under [{part}] is {value!r}, must be a number")
        found[term] = float(value)
    return found
