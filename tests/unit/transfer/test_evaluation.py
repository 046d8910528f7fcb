"""Curves read at equal distance, figures by group, tables and pages, on made-up faces; the grid, on tiny generators."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from drfhq_tools.manifest import Manifest
from transfer.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from transfer.errors import CheckpointError, ConfigError
from transfer.evaluation.comparison import compare, to_csv, to_markdown
from transfer.evaluation.curves import Curve, Point
from transfer.evaluation.evaluate import Compared, Seen, evaluate
from transfer.evaluation.figures import each, realism_of, summarise
from transfer.evaluation.grid import Grid, claim, training_name, training_seconds
from transfer.evaluation.look import Instruments, Look, kept
from transfer.evaluation.matched import Place, last_place_at, match, place_at
from transfer.evaluation.page import MOST, Shown, render
from transfer.evaluation.report import tables
from transfer.evaluation.report import to_markdown as evaluation_markdown
from transfer.evaluation.subjects import Subject, Subjects
from transfer.evaluation.translated import Way, translate
from transfer.inversion import Inversion
from transfer.metrics.identity import Gallery
from transfer.networks.generator import Generator
from transfer.networks.identity import load_resnet
from transfer.networks.spec import GeneratorSpec
from transfer.recipes import RECIPES, Recipe
from transfer.run_folder import RunFolder

TINY = GeneratorSpec(resolution=32, z_dim=8, w_dim=8, mapping_layers=2, channels=(8, 8, 8, 8))


def point(images: int, kernel: float, similarity: float | np.ndarray, latents: int = 6) -> Point:
    values = np.broadcast_to(similarity, latents).astype(np.float64)
    return Point(
        images=images,
        kernel=kernel,
        similarity=values,
        resnet_similarity=values,
        landmark_error=1 - values,
        skin=10 * (1 - values),
        missed=0.0,
        diversity=0.7,
        spread=2.0,
    )


def curve(recipe: str, *points: tuple[float, float], seed: int = 0) -> Curve:
    return Curve(recipe, seed, "densenet", [point(1000 * i, *values) for i, values in enumerate(points)])


def test_a_curve_is_read_where_it_first_comes_down_to_the_target() -> None:
    kernels = [0.20, 0.10, 0.05, 0.07, 0.02]
    assert place_at(kernels, 0.15) == Place(0, pytest.approx(0.5))
    assert place_at(kernels, 0.06) == Place(1, pytest.approx(0.8))
    assert place_at(kernels, 0.05) == Place(2, 0.0)
    assert place_at(kernels, 0.3) == Place(0, 0.0), "the source is there already"


def test_a_curve_that_ends_within_a_twentieth_is_read_at_its_lowest_point() -> None:
    assert place_at([0.2, 0.104, 0.11], 0.1) == Place(1, 0.0)
    assert place_at([0.2, 0.106, 0.11], 0.1) is None


def test_recipes_are_compared_at_the_first_ones_end() -> None:
    """plain moves further and loses more; half way it has what it has half way, latent by latent."""
    curves = [
        curve("drfhq", (0.2, 1.0), (0.1, 0.8)),
        curve("plain", (0.2, 1.0), (0.15, 0.7), (0.05, 0.3)),
        curve("frozen", (0.2, 1.0), (0.18, 0.9)),
        curve("direct", (0.2, 1.0)),
    ]
    rows, matched = compare(curves, {"drfhq": 9.0, "plain": 5.0, "frozen": 5.0, "direct": 0.0})
    assert matched.pairs["direct", 0] is None
    drfhq, plain, frozen, direct = rows
    assert plain.end["identity"].mean == pytest.approx(0.3)
    assert plain.matched is not None
    assert plain.matched["identity"].mean == pytest.approx(0.5)
    assert plain.matched["skin_delta_e"].mean == pytest.approx(5)
    assert plain.kernel_matched == pytest.approx((0.1,))
    assert plain.lead is not None
    assert plain.lead.mean == pytest.approx(0.3)
    assert drfhq.lead is None
    assert direct.matched is None, "it has not moved"
    assert frozen.matched is not None
    assert frozen.reference is not None
    assert frozen.kernel_matched == (0.18,), "it does not come there: both are read where it came nearest"
    assert (frozen.matched["identity"].mean, frozen.reference.mean) == pytest.approx((0.9, 1 - 0.2 * 0.2))
    assert frozen.lead is not None
    assert frozen.lead.mean == pytest.approx(0.06)
    assert to_markdown(rows).count("has not moved") == 1
    table = to_csv([row.flat() for row in rows]).splitlines()
    header, values = table[0].split(","), table[2].split(",")
    assert dict(zip(header, values, strict=True))["matched_identity"] == "0.5"


def test_seeds_are_matched_each_to_its_own_and_pooled_by_latent() -> None:
    rng = np.random.default_rng(0)
    people = rng.normal(0.5, 0.1, 40)
    curves = []
    for recipe, loss in (("drfhq", 0.0), ("plain", 0.2)):
        for seed, end in ((0, 0.1), (1, 0.12)):
            points = [point(0, 0.3, 1.0, 40), point(1000, end, people - loss, 40)]
            curves.append(Curve(recipe, seed, "densenet", points))
    rows, matched = compare(curves, {"drfhq": 1.0, "plain": 1.0})
    assert [pair and pair.own.index for pair in matched.pairs.values()] == [1, 1, 1, 1]
    assert rows[1].seeds == (0, 1)
    assert rows[1].lead is not None
    assert (rows[1].lead.mean, rows[1].lead.low) == pytest.approx((0.2, 0.2)), "paired, people cancel"
    assert rows[0].end["identity"].people == 40, "two seeds of a latent are no two people"
    assert match(curves[:2], "drfhq").values(curves[2:], lambda p: p.similarity) is None


def test_the_reference_is_read_where_it_last_comes_down() -> None:
    kernels = [0.20, 0.10, 0.14, 0.06]
    assert last_place_at(kernels, 0.12) == Place(2, pytest.approx(0.25))
    assert last_place_at(kernels, 0.06) == Place(3, 0.0)
    assert last_place_at(kernels, 0.3) == Place(0, 0.0)


def faces(count: int = 8) -> list[Subject]:
    """Two pictures a person."""
    return [
        Subject(
            f"{i}.png", f"p{i // 2}", "female" if i < count / 2 else "male", "20-29", "Black" if i % 4 < 2 else "Asian"
        )
        for i in range(count)
    ]


def look(count: int = 8, shift: float = 0.0, seed: int = 0) -> Look:
    rng = np.random.default_rng(seed)
    parts = rng.normal(size=(count, 512)), rng.normal(size=(count, 128)), rng.normal(size=(count, 128))
    landmarks = rng.uniform(0, 1, (count, 68, 2))
    return Look(*(part + shift for part in parts), landmarks, rng.uniform(20, 60, (count, 4, 3)))  # type: ignore[arg-type]


def gallery(seen: Look, subjects: list[Subject]) -> Gallery:
    return Gallery(seen.densenet, [face.person for face in subjects], [face.kind for face in subjects])


def test_nothing_changed_is_everything_kept() -> None:
    seen, subjects = look(), faces()
    figures = each(seen, seen, subjects, gallery(seen, subjects), np.zeros(8))
    assert (figures["identity"] == 1).all()
    assert (figures["recognised"] == 1).all()
    assert (figures["landmark_error"] == figures["skin_delta_e"]).all()
    assert np.isnan(figures["nearer"]).all(), "everyone is the only one of their race and gender"


def test_a_group_that_fares_worse_is_named_with_its_gap() -> None:
    before, subjects = look(), faces()
    after = Look(before.features, before.resnet, before.densenet.copy(), before.landmarks, before.skin)
    women_of_one = [0, 1]
    after.densenet[women_of_one] += 100
    figures = each(before, after, subjects, gallery(before, subjects), np.zeros(8))
    summary = summarise(before, after, figures, subjects, None)
    assert summary.overall["recognised"].mean == 0.75
    assert summary.worst["race"]["recognised"].label == "Black"
    assert summary.worst["race"]["recognised"].gap == pytest.approx(0.25)
    assert summary.worst["gender"]["recognised"].label == "female"
    assert {group.label: group.figures["recognised"].mean for group in summary.groups["race"]} == {
        "Asian": 1,
        "Black": 0.5,
    }
    assert [group.figures["recognised"].people for group in summary.groups["race"]] == [2, 2]
    words = evaluation_markdown(summary, {"direct": False})
    assert "25 % Black" in words
    assert "held-out DenseNet" in words


def test_without_the_held_out_network_the_report_says_so() -> None:
    seen, subjects = look(), faces()
    bare = Look(seen.features, seen.resnet, np.empty((8, 0)), seen.landmarks, seen.skin)
    strangers = Gallery(bare.resnet, [face.person for face in subjects], [face.kind for face in subjects])
    figures = each(bare, bare, subjects, strangers, np.zeros(8))
    summary = summarise(bare, bare, figures, subjects, None)
    assert summary.judge == "resnet"
    assert "not held out" in evaluation_markdown(summary, {})
    assert "identity_resnet" not in figures


def test_faces_not_found_are_counted() -> None:
    before, subjects = look(), faces()
    after = look()
    after.landmarks[:3] = np.nan
    summary = summarise(
        before, after, each(before, after, subjects, gallery(before, subjects), np.zeros(8)), subjects, None
    )
    assert summary.missed == (0, 3)
    assert summary.overall["landmark_error"].count == 5


def test_realism_needs_people_and_photos() -> None:
    photos, before, after = look(30, 3.0, 1), look(8), look(8, 3.0, 2)
    people = [face.person for face in faces()]
    realism, judged = realism_of(photos, before, after, people)
    assert realism is not None
    assert judged is not None
    assert realism.count == 8
    assert realism.kernel_outputs < realism.kernel_inputs
    assert realism.auc_outputs < realism.auc_inputs
    assert realism_of(photos, before, after, ["one"] * 8) == (None, None)


def test_looks_are_stored_whole(tmp_path: Path) -> None:
    seen = look()
    seen.save(tmp_path / "x" / "look.npz")
    again = Look.load(tmp_path / "x" / "look.npz")
    np.testing.assert_allclose(again.features, seen.features, rtol=1e-6)
    assert kept(seen, again).distance["densenet"].max() < 1e-5


def test_landmarks_may_be_of_the_first_few_alone() -> None:
    short = Look(
        *(getattr(look(), name) for name in ("features", "resnet", "densenet")), look().landmarks[:3], look().skin
    )
    errors = kept(short, short).landmark_error
    assert (errors[:3] == 0).all()
    assert np.isnan(errors[3:]).all()


def test_the_page_shows_each_portrait_once_where_there_are_few() -> None:
    seen, subjects = look(), faces()
    figures = each(seen, seen, subjects, gallery(seen, subjects), np.zeros(8))
    summary = summarise(seen, seen, figures, subjects, None)
    picture = np.full((16, 16, 3), 90, dtype=np.uint8)
    shown = [Shown(f"<b>{i}</b>.png", i / 8, [picture] * 3) for i in range(8)]
    page = render(summary, {"seed": 0}, shown)
    assert page.count("<figure>") == 8
    assert page.count("data:image/webp") == 24
    assert "<b>" not in page, "names are words"
    assert page.index("0&lt;/b") < page.index("7&lt;/b"), "the worst come first"
    many = render(summary, {}, shown * 10)
    assert many.count("<figure>") == 2 * MOST
    assert "http" not in page.replace("http-equiv", "")


def test_every_table_has_rows_of_its_heads_length() -> None:
    seen, subjects = look(), faces()
    realism, _ = realism_of(look(30, 3.0, 1), seen, seen, [face.person for face in subjects])
    summary = summarise(seen, seen, each(seen, seen, subjects, gallery(seen, subjects), np.zeros(8)), subjects, realism)
    for table in tables(summary):
        assert {len(row) for row in table.rows} == {len(table.head)}, table.title


class Remembers:
    """An inverter that gives each portrait the mean style, and counts what it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, generator: Generator, targets: torch.Tensor) -> Inversion:
        self.asked += len(targets)
        with torch.no_grad():
            ws = generator.ws(torch.zeros(len(targets), generator.spec.z_dim))
            return Inversion(ws, generator.synthesis(ws), ())


