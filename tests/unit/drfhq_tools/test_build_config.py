"""Settings: ranges, contradictions, TOML, and what the digests cover."""

from dataclasses import fields, replace
from pathlib import Path

import pytest

from drfhq_tools.config import PRESETS, BuildConfig, config_from, parse_settings
from drfhq_tools.errors import UsageError
from drfhq_tools.toml_file import read_settings

BOUNDS: dict[str, tuple[float, float]] = {
    "min_inter_eye_px": (0, 100_000),
    "max_yaw_deg": (0, 180),
    "max_pitch_deg": (0, 180),
    "max_roll_deg": (0, 180),
    "max_quad_repeatability": (0, 1),
    "min_eyes_open": (0, 1),
    "min_mouth_closed": (0, 1),
    "min_sharpness": (0, 1000),
    "min_under_exposure_prevention": (0, 1),
    "min_over_exposure_prevention": (0, 1),
    "min_dynamic_range": (0, 8),
    "min_illumination_uniformity": (0, 1),
    "max_compression_artifacts": (0, 1),
    "max_worse_eye_occlusion": (0, 1),
    "max_better_eye_occlusion": (0, 1),
}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"size": 16}, "size is 16"),
        ({"size": 8192}, "size is 8192"),
        ({"min_native_ratio": -0.1}, "min_native_ratio"),
        ({"max_pad_fraction": 1.5}, "max_pad_fraction"),
        ({"max_pad_fraction": float("nan")}, "max_pad_fraction"),
        ({"max_megapixels": 0}, "max_megapixels"),
        ({"val_fraction": 0.6, "test_fraction": 0.4}, "nothing to train on"),
        ({"sise": 256}, "did you mean size"),
        ({"banana": 1}, "known are size"),
        ({"size": "256"}, "must be a whole number"),
        ({"size": 256.5}, "must be a whole number"),
        ({"size": True}, "must be a whole number"),
        ({"max_pad_fraction": "none"}, "must be a number"),
        ({"detector": 3}, "must be text"),
        ({"labelers": "faceapi, fairface"}, "no labeler ' fairface'"),
        ({"labelers": "faceapi,faceapi"}, "must name each once"),
        ({"labelers": "faceapi,fairface", "labeler_weights": "00"}, "one for each of labelers"),
        ({"predict_race": True}, "labelers names none"),
        ({"min_label_probability": 1.1}, "min_label_probability is 1.1"),
    ],
)
def test_refused_with_advice(settings: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        config_from(settings)


def test_whole_numbers_pass_for_fractions() -> None:
    assert config_from({"min_native_ratio": 0}) == BuildConfig(min_native_ratio=0.0)
    assert config_from({"min_native_ratio": 1}).rules_digest == BuildConfig(min_native_ratio=1.0).rules_digest


def test_toml_at_top_level_or_in_its_table(tmp_path: Path) -> None:
    file = tmp_path / "build.toml"
    for text in ("size = 256\nval_fraction = 0.1\n", "[build]\nsize = 256\nval_fraction = 0.1\n[other]\nx = 1\n"):
        file.write_text(text)
        assert config_from(read_settings(file, "build")) == BuildConfig(size=256, val_fraction=0.1)


def test_toml_trouble_is_told(tmp_path: Path) -> None:
    file = tmp_path / "build.toml"
    with pytest.raises(UsageError, match="cannot read"):
        read_settings(file, "build")
    file.write_text("size = = 3")
    with pytest.raises(UsageError, match="no valid TOML"):
        read_settings(file, "build")
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="no valid TOML"):
        read_settings(file, "build")
    file.write_text("build = 3")
    with pytest.raises(UsageError, match="must be a table"):
        read_settings(file, "build")


def test_each_setting_moves_exactly_one_digest() -> None:
    base = BuildConfig(labelers="faceapi")
    other: dict[str, object] = {
        "size": 512,
        "detector": "another",
        "detector_weights": "00",
        "min_native_ratio": 0.4,
        "max_pad_fraction": 0.5,
        **{name: (low + high) / 2 for name, (low, high) in BOUNDS.items()},
        "max_megapixels": 10.0,
        "near_radius": 0,
        "duplicates": "keep-best",
        "identity_distance": 0.42,
        "labelers": "fairface",
        "labeler_weights": "00",
        "predict_race": True,
        "min_label_probability": 0.8,
        "keep_mature": True,
        "val_fraction": 0.1,
        "test_fraction": 0.1,
        "split_seed": 1,
    }
    assert set(other) == {field.name for field in fields(BuildConfig)}
    for name, value in other.items():
        changed = replace(base, **{name: value})  # type: ignore[arg-type]
        moved = (changed.pixels_digest != base.pixels_digest, changed.rules_digest != base.rules_digest)
        assert moved == ((True, False) if name in {"size", "detector", "detector_weights"} else (False, True)), name


