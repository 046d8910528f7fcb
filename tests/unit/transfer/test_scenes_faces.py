"""A face made fit for its place: light, seam, carried detail, who stands in front; and frames over time."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from drfhq_tools.geometry import IBUG68
from drfhq_tools.manifest import open_manifest
from drfhq_tools.records import Detection
from transfer.errors import ConfigError, OutOfMemoryError
from transfer.memory import in_parts, is_out_of_memory
from transfer.scenes.compose import Looks, front_to_back, mask_of, patch
from transfer.scenes.control import Control
from transfer.scenes.detail import carried
from transfer.scenes.light import match_colour, match_light
from transfer.scenes.seam import meet
from transfer.scenes.sequence import flicker, follow, shots, smooth, steadied

EXAMPLE = Path(__file__).parents[3] / "manifests" / "examples" / "tiny"
SIZE = 128


@pytest.fixture(scope="module")
def face() -> Detection:
    """A real face's landmarks, its crop's side 200 px."""
    record = next(iter(open_manifest(EXAMPLE).faces))
    return moved(Detection(**about(record.landmarks_xy)), 0, 200 / Detection(**about(record.landmarks_xy)).quad.side_px)


def about(landmarks: np.ndarray) -> dict[str, object]:
    return {"box_xyxy": (0.0, 0.0, 1.0, 1.0), "landmarks": landmarks, "scheme": IBUG68, "score": 1.0, "detector": "x"}


def moved(face: Detection, right: float, scale: float = 1.0) -> Detection:
    return Detection(**about(face.landmarks * scale + [right, 0]))


def flat(*rgb: float) -> np.ndarray:
    return np.broadcast_to(np.array(rgb, dtype=np.float32), (SIZE, SIZE, 3)).copy()


def disc(radius: float = 0.3) -> np.ndarray:
    y, x = (np.indices((SIZE, SIZE)) + 0.5) / SIZE - 0.5
    return cv2.GaussianBlur((np.hypot(x, y) < radius).astype(np.float32), (0, 0), 2)


def test_light_of_a_lamp_at_one_side_and_its_tint_come_over() -> None:
    rng = np.random.default_rng(0)
    texture = rng.normal(0, 0.03, (SIZE, SIZE, 1)).astype(np.float32)
    lamp = np.linspace(0.35, 0.75, SIZE, dtype=np.float32)[None, :, None]
    scene = (flat(1.0, 0.8, 0.6) * lamp).astype(np.float32)
    made = flat(0.5, 0.5, 0.5) + texture
    mask = disc()
    lit = match_light(made, scene, mask)
    inner = disc(0.2) > 0.99
    assert np.abs(lit - scene)[inner].mean() < 0.03 < np.abs(made - scene)[inner].mean()
    details = (image - cv2.GaussianBlur(image, (0, 0), 3) for image in (lit[..., 1], made[..., 1]))
    assert np.corrcoef(*(detail[inner] for detail in details))[0, 1] > 0.9, "texture stays the face's"
    assert match_light(made, scene, np.zeros_like(mask)) is made


def test_colour_lies_between_the_two_faces() -> None:
    rng = np.random.default_rng(1)
    wave = rng.normal(0, 0.05, (SIZE, SIZE, 3)).astype(np.float32)
    a, b = flat(0.6, 0.4, 0.35) + wave, flat(0.45, 0.5, 0.55) + wave
    for share, want in ((0.0, a), (1.0, b)):
        got = match_colour(flat(0.3, 0.3, 0.3) + wave, a, b, share, disc())
        np.testing.assert_allclose(got[disc() > 0.9].mean(axis=0), want[disc() > 0.9].mean(axis=0), atol=0.02)


def test_a_gradient_seam_meets_the_picture_and_keeps_the_faces_gradients() -> None:
    y, x = np.indices((SIZE, SIZE)) / SIZE
    scene = np.stack([0.3 + 0.2 * x, 0.4 + 0.1 * y, 0.4 + 0 * x], axis=-1).astype(np.float32)
    bump = (0.1 * np.exp(-((x - 0.5) ** 2 + (y - 0.5) ** 2) / 0.004)).astype(np.float32)[..., None]
    made = scene + np.array([0.1, -0.08, 0.05], dtype=np.float32) + bump
    met = meet(made, scene, disc())
    inside = disc() > 0.5
    assert np.abs(met - scene - bump)[inside].max() < 0.02
    assert meet(made, scene, np.zeros((SIZE, SIZE), np.float32)) is made


def test_a_strand_before_the_forehead_is_carried_and_a_shade_or_speck_is_not(face: Detection) -> None:
    from drfhq_tools.geometry import points_in_crop

    points = points_in_crop(face.landmarks, face.quad, SIZE)
    mask = mask_of(face, (), SIZE)
    recreated = flat(0.75, 0.6, 0.5)
    assert carried(recreated * 0.85, recreated, points, mask).max() == 0, "another light is no other thing"
    brow = int(points[19:25, 1].mean())
    scene = recreated.copy()
    scene[brow - 22 : brow - 8, 50:78] = (0.1, 0.06, 0.05)
    stays = carried(scene, recreated, points, mask)
    assert stays[brow - 15, 64] > 0.95
    assert stays[int(points[48:60, 1].mean())].max() == 0
    speck = recreated.copy()
    speck[brow - 15, 64] = 0
    assert carried(speck, recreated, points, mask).max() == 0


def test_a_nearer_face_covers_and_one_that_is_pasted_does_so_by_itself(face: Detection) -> None:
    near, far = moved(face, 40, 1.05), face
    assert front_to_back([far, near]) == [near, far]
    alone, behind = mask_of(far, ()), mask_of(far, (near,))
    assert (behind <= alone).all()
    assert behind.sum() < 0.7 * alone.sum()
    assert mask_of(far, (moved(face, 900),)).sum() == alone.sum()


def test_controls_change_what_they_name(face: Detection) -> None:
    looks = Looks(flat(0.7, 0.5, 0.4), flat(0.7, 0.5, 0.4), flat(0.55, 0.45, 0.45), flat(0.55, 0.45, 0.45))
    mask = mask_of(face, ())
    plain = patch(looks, face, mask, Control(match_light=False, carry_detail=False))
    assert plain.face is looks.face
    assert plain.mask is mask
    lit = patch(looks, face, mask, Control(carry_detail=False))
    centre = SIZE // 2
    np.testing.assert_allclose(lit.face[centre, centre], [0.7, 0.5, 0.4], atol=0.02)
    colour = patch(looks, face, mask, Control(colour=0.0, match_light=False))
    np.testing.assert_allclose(colour.face[centre, centre], [0.7, 0.5, 0.4], atol=0.02)
    assert Control(strength=0.5, texture=1.0).layers == (0.5, 1.0)
    assert Control(shape=0.2, texture=0.3).at(1.0).layers == (1.0, 1.0)
    with pytest.raises(ConfigError, match="shape"):
        Control(shape=1.5)


def test_faces_are_followed_across_gaps_and_each_other(face: Detection) -> None:
    left = [moved(face, 4.0 * t) for t in range(10)]
    right = [moved(face, 400 - 4.0 * t, 1.2) for t in range(10)]
    frames = [[r, le] if t % 2 else [le, r] for t, (le, r) in enumerate(zip(left, right, strict=True))]
    frames[4] = frames[5] = [right[4]]
    frames[5] = [right[5]]
    large, small = follow(frames)
    assert sorted(small.seen) == sorted(large.seen) == list(range(10))
    np.testing.assert_allclose(small.seen[4].landmarks, left[4].landmarks, atol=1e-9)
    assert large.size_px > small.size_px
    assert len(follow([[face], [], [moved(face, 600)]])) == 2, "one that jumps is another"


def test_smoothing_stills_noise_without_lag_at_even_speed(face: Detection) -> None:
    rng = np.random.default_rng(2)
    line = np.arange(30.0)[:, None] * [2.0, -1.0]
    steady = smooth(line, 1.5)
    np.testing.assert_allclose(steady[6:-6], line[6:-6], atol=1e-3)
    shaken = line + rng.normal(0, 1, line.shape)
    error = np.abs(smooth(shaken, 1.5) - line)[6:-6].mean()
    assert error < 0.6 * np.abs(shaken - line)[6:-6].mean()
    np.testing.assert_array_equal(smooth(shaken, 0), shaken)
    track = follow([[moved(face, float(rng.normal()))] for _ in range(12)])[0]
    spread = [np.ptp([f.landmarks[0, 0] for f in t.seen.values()]) for t in (track, steadied(track, 1.5))]
    assert spread[1] < 0.8 * spread[0]


def test_a_face_that_turns_back_is_followed_and_its_shaking_stilled(face: Detection) -> None:
    t = np.arange(24)
    path = 0.5 * (t - 12.0) ** 2
    still = steadied(follow([[moved(face, x)] for x in path])[0], 1.5)
    for number, x in enumerate(path):
        np.testing.assert_allclose(still.seen[number].landmarks, moved(face, x).landmarks, atol=1e-6)
    shaken = np.random.default_rng(0).normal(0, 1, 200)
    assert smooth(shaken, 1.5, 2).std() < 0.65
    wave = 20 * np.sin(2 * np.pi * np.arange(48) / 12)
    assert np.abs(smooth(wave, 1.5, 2) - wave)[4:-4].max() < 0.2 * np.abs(smooth(wave, 1.5) - wave)[4:-4].max()


def test_latents_are_not_smoothed_across_a_cut() -> None:
    dark, bright = np.zeros((16, 16, 3), np.float32), np.ones((16, 16, 3), np.float32)
    assert shots([dark, dark, bright, bright, bright]) == [range(2), range(2, 5)]
    assert shots([dark]) == [range(1)]


def test_flicker_is_what_the_output_moves_beyond_the_input() -> None:
    still = np.full((8, 8, 3), 100, np.uint8)
    face_a, face_b = still.copy(), still.copy()
    face_a[2:4, 2:4], face_b[2:4, 2:4] = 120, 130
    assert flicker((still, still), (face_a, face_b)) == 10
    assert flicker((still, still + 1), (still, still + 1)) is None
    brighter = still + 10
    assert flicker((still, brighter), (face_a, np.where(face_a == 120, 130, brighter).astype(np.uint8))) == 0


def test_a_batch_that_does_not_fit_is_halved() -> None:
    asked = []

    def make(items: range) -> int:
        asked.append(len(items))
        if len(items) > 2:
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate")
        return sum(items)

    assert sum(value for _, value in in_parts(make, range(7), 8, "x")) == 21
    assert asked == [7, 4, 2, 2, 2, 1]
    with pytest.raises(OutOfMemoryError, match="use --device cpu"):
        in_parts(lambda items: (_ for _ in ()).throw(MemoryError()), range(2), 2, "use --device cpu")
    with pytest.raises(ValueError, match="other"):
        in_parts(lambda items: int("other"), range(2), 2, "x")
    assert not is_out_of_memory(RuntimeError("shapes differ"))