def portraits_of(count: int = 10) -> Subjects:
    pixels = np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    return Subjects(pixels, tuple(faces(count)), "digest", "ibug68")


def test_a_cut_evaluation_goes_on_where_it_was(tmp_path: Path) -> None:
    torch.manual_seed(0)
    generator, inverter = Generator(TINY).eval(), Remembers()
    way = Way(generator, generator, inverter, {"seed": 1})
    whole = translate(way, portraits_of(), tmp_path, print)
    assert inverter.asked == 10
    next(tmp_path.glob("00008.npz")).unlink()
    again = translate(way, portraits_of(), tmp_path, print)
    assert inverter.asked == 12, "only the portraits that were lost"
    np.testing.assert_array_equal(whole.real, again.real)
    with pytest.raises(ConfigError, match="another seed"):
        translate(Way(generator, generator, inverter, {"seed": 2}), portraits_of(), tmp_path, print)
    with pytest.raises(ConfigError, match="another faces"):
        translate(way, portraits_of(9), tmp_path, print)


def test_weight_changes_are_carried_to_the_real_generator() -> None:
    torch.manual_seed(0)
    rendered, real = Generator(TINY).eval(), Generator(TINY).eval()
    ws = rendered.ws(torch.zeros(2, TINY.z_dim)).detach()
    name = "synthesis.blocks.0.to_rgb.bias"
    name = (
        name
        if name in dict(real.named_parameters())
        else next(n for n, p in real.named_parameters() if p.shape == (3,))
    )
    offsets = {name: torch.tensor([[0.0, 0, 0], [1.0, 0, 0]])}
    way = Way(rendered, real, Remembers(), {})
    with torch.no_grad():
        plain = way.decode(Inversion(ws, rendered.synthesis(ws), ()))
        moved = way.decode(Inversion(ws, rendered.synthesis(ws), (), offsets))
    torch.testing.assert_close(moved[0], plain[0], atol=1e-5, rtol=1e-4)
    assert (moved[1] - plain[1]).abs().max() > 0.5


