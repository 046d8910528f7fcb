"""Learn what a covered eye looks like, and say how well it is told on people, pictures and occluders not learnt from.

    python benchmarks/eye_occlusion.py --renders DIR --photos DIR [--fringes STEM …] [--write FILE]

DIR are folders of portraits, one face each, no eye covered but those of ``--fringes``: pictures of the renders, by the
start of their names, where hair covers the viewer's left eye; they are never learnt from. On every other face occluders
are drawn over one eye or both and the landmarks are found anew. Printed, as JSON: the area under the ROC curve by
folder and occluder, each folder judged by weights learnt from the others, and how many eyes pass which threshold.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.stats import rankdata

from drfhq_tools.detect import make_detector
from drfhq_tools.detect.landmarks import find_landmarks, usual_box
from drfhq_tools.geometry import FloatArray
from drfhq_tools.imageio import read_picture
from drfhq_tools.quality.eyes import eye_features
from drfhq_tools.records import Pixels

OCCLUDERS = ("skin", "hair", "colour", "glasses")
HAIR = ((40, 30, 25), (90, 60, 40), (190, 160, 110), (120, 120, 120))
SMALL_INTER_EYE_PX = 36.0  # each face is learnt from at this size too
SHRINKAGE = 0.01


@dataclass(frozen=True)
class Eye:
    """One eye: which pictures it belongs to, what was drawn ("plain", "fringe" or an occluder), and its features."""

    group: str
    drawn: str
    covered: bool
    features: FloatArray


def main() -> None:
    """Learn, judge, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--renders", required=True, type=Path)
    parser.add_argument("--photos", required=True, type=Path)
    parser.add_argument("--fringes", nargs="*", default=[])
    parser.add_argument("--leave-out", nargs="*", default=[], help="renders where hair covers half an eye")
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    eyes: list[Eye] = []
    for folder in (arguments.renders, arguments.photos):
        for path in sorted([*folder.glob("*.jpg"), *folder.glob("*.png")]):
            if not path.name.startswith(tuple(arguments.leave_out) or "\0"):
                fringe = path.name.startswith(tuple(arguments.fringes) or "\0")
                eyes += eyes_of(path, folder.name, fringe, rng)
    print(json.dumps(judged(eyes), indent=2))
    if arguments.write:
        weights = learn([eye for eye in eyes if eye.drawn != "fringe"])
        np.save(arguments.write, weights.astype(np.float32))


def eyes_of(path: Path, folder: str, fringe: bool, rng: np.random.Generator) -> Iterator[Eye]:
    """The eyes of a picture as it is, small, and under each occluder. Renders of several makers are groups apart."""
    group = f"{folder}/{path.name[:2] if path.name.startswith('mh') else ''}"
    picture = read_picture(path)
    faces = make_detector().detect(picture)
    if len(faces) != 1:
        return
    landmarks = faces[0].landmarks
    yield from both(
        Eye(group, "fringe" if fringe else "plain", False, np.empty(0)), picture, landmarks, (fringe, False)
    )
    for occluder in () if fringe else OCCLUDERS:
        sides = (True, True) if occluder == "glasses" else ((True, False), (False, True))[int(rng.integers(2))]
        changed = covered(picture, landmarks, occluder, sides, rng)
        try:
            found = find_landmarks(changed, usual_box(landmarks))
        except ValueError:
            continue
        yield from both(Eye(group, occluder, False, np.empty(0)), changed, found.points, sides)