def test_where_no_labeler_is_asked_how_sure_it_must_be_decides_nothing() -> None:
    assert BuildConfig(min_label_probability=0.9).rules_digest == BuildConfig().rules_digest


def test_hashes_of_labelers_are_known_by_their_order() -> None:
    assert BuildConfig().labeler_hashes == {}
    config = BuildConfig(labelers="fairface,faceapi")
    assert config.labeler_hashes == {"fairface": "", "faceapi": ""}
    assert list(replace(config, labeler_weights="0f,0a").labeler_hashes.items()) == [
        ("fairface", "0f"),
        ("faceapi", "0a"),
    ]


def test_yes_and_no_are_true_and_false_and_nothing_else() -> None:
    assert parse_settings(["keep_mature=True"]) == {"keep_mature": True}
    assert parse_settings(["keep_mature=false"]) == {"keep_mature": False}
    assert config_from({"keep_mature": True}).keep_mature
    with pytest.raises(UsageError, match="must be true or false"):
        parse_settings(["keep_mature=maybe"])
    for settings in ({"keep_mature": 1}, {"keep_mature": "true"}, {"near_radius": True}, {"val_fraction": False}):
        with pytest.raises(UsageError, match="must be"):
            config_from(settings)


@pytest.mark.parametrize("name", list(BOUNDS))
def test_bounds_are_off_unless_set(name: str) -> None:
    low, high = BOUNDS[name]
    assert getattr(BuildConfig(), name) == (high if name.startswith("max") else low)
    for value in (low - 0.1, high + 0.1, float("nan")):
        with pytest.raises(UsageError, match=f"{name} is"):
            config_from({name: value})


@pytest.mark.parametrize(
    ("assignments", "settings"),
    [
        ([], {}),
        (["max_yaw_deg=30"], {"max_yaw_deg": 30.0}),
        (["yaw_deg=30", "sharpness=4.5"], {"max_yaw_deg": 30.0, "min_sharpness": 4.5}),
        (["yaw_deg=30", "max_yaw_deg=20"], {"max_yaw_deg": 20.0}),
        (["size=256", "detector=yunet"], {"size": 256, "detector": "yunet"}),
        (["pad_fraction=1e-2"], {"max_pad_fraction": 0.01}),
    ],
)
def test_settings_by_name_or_by_measure(assignments: list[str], settings: dict[str, object]) -> None:
    assert parse_settings(assignments) == settings
    config_from(settings)


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("yaw_deg", "write NAME=VALUE"),
        ("yaw=30", "did you mean yaw_deg"),
        ("maxyaw_deg=30", "did you mean max_yaw_deg"),
        ("banana=1", "known are size"),
        ("yaw_deg=", "max_yaw_deg is '', must be a number"),
        ("yaw_deg=wide", "must be a number"),
        ("size=256.5", "must be a whole number"),
        ("=3", "no build setting ''"),
    ],
)
def test_assignments_refused_with_advice(assignment: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse_settings([assignment])


def test_presets_are_overridden_by_what_stands_beside_them() -> None:
    assert config_from({"preset": "strict"}) == BuildConfig(
        max_yaw_deg=40, max_pitch_deg=30, max_worse_eye_occlusion=0.9, max_better_eye_occlusion=0.5
    )
    assert config_from({"max_yaw_deg": 50, "preset": "strict"}).max_yaw_deg == 50
    lenient = config_from({"preset": "lenient"})
    assert (lenient.min_native_ratio, lenient.max_pad_fraction) == (0, 1)
    for preset in PRESETS:
        assert config_from({"preset": preset}).pixels_digest == BuildConfig().pixels_digest
    for wrong in ("stricter", 3):
        with pytest.raises(UsageError, match="known are strict, lenient"):
            config_from({"preset": wrong})


def test_a_toml_file_may_name_a_preset(tmp_path: Path) -> None:
    file = tmp_path / "build.toml"
    file.write_text('preset = "strict"\nmax_yaw_deg = 10\n')
    assert config_from(read_settings(file, "build")) == config_from({"preset": "strict", "max_yaw_deg": 10})


def test_every_setting_explains_itself() -> None:
    source = Path(__import__("drfhq_tools.config", fromlist=["x"]).__file__).read_text(encoding="utf-8")
    body = source.split("class BuildConfig:")[1].split("def __post_init__")[0]
    lines = [line.strip() for line in body.splitlines()]
    for field in fields(BuildConfig):
        (place,) = (index for index, line in enumerate(lines) if line.startswith(f"{field.name}:"))
        assert lines[place + 1].startswith('"""'), f"{field.name} has no docstring"