def test_an_evaluation_is_written_whole(tmp_path: Path) -> None:
    """With the real networks on noise: no face is found anywhere, and every file says what it should."""

    class Blind:
        name = "blind"

        def detect(self, pixels: np.ndarray) -> list:  # type: ignore[type-arg]
            return []

    torch.manual_seed(0)
    generator = Generator(TINY).eval()
    instruments = Instruments(load_resnet(), None, Blind())
    portraits = portraits_of(6)
    compared = Compared(photos=Seen.of(portraits, instruments), strangers=Seen.of(portraits, instruments))
    way = Way(generator, generator, Remembers(), {"seed": 0})
    found = evaluate(way, portraits, compared, instruments, tmp_path, lambda _: None)
    assert found.summary.missed == (6, 6)
    document = json.loads((tmp_path / "evaluation.json").read_text(encoding="utf-8"))
    assert len(document["portraits"]) == 6
    assert document["portraits"][0]["landmark_error"] is None, "JSON knows no NaN"
    assert document["summary"]["judge"] == "resnet"
    assert (tmp_path / "evaluation.html").stat().st_size > 5000
    assert "## By race" in (tmp_path / "evaluation.md").read_text(encoding="utf-8")
    five = Way(generator, generator, Remembers(), {"landmark_scheme": "five"})
    with pytest.raises(ConfigError, match="landmarks"):
        evaluate(five, portraits, compared, instruments, tmp_path / "other", lambda _: None)


