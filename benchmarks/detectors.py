"""What does each detector find, what does it take for a face, and what does it cost?

    python benchmarks/detectors.py --shared ../shared --model yunet_n_dynamic.onnx [--json OUT.json] [--only NAME …]

``--shared`` holds renders/ (with labels.csv), photos/cc0 and photos/omi256: portraits of one person each. A face counts
as found if exactly one detection lies on it: corners within a tenth of the square's side (root mean square) of the
reference, which is the median of the detectors' squares, or, for omi256, pictures aligned by FFHQ's authors, the
picture itself. A detection elsewhere is a false face; pictures may hold small real ones in the background, and faces
under 80 px are not looked for. Turned copies are of 16 renders; there the reference turns along.
Milliseconds are CPU time of one thread, landmarks included, the median over a set's pictures.
"""

from __future__ import annotations

import argparse
import csv
import json
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import cv2
import numpy as np

from drfhq_tools.detect import Detector, DetectorSettings, make_detector
from drfhq_tools.geometry import FloatArray
from drfhq_tools.imageio import read_picture
from drfhq_tools.records import Detection, Pixels

DETECTORS = ("dlib", "dlib-cnn", "yunet")
MAX_PIXELS = 10**8
ON_FACE = 0.1
TURNED_YAW_DEG = 30.0
TURNS_DEG = (-30, 30, -45, 45, -90, 90, 180)
TURNED_PICTURES = 16
OMI_STEP = 5


@dataclass(frozen=True, kw_only=True)
class Score:
    """One detector on one set. ``unsure`` counts faces found with a repeatability above 0.02."""

    set_name: str
    detector: str
    pictures: int
    found: int
    unsure: int
    false_faces: int
    cpu_ms: float


@dataclass(frozen=True)
class Seen:
    """One detector's answer to one picture."""

    faces: list[Detection]
    cpu_ms: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--model", type=Path, help="YuNet's ONNX file, if not the fetched one")
    parser.add_argument("--only", nargs="+", choices=DETECTORS, default=DETECTORS)
    parser.add_argument("--limit", type=int, help="pictures a set, for a quick look")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    begun_at = origin()
    settings = DetectorSettings(weights=arguments.model)
    detectors = {name: make_detector(name, settings) for name in arguments.only}
    for detector in detectors.values():
        detector.detect(np.zeros((320, 320, 3), np.uint8))  # loads weights
    scores: list[Score] = []
    for name, files in picture_sets(arguments.shared).items():
        chosen = files[: arguments.limit]
        seen = {each: [look(detector, read(file)) for file in chosen] for each, detector in detectors.items()}
        references = [
            whole(read(file)) if name == "omi256" else reference([answers[i].faces for answers in seen.values()])
            for i, file in enumerate(chosen)
        ]
        scores += [score(name, each, answers, references) for each, answers in seen.items()]
        print(f"{name}: done", file=sys.stderr)
        if name == "renders, frontal":
            scores += turned_scores(detectors, chosen, references)
    print(table(scores))
    document = {"command": " ".join(sys.argv), **begun_at, "scores": [asdict(each) for each in scores]}
    if arguments.json:
        arguments.json.write_text(json.dumps(document, indent=2) + "\n")


def picture_sets(shared: Path) -> dict[str, list[Path]]:
    """The files of each set; a set that is not there is left out."""
    sets: dict[str, list[Path]] = {}
    labels = shared / "renders" / "labels.csv"
    if labels.is_file():
        with labels.open(encoding="utf-8", newline="") as text:
            rows = list(csv.DictReader(text))
        for name, turned in (("renders, frontal", False), ("renders, turned", True)):
            chosen = [row for row in rows if (abs(float(row["head_yaw_deg"] or 0)) > TURNED_YAW_DEG) == turned]
            sets[name] = [labels.parent / row["file"] for row in chosen]
    sets["cc0"] = sorted((shared / "photos" / "cc0").glob("*.jpg"))
    sets["omi256"] = sorted((shared / "photos" / "omi256").glob("*.jpg"))[::OMI_STEP][:200]
    return {name: files for name, files in sets.items() if files}


def read(file: Path) -> Pixels:
    """Upright RGB."""
    return read_picture(file, MAX_PIXELS)