def both(like: Eye, picture: Pixels, landmarks: FloatArray, sides: tuple[bool, bool]) -> Iterator[Eye]:
    """Both eyes, at the picture's size and small."""
    shrink = min(1.0, SMALL_INTER_EYE_PX / inter_eye(landmarks))
    small = np.asarray(cv2.resize(picture, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    for pixels, points in ((picture, landmarks), (small, (landmarks + 0.5) * shrink - 0.5)):
        for side in (0, 1):
            yield replace(like, covered=sides[side], features=eye_features(pixels, points, side))


def covered(
    picture: Pixels, landmarks: FloatArray, occluder: str, sides: tuple[bool, bool], rng: np.random.Generator
) -> Pixels:
    """The picture with something drawn over an eye: a lock from the forehead or an ellipse, grained."""
    unit = inter_eye(landmarks)
    mask = np.zeros(picture.shape[:2], dtype=np.float32)
    for eye, centre in enumerate((landmarks[36:42].mean(axis=0), landmarks[42:48].mean(axis=0))):
        if sides[eye] and occluder == "hair":
            top, out = landmarks[27] + (landmarks[27] - landmarks[8]) * 0.45, unit * (1 if eye else -1)
            offsets = [(-0.2 * out, 0), (0.6 * out, 0), (0.45 * out, 0.5 * unit), (-0.35 * out, 0.35 * unit)]
            lock = np.array([top, top, centre, centre]) + offsets
            cv2.fillConvexPoly(mask, cv2.convexHull(np.rint(lock).astype(np.int32)), 1.0)
        elif sides[eye]:
            axes = (int(unit * rng.uniform(0.32, 0.5)), int(unit * rng.uniform(0.22, 0.4)))
            middle = np.rint(centre + rng.normal(0, 0.04 * unit, 2)).astype(int).tolist()
            cv2.ellipse(mask, middle, axes, float(rng.uniform(-25, 25)), 0, 360, 1.0, -1)
    hair = occluder == "hair"
    grain = rng.normal(0, 60 if hair else 25, picture.shape[:2]).astype(np.float32)
    grain = np.asarray(cv2.GaussianBlur(grain, (0, 0), 2.5, sigmaY=8 if hair else 2.5))
    drawn = colour(picture, landmarks, occluder, rng) + grain[..., None]
    alpha = np.asarray(cv2.GaussianBlur(mask, (0, 0), 1.5))[..., None]
    return np.clip(picture * (1 - alpha) + drawn * alpha, 0, 255).astype(np.uint8)


def colour(picture: Pixels, landmarks: FloatArray, occluder: str, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """(3,): of a hand as the face's own cheek, of hair, of dark glass, or any."""
    if occluder == "skin":
        x, y = np.clip(np.rint((landmarks[30] + landmarks[2]) / 2).astype(int), 0, np.array(picture.shape[1::-1]) - 1)
        return np.asarray(picture[y, x] * rng.uniform(0.8, 1.15), dtype=np.float32)
    choices = {"hair": HAIR[int(rng.integers(len(HAIR)))], "glasses": (20, 20, 22)}
    return np.asarray(choices.get(occluder, rng.integers(0, 255, 3)), dtype=np.float32)


def inter_eye(landmarks: FloatArray) -> float:
    """Pixels."""
    return float(np.hypot(*(landmarks[42:48].mean(axis=0) - landmarks[36:42].mean(axis=0))))


def learn(eyes: list[Eye]) -> FloatArray:
    """Logistic regression with both classes weighed alike; one weight a feature, the bias last."""
    x = np.column_stack([np.stack([eye.features for eye in eyes]), np.ones(len(eyes))])
    y = np.array([eye.covered for eye in eyes])
    sign, share = np.where(y, 1.0, -1.0), np.where(y, 0.5 / y.mean(), 0.5 / (1 - y.mean()))

    def loss(weights: FloatArray) -> tuple[float, FloatArray]:
        margin = sign * (x @ weights)
        pull = SHRINKAGE * np.append(weights[:-1], 0.0)
        slope = -(x.T @ (share * sign * np.exp(-np.logaddexp(0, margin)))) + pull
        return float((share * np.logaddexp(0, -margin)).sum() + weights @ pull / 2), slope

    found = minimize(loss, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": 500})
    return np.asarray(found.x)


def judged(eyes: list[Eye]) -> dict[str, object]:
    """Each group by the weights of the others."""
    result: dict[str, object] = {}
    for group in sorted({eye.group for eye in eyes}):
        weights = learn([eye for eye in eyes if eye.group != group and eye.drawn != "fringe"])
        of_group = [eye for eye in eyes if eye.group == group]
        scores = np.array([float(eye.features @ weights[:-1] + weights[-1]) for eye in of_group])
        plain = np.array([not eye.covered and eye.drawn in {"plain", "fringe"} for eye in of_group])
        kinds: dict[str, object] = {"visible": counts(scores[plain])}
        for drawn in ("fringe", *OCCLUDERS):
            hidden = np.array([eye.covered and eye.drawn == drawn for eye in of_group])
            if hidden.any():
                kinds[drawn] = counts(scores[hidden]) | {"auc": round(auc(scores[hidden], scores[plain]), 4)}
        result[group] = kinds
    return result


def counts(scores: FloatArray) -> dict[str, float]:
    """How many, and the shares above a probability of 0.5 and of 0.9."""
    above = {f"above_{p:g}": round(float((scores > np.log(p / (1 - p))).mean()), 4) for p in (0.5, 0.9)}
    return {"eyes": len(scores), **above}


def auc(hidden: FloatArray, visible: FloatArray) -> float:
    """Chance that a covered eye scores above a visible one."""
    ranks = rankdata(np.concatenate([hidden, visible]))[: len(hidden)]
    return float((ranks.sum() - len(hidden) * (len(hidden) + 1) / 2) / (len(hidden) * len(visible)))


if __name__ == "__main__":
    main()