def grid(root: Path, *recipes: str, kimg: float = 1.0, **settings: object) -> Grid:
    init = root / "init.safetensors"
    if not init.is_file():
        torch.manual_seed(0)
        save_checkpoint(init, Checkpoint(Generator(TINY)))
    return Grid(
        manifest=Manifest(root=root, faces=[], digest="d", landmark_scheme="ibug68", size_px=32),
        init=init,
        out=root / "out",
        recipes=[RECIPES[name] for name in recipes],
        seeds=(0, 1),
        kimg=kimg,
        settings={"snapshot_kimg": 0.5} | settings,
        split="all",
        device=torch.device("cpu"),
    )


def test_a_recipe_that_swaps_afterwards_trains_as_plain_does() -> None:
    assert training_name(RECIPES["swapped"]) == "plain"
    assert training_name(RECIPES["frozen"]) == "frozen"
    assert training_name(Recipe(name="mine", weights={"identity": 9.0}, swap_from=8)) == "mine"


def test_a_cell_has_the_grids_settings_and_its_own(tmp_path: Path) -> None:
    cells = {cell.name: cell for cell in grid(tmp_path, "frozen", "swapped", "direct", batch=4).cells}
    assert len(cells) == 6
    config, schedule = cells["frozen-seed1"].settings
    assert (config.seed, config.batch, config.freeze_g, config.freeze_mapping) == (1, 4, (4, 8, 16), True)
    assert schedule.snapshot_kimg == 0.5
    assert cells["swapped-seed0"].folder.root.name == "plain-seed0"
    assert cells["direct-seed0"].finished
    assert not cells["swapped-seed0"].finished