def look(detector: Detector, pixels: Pixels) -> Seen:
    """Detect once, timed."""
    began = time.process_time()
    faces = detector.detect(pixels)
    return Seen(faces, (time.process_time() - began) * 1000)


def whole(pixels: Pixels) -> FloatArray:
    """(4, 2) corners of a picture that was cut out as FFHQ's square, NW SW SE NE."""
    height, width = pixels.shape[:2]
    return np.array([[0, 0], [0, height], [width, height], [width, 0]], dtype=np.float64) - 0.5


def reference(answers: Sequence[list[Detection]]) -> FloatArray | None:
    """The corner-wise median of each detector's largest square, None where none has one."""
    largest = [max((face.quad for face in faces), key=lambda quad: quad.side_px) for faces in answers if faces]
    return np.median([quad.corners for quad in largest], axis=0) if largest else None


def on_face(face: Detection, corners: FloatArray) -> bool:
    """Whether a detection's square is the face's."""
    distance = np.sqrt(((face.quad.corners - corners) ** 2).sum(axis=1).mean())
    return bool(distance <= ON_FACE * np.hypot(*(corners[3] - corners[0])))


def score(name: str, detector: str, seen: Sequence[Seen], references: Sequence[FloatArray | None]) -> Score:
    """Count; a picture in which no detector finds anything counts as missed."""
    hits = [
        [face for face in one.faces if corners is not None and on_face(face, corners)]
        for one, corners in zip(seen, references, strict=True)
    ]
    found = [faces[0] for faces in hits if len(faces) == 1]
    return Score(
        set_name=name,
        detector=detector,
        pictures=len(seen),
        found=len(found),
        unsure=sum((face.repeatability or 0) > 0.02 for face in found),
        false_faces=sum(len(one.faces) for one in seen) - sum(len(faces) for faces in hits),
        cpu_ms=round(median(one.cpu_ms for one in seen), 1),
    )


def turned_scores(
    detectors: dict[str, Detector], files: Sequence[Path], references: Sequence[FloatArray | None]
) -> list[Score]:
    """The same for turned copies of some of the pictures, all but those nobody found a face in."""
    known = [(file, corners) for file, corners in zip(files, references, strict=True) if corners is not None]
    known = known[:: max(1, len(known) // TURNED_PICTURES)][:TURNED_PICTURES]
    scores = []
    for degrees in TURNS_DEG:
        copies = [turned(read(file), corners, degrees) for file, corners in known]
        for name, detector in detectors.items():
            seen = [look(detector, pixels) for pixels, _ in copies]
            scores.append(score(f"renders by {degrees:+d}°", name, seen, [corners for _, corners in copies]))
    return scores


def turned(pixels: Pixels, corners: FloatArray, degrees: int) -> tuple[Pixels, FloatArray]:
    """The picture turned clockwise about its centre, its rim repeated, and where the corners go."""
    height, width = pixels.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), -degrees, 1.0)
    copy = cv2.warpAffine(pixels, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(copy, dtype=np.uint8), corners @ matrix[:, :2].T + matrix[:, 2]


def table(scores: Sequence[Score]) -> str:
    """Markdown: a row a set, and for each detector found (of them unsure), false faces and milliseconds."""
    names = list(dict.fromkeys(each.detector for each in scores))
    by_key = {(each.set_name, each.detector): each for each in scores}
    lines = [
        "| set | pictures | " + " | ".join(f"{name}: found (unsure), false, ms" for name in names) + " |",
        "|---|---|" + "---|" * len(names),
    ]
    for set_name in dict.fromkeys(each.set_name for each in scores):
        row = [by_key[set_name, name] for name in names]
        cells = [f"{each.found} ({each.unsure}), {each.false_faces}, {each.cpu_ms:.0f}" for each in row]
        lines.append(f"| {set_name} | {row[0].pictures} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def origin() -> dict[str, str]:
    """The commit and the machine."""
    folder = Path(__file__).parent
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, check=False)
    return {"commit": commit.stdout.strip(), "machine": f"{platform.machine()}, {platform.processor() or 'CPU'}"}


if __name__ == "__main__":
    main()
