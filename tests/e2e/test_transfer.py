"""The second half of the walk on shipped renders: fine-tune a (tiny, untrained) generator and translate portraits."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

from drfhq_tools.cli import main as drfhq
from transfer.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from transfer.cli import main as transfer
from transfer.networks.discriminator import Discriminator
from transfer.networks.generator import Generator
from transfer.networks.spec import GeneratorSpec

DEMO = Path(__file__).parents[2] / "demo"
PORTRAIT = DEMO / "portraits" / "White_M_1_Util_205.jpg"
TINY = GeneratorSpec(resolution=32, z_dim=16, w_dim=16, mapping_layers=2, channels=(16, 16, 16, 16))

Run = Callable[..., Result]


def invoke(command: object, *words: object) -> Result:
    return CliRunner().invoke(command, [str(word) for word in words])  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a built data set, a source checkpoint and a fine-tuning run."""
    root = tmp_path_factory.mktemp("studio")
    raw = root / "raw"
    raw.mkdir()
    for picture in sorted((DEMO / "renders").glob("*.jpg"))[:4]:
        shutil.copy(picture, raw)
    assert invoke(drfhq, "build", "--raw", raw, "--out", root / "data", "--size", 64, "--workers", 1).exit_code == 0
    torch.manual_seed(0)
    save_checkpoint(root / "source.safetensors", Checkpoint(Generator(TINY), Discriminator(TINY)))
    result = finetune(root, kimg=0.016)
    assert result.exit_code == 0, result.output
    return root


def pixels(path: Path | str) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def finetune(root: Path, *more: object, kimg: float, out: str = "run") -> Result:
    return invoke(
        transfer,
        *("finetune", "--data", root / "data", "--init", root / "source.safetensors", "--out", root / out),
        *("--kimg", kimg, "--snapshot-kimg", 0.008, "--batch", 4, "--split", "all", "--device", "cpu", *more),
    )


def test_a_run_folder_is_complete_by_itself(studio: Path) -> None:
    run = studio / "run"
    about = json.loads((run / "run.json").read_text(encoding="utf-8"))
    assert about["kind"] == "finetune"
    assert about["landmark_scheme"] == "ibug68"
    assert len(about["data_digest"]) == len(about["source_sha256"]) == 64
    assert (run / "source.safetensors").read_bytes() == (studio / "source.safetensors").read_bytes()
    tuned = load_checkpoint(run / "g_ema.safetensors")
    assert tuned.discriminator is not None
    assert tuned.card["images"] == 16
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["images"] for line in lines] == [8, 16]
    assert {"identity", "geometry", "colour", "g_adversarial", "d_adversarial"} <= set(lines[0]["losses"])
    with Image.open(sorted((run / "snapshots").glob("*.png"))[-1]) as sheet:
        assert sheet.width > 12 * 32


def test_the_same_command_again_resumes_to_the_same_weights(studio: Path) -> None:
    """Stopped at 8 images and gone on to 16 is the run that went to 16 at once."""
    assert finetune(studio, kimg=0.008, out="twice").exit_code == 0
    (studio / "twice" / "g_ema.safetensors").unlink()  # as if the process had died before it was written
    result = finetune(studio, kimg=0.016, out="twice")
    assert result.exit_code == 0
    assert "resuming" in result.stderr
    once, twice = (load_checkpoint(studio / name / "g_ema.safetensors").generator for name in ("run", "twice"))
    assert all(torch.equal(a, b) for a, b in zip(once.state_dict().values(), twice.state_dict().values(), strict=True))


def test_a_source_without_discriminator_gets_one_that_follows_from_the_seed(studio: Path, tmp_path: Path) -> None:
    init = tmp_path / "generator.safetensors"
    save_checkpoint(init, Checkpoint(load_checkpoint(studio / "source.safetensors").generator))
    tuned = []
    for name in ("one", "two"):
        result = finetune(studio, "--init", init, "--out", tmp_path / name, kimg=0.004)
        assert result.exit_code == 0, result.output
        assert "holds no discriminator" in result.stderr
        tuned.append(load_checkpoint(tmp_path / name / "g_ema.safetensors").discriminator)
    first, second = (network.state_dict() for network in tuned if network is not None)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_recipe_decides_what_options_leave_open(studio: Path, tmp_path: Path) -> None:
    """Plain with one lazy term of the user's, then the source's coarse layers."""
    recipe = tmp_path / "mine.toml"
    recipe.write_text("swap_from = 8\n[train]\ng_lr = 0.001\nbatch = 8\n", encoding="utf-8")
    out = tmp_path / "run"
    result = finetune(studio, "--recipe", recipe, "--term", "structure=1/2", "--out", out, kimg=0.008)
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == str(out / "swapped-g_ema.safetensors")
    about = json.loads((out / "run.json").read_text(encoding="utf-8"))
    assert (about["weights"], about["config"]["every"]) == ({"structure": 1.0}, {"structure": 2})
    assert (about["config"]["g_lr"], about["config"]["batch"]) == (0.001, 4), "an option overrides the recipe"
    made, tuned, source = (
        load_checkpoint(out / f"{name}.safetensors").generator.synthesis
        for name in ("swapped-g_ema", "g_ema", "source")
    )
    assert torch.equal(made.const, source.const)
    assert torch.equal(made.blocks[1].conv.weight, tuned.blocks[1].conv.weight)  # type: ignore[union-attr, arg-type]
    assert not torch.equal(tuned.const, source.const)
    refused = finetune(studio, "--recipe", "direct", "--out", out, kimg=0.008)
    assert refused.exit_code == 2
    assert "trains nothing" in refused.stderr