def test_snapshots_are_those_kept_and_swapped_ones_have_the_sources_coarse_layers(tmp_path: Path) -> None:
    whole = grid(tmp_path, "plain", "swapped", "direct")
    plain, _, swapped, _, direct, _ = whole.cells
    source = load_checkpoint(whole.init).generator
    torch.manual_seed(1)
    tuned = Generator(TINY)
    tuned.mapping.load_state_dict(source.mapping.state_dict())
    save_checkpoint(plain.folder.kept_g_ema(1000), Checkpoint(tuned))
    assert list(plain.snapshots) == list(swapped.snapshots) == [1000]
    assert swapped.finished
    mixed, before = swapped.generator(1000).state_dict(), source.state_dict()
    own = [name for name in mixed if not torch.equal(mixed[name], before[name])]
    assert own
    assert all(name.startswith("synthesis.blocks.") and int(name.split(".")[2]) >= 2 for name in own), "from 16² on"
    assert torch.equal(direct.generator(0).state_dict()[own[0]], before[own[0]])
    with pytest.raises(CheckpointError, match="no snapshot"):
        plain.generator(500)


def test_another_setting_is_refused_and_another_recipe_welcome(tmp_path: Path) -> None:
    claim(grid(tmp_path, "plain"))
    claim(grid(tmp_path, "drfhq", "plain"))
    claim(grid(tmp_path, "plain"))
    assert set(json.loads((tmp_path / "out" / "ablation.json").read_text())["cells"]) == {
        *("plain-seed0", "plain-seed1", "drfhq-seed0", "drfhq-seed1")
    }
    with pytest.raises(ConfigError, match="another kimg"):
        claim(grid(tmp_path, "plain", kimg=2.0))
    with pytest.raises(ConfigError, match="another batch"):
        claim(grid(tmp_path, "drfhq", batch=2))
    with pytest.raises(ConfigError, match="named once"):
        grid(tmp_path, "plain", "plain")


def test_seconds_add_up_over_processes(tmp_path: Path) -> None:
    """Each process counts from its own start; what a kill lost is in no line."""
    folder = RunFolder(tmp_path)
    lines = [{"images": i, "seconds": s} for i, s in ((8, 10.0), (16, 25.0), (24, 7.0), (32, 9.0))]
    folder.log.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    assert training_seconds(folder) == 25 + 9
    assert training_seconds(RunFolder(tmp_path / "none")) == 0
