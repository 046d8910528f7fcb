"""Recipes by name and from files, what overrides them, and runs begun before there were any."""

from collections.abc import Callable
from pathlib import Path

import pytest

from drfhq_tools.errors import UsageError
from transfer.cli.finetune import _with_terms
from transfer.config import TrainConfig
from transfer.errors import ConfigError
from transfer.losses.terms import CONSISTENCY_TERMS
from transfer.recipes import RECIPES, Recipe, load_recipe
from transfer.run_folder import RunFolder
from transfer.settings import configured


def test_the_recipes_are_what_their_names_say() -> None:
    assert list(RECIPES) == ["drfhq", "plain", "freezed", "frozen", "swapped", "direct"]
    assert all(name == recipe.name for name, recipe in RECIPES.items())
    assert {name for name, recipe in RECIPES.items() if recipe.weights} == {"drfhq"}
    assert RECIPES["drfhq"].weights == {name: t.weight for name, t in CONSISTENCY_TERMS.items() if t.weight}
    assert {name for name, recipe in RECIPES.items() if recipe.settings} == {"freezed", "frozen"}
    assert {name for name, recipe in RECIPES.items() if recipe.swap_from} == {"swapped"}
    assert {name for name, recipe in RECIPES.items() if recipe.direct} == {"direct"}


def test_settings_of_a_recipe_are_those_of_a_run() -> None:
    recipe = RECIPES["frozen"]
    config, _ = configured(recipe.settings, kimg=1.0, freeze_mapping=True, weights=recipe.weights)
    assert config == TrainConfig(freeze_g=(4, 8, 16), freeze_mapping=True)


def test_a_recipe_is_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(
        "swap_from = 8\n[train]\nfreeze_g = [4]\ng_lr = 0.001\n[weights]\nidentity = 2\n[every]\nidentity = 2\n",
        encoding="utf-8",
    )
    assert load_recipe(str(file)) == Recipe(
        name="mine",
        settings={"freeze_g": [4], "g_lr": 0.001},
        weights={"identity": 2.0},
        every={"identity": 2},
        swap_from=8,
    )
    assert load_recipe("plain") is RECIPES["plain"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[train]\ng_rl = 1", "did you mean g_lr"),
        ("[weights]\nidenity = 1", "no loss term named idenity"),
        ("[weights]\nidentity = -1", "below 0"),
        ("[weights]\nidentity = 'much'", "must be a number"),
        ("[every]\nidentity = 0", "1 or more"),
        ("[every]\nidentity = 1.5", "whole numbers"),
        ("weights = 3", "must be a table"),
        ("swap_from = 'fine'", "a resolution"),
        ("direct = 1", "true or false"),
        ("direct = true\n[weights]\nidentity = 1", "without training"),
        ("identity = 1", "identity is no part"),
        ("= 1", "no valid TOML"),
    ],
)
def test_mistaken_recipes_are_named(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises((ConfigError, UsageError), match=words):
        load_recipe(str(file))


def test_recipes_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="known: drfhq, plain"):
        load_recipe("drfqh")
    with pytest.raises(UsageError, match="cannot read"):
        load_recipe(str(tmp_path / "absent.toml"))


def test_options_override_a_recipe_s_weights() -> None:
    recipe = Recipe(name="mine", weights={"identity": 1.0, "geometry": 2.0}, every={"identity": 4})
    merged = _with_terms(recipe, {"geometry": 0.0}, ("distance=0.5", "identity=3"))
    assert merged.weights == {"identity": 3.0, "distance": 0.5}
    assert merged.every == {"identity": 4}, "the weight alone was given"
    merged = _with_terms(recipe, {"identity": 2.0}, ("identity=3/2", "geometry=1/1"))
    assert merged.weights == {"identity": 3.0, "geometry": 1.0}, "--term has the last word"
    assert merged.every == {"identity": 2}


@pytest.mark.parametrize("text", ["identity", "identity=", "identity=1/x", "identity=1/0", "nobody=1", "identity=nan"])
def test_mistaken_terms_are_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        _with_terms(RECIPES["plain"], {}, (text,))


def test_what_trains_nothing_cannot_be_trained() -> None:
    with pytest.raises(ConfigError, match="trains nothing"):
        _with_terms(RECIPES["direct"], {}, ())


Claimed = Callable[[dict[str, object], dict[str, object]], None]


@pytest.fixture
def claim(tmp_path: Path) -> Claimed:
    """Begin a run with what decides it, and take it up with something else."""

    def claimed(first: dict[str, object], then: dict[str, object]) -> None:
        folder = RunFolder(tmp_path / "run")
        folder.claim(first)
        folder.claim(then)

    return claimed


def about(weights: dict[str, float], **given: float) -> dict[str, object]:
    return {"kind": "finetune", "config": TrainConfig(weights=given).to_dict(), "weights": weights}


def test_runs_begun_before_recipes_go_on(claim: Claimed) -> None:
    """They named all terms beside the config, those of weight 0 too, and in it only those given by an option."""
    before = about({"identity": 1.0, "geometry": 2.0, "colour": 0.0}, colour=0.0)
    config = before["config"]
    assert isinstance(config, dict)
    del config["every"]
    claim(before, about({"identity": 1.0, "geometry": 2.0}, identity=1.0, geometry=2.0))


def test_another_weight_or_period_is_another_run(claim: Claimed) -> None:
    mine = about({"identity": 1.0}, identity=1.0)
    with pytest.raises(ConfigError, match="weights"):
        claim(mine, about({"identity": 2.0}, identity=2.0))
    with pytest.raises(ConfigError, match="config"):
        claim(mine, mine | {"config": TrainConfig(weights={"identity": 1.0}, every={"identity": 2}).to_dict()})