@pytest.mark.skipif(os.name == "nt", reason="a signal to one process needs POSIX")
def test_a_run_asked_to_stop_saves_itself_and_goes_on_to_the_same_weights(studio: Path) -> None:
    words = [*("finetune", "--data", studio / "data", "--init", studio / "source.safetensors", "--out", studio / "cut")]
    words += [*("--kimg", "0.016", "--snapshot-kimg", "0.008", "--batch", "4", "--split", "all", "--device", "cpu")]
    command = [sys.executable, "-c", "from transfer.cli import main; main()", *map(str, words)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        while not (studio / "cut" / "snapshots" / "00000000.png").exists():
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        words_said = process.stderr.read()
    assert process.returncode == 130, words_said
    assert "the same command goes on from here" in words_said
    assert finetune(studio, kimg=0.016, out="cut").exit_code == 0
    whole, cut = (load_checkpoint(studio / name / "g_ema.safetensors").generator for name in ("run", "cut"))
    assert all(torch.equal(a, b) for a, b in zip(whole.state_dict().values(), cut.state_dict().values(), strict=True))


def test_another_request_in_the_same_folder_is_refused(studio: Path) -> None:
    result = finetune(studio, "--seed", 5, kimg=0.016)
    assert result.exit_code == 2
    assert "another config" in result.stderr
    result = finetune(studio, "--identity", -1, kimg=0.016)
    assert result.exit_code == 2
    assert "below 0" in result.stderr


def test_apply_writes_the_picture_the_crops_and_the_figures(studio: Path) -> None:
    out = studio / "out"
    result = invoke(transfer, "apply", PORTRAIT, "--run", studio / "run", "--out", out, "--steps", 8, "--device", "cpu")
    assert result.exit_code == 0, result.output
    stem = out / PORTRAIT.stem
    assert result.stdout.strip() == f"{stem}.png"
    assert "will look soft" in result.stderr
    before = pixels(PORTRAIT)
    after = pixels(f"{stem}.png")
    assert after.shape == before.shape
    assert (after[-20:] == before[-20:]).all(), "pixels far from the face stay as they were"
    assert (after != before).any()
    assert pixels(f"{stem}.compare.png").shape == (before.shape[0], 2 * before.shape[1], 3)
    for kind in ("input", "real"):
        assert pixels(f"{stem}.face0.{kind}.png").shape == (32, 32, 3)
    (face,) = json.loads(Path(f"{stem}.json").read_text(encoding="utf-8"))["faces"]
    assert set(face) == {"index", "quad", "identity_distance", "identity_similarity", "reconstruction", "seconds"}
    assert face["identity_similarity"] == pytest.approx(1 - face["identity_distance"] / 0.798, abs=1e-3)
    assert len(face["quad"]) == 8


def test_apply_goes_on_past_pictures_it_cannot_use(studio: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    (folder / "a").mkdir(parents=True)
    shutil.copy(PORTRAIT, folder / "a" / "face.jpg")
    Image.new("RGB", (200, 200), "grey").save(folder / "nobody.png")
    (folder / "text.png").write_text("no picture", encoding="utf-8")
    out = tmp_path / "out"
    result = invoke(transfer, "apply", folder, "--run", studio / "run", "--out", out, "--steps", 4, "--device", "cpu")
    assert result.exit_code == 3
    assert "no face" in result.stderr
    assert "text.png" in result.stderr
    assert "3 of 3 pictures: 1 done, 2 failed" in result.stderr
    assert (out / "nobody.noface.jpg").is_file()
    assert (out / "a" / "face.png").is_file()


def test_a_run_trained_on_other_landmarks_is_refused(studio: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(studio / "run", run)
    about = json.loads((run / "run.json").read_text(encoding="utf-8"))
    (run / "run.json").write_text(json.dumps(about | {"landmark_scheme": "five"}), encoding="utf-8")
    result = invoke(transfer, "apply", PORTRAIT, "--run", run, "--out", tmp_path / "out", "--steps", 2)
    assert result.exit_code == 2
    assert "'five'" in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (["apply", "absent.png", "--run", "RUN", "--out", "o"], "does not exist"),
        (["apply", str(PORTRAIT), "--run", "nowhere", "--out", "o"], "no run folder"),
        (["finetune", "--data", "nowhere", "--init", "x", "--out", "o", "--kimg", "1"], "drfhq build"),
        (["pretrain", "--data", "DATA", "--out", "o", "--kimg", "1", "--resolution", "48"], "power of two"),
        (["pretrain", "--data", "DATA", "--out", "o", "--kimg", "1", "--channels", "a,b"], "whole numbers"),
        (["pretrain", "--data", "DATA", "--out", "o", "--kimg", "1", "--device", "abacus"], "abacus"),
    ],
)
def test_wrong_requests_end_in_advice(studio: Path, words: list[str], advice: str) -> None:
    places = {"RUN": str(studio / "run"), "DATA": str(studio / "data")}
    result = invoke(transfer, *[places.get(word, word) for word in words])
    assert result.exit_code in (1, 2)
    assert advice in result.stderr
    assert "Traceback" not in result.stderr


def test_pretraining_begins_from_nothing_and_shows_its_nearest_pictures(studio: Path) -> None:
    result = invoke(
        transfer,
        *("pretrain", "--data", studio / "data", "--out", studio / "pretrain", "--kimg", 0.008, "--batch", 4),
        *("--resolution", 32, "--channel-max", 8, "--latent", 8, "--mapping-layers", 2, "--split", "all"),
        *("--device", "cpu"),
    )
    assert result.exit_code == 0, result.output
    checkpoint = load_checkpoint(studio / "pretrain" / "g_ema.safetensors")
    assert checkpoint.generator.spec.resolution == 32
    assert checkpoint.card["kind"] == "pretrain"
    refused = invoke(transfer, "apply", PORTRAIT, "--run", studio / "pretrain", "--out", studio / "o")
    assert refused.exit_code == 2
    assert "fine-tuning run" in refused.stderr


def test_a_run_that_cannot_be_applied_says_why(studio: Path, tmp_path: Path) -> None:
    def refused(change: Callable[[Path], object]) -> str:
        run = tmp_path / "run"
        shutil.rmtree(run, ignore_errors=True)
        shutil.copytree(studio / "run", run)
        change(run)
        result = invoke(transfer, "apply", PORTRAIT, "--run", run, "--out", tmp_path / "out", "--device", "cpu")
        assert result.exit_code in (1, 2), result.output
        assert isinstance(result.exception, SystemExit)
        return result.stderr

    other = Checkpoint(Generator(dataclasses.replace(TINY, resolution=64, channels=(16,) * 5)))
    assert "no generator yet" in refused(lambda run: (run / "g_ema.safetensors").unlink())
    assert "differ in shape" in refused(lambda run: save_checkpoint(run / "source.safetensors", other))
    assert "landmarks" in refused(lambda run: (run / "run.json").write_text('{"kind": "finetune"}', encoding="utf-8"))
    (tmp_path / "out").write_text("", encoding="utf-8")
    assert "is a file" in refused(lambda _: None)


def test_done_pictures_are_skipped_unread_and_a_face_asked_for_of_nobody_leaves_what_was_seen(
    studio: Path, tmp_path: Path
) -> None:
    nobody = tmp_path / "nobody.png"
    Image.new("RGB", (200, 200), "grey").save(nobody)
    words = ("--run", studio / "run", "--out", tmp_path / "out", "--steps", 2, "--device", "cpu")
    result = invoke(transfer, "apply", nobody, "--face", 0, *words)
    assert result.exit_code == 3
    assert (tmp_path / "out" / "nobody.noface.jpg").is_file()
    assert invoke(transfer, "apply", PORTRAIT, *words).exit_code == 0
    made = (tmp_path / "out" / f"{PORTRAIT.stem}.json").stat().st_mtime_ns
    again = invoke(transfer, "apply", PORTRAIT, *words)
    assert again.exit_code == 0
    assert (tmp_path / "out" / f"{PORTRAIT.stem}.json").stat().st_mtime_ns == made
    assert "soft" not in again.stderr


def test_a_sequence_follows_a_face_and_leaves_no_frame_out(studio: Path, tmp_path: Path) -> None:
    frames, out = tmp_path / "frames", tmp_path / "out"
    frames.mkdir()
    with Image.open(PORTRAIT) as picture:
        render = picture.resize((320, 320))
    for number in range(3):
        shifted = render.transform(render.size, Image.Transform.AFFINE, (1, 0, -4 * number, 0, 1, 0))
        shifted.save(frames / f"{number}.png")
    Image.new("RGB", (320, 320), "grey").save(frames / "3.png")
    words = ("apply", frames, "--sequence", "--run", studio / "run", "--out", out, "--steps", 4, "--device", "cpu")
    result = invoke(transfer, *words)
    assert result.exit_code == 0, result.output
    assert "flicker smoothed" in result.stderr
    told = [json.loads((out / f"{number}.json").read_text(encoding="utf-8")) for number in range(4)]
    assert [one["tracks"] for one in told] == [[0], [0], [0], []]
    assert told[2]["sequence"]["flicker_smoothed"] is not None
    assert (pixels(out / "3.png") == pixels(frames / "3.png")).all()
    moves = np.diff([np.mean(one["faces"][0]["quad"][::2]) for one in told[:3]])
    np.testing.assert_allclose(moves, 4, atol=1.5)
    assert "4 skipped" in invoke(transfer, *words).stderr
