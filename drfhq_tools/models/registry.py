"""The weights this project can use. A hash here is what makes an address harmless: any other content is refused.

Hashes and sizes are those of the file as used, which is also the file kept on disk; a packed download has its own
beside. Addresses are pinned to a commit, so that they cannot come to mean another file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from drfhq_tools.errors import UsageError


@dataclass(frozen=True, slots=True)
class Content:
    """What a file must hold, to the byte: hex sha256 and size."""

    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Download:
    """Fetched from ``url`` into the models folder; ``packed`` is what crosses the network where that is a .bz2."""

    url: str
    packed: Content | None = None


@dataclass(frozen=True, slots=True)
class Package:
    """Part of an installed package: ``models/FILE`` in the folder of ``name``, which pip brings and updates."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEntry:
    """One file of weights.

    ``origin`` is None where no address may be given: the user gets the file and puts it in place. ``content`` is None
    where it is not known beforehand: any file is taken and its hash recorded. ``caution`` is what the licence's name
    does not tell, for the user to read before use.
    """

    name: str
    purpose: str
    license: str
    file_name: str
    content: Content | None
    origin: Download | Package | None
    caution: str = ""


Registry = Mapping[str, ModelEntry]

_DLIB_MODELS: Final = "https://github.com/davisking/dlib-models/raw"
_FACE_API: Final = (
    "https://raw.githubusercontent.com/justadudewhohacks/face-api.js/d50c2b147132fa1b4ed1dbf625262ceea99640bc/weights"
)
_YUNET: Final = (
    "https://raw.githubusercontent.com/ShiqiYu/libfacedetection.train/dca340aa082c71081a68d17db8e58b33a58a914b/onnx"
)
_DLIB_PACKAGE: Final = Package("face_recognition_models")
_FACE_API_CAUTION: Final = "Trained on photographs; how far its guesses hold on renders is for you to measure."

_ENTRIES: Final = (
    ModelEntry(
        name="yunet",
        purpose="face detector: boxes and five points (--detector yunet)",
        license="Apache-2.0",
        file_name="yunet_n_dynamic.onnx",
        content=Content("104ee26c71d5c270ce79a6b3dced91c91013260d29a6bf18f9296c5b8c4c2b12", 322_906),
        origin=Download(f"{_YUNET}/yunet_n_dynamic.onnx"),
        caution="Needs OpenCV 5: OpenCV 4 reads no network of free input size. Its repository now says BSD-3-Clause.",
    ),
    ModelEntry(
        name="dlib-gender",
        purpose="perceived gender, from a 32 px chip",
        license="CC0-1.0",
        file_name="dnn_gender_classifier_v1.dat",
        content=Content("85453d6f6585c8e02ada95929956783c780dc04dcec5bdfd14af82f15c99ba41", 530_926),
        origin=Download(
            f"{_DLIB_MODELS}/a732ab9d930a14deb38286a615d78a42f0f1e316/gender-classifier/dnn_gender_classifier_v1.dat.bz2",
            packed=Content("2f59f7a3c36a4d9487920b5b4ad4fa445269efd47f3f17b40a4c521c868aae30", 516_312),
        ),
        caution="Trained on a private set of photographs.",
    ),
    ModelEntry(
        name="dlib-densenet",
        purpose="identity, held out: measures, never trains",
        license="MIT",
        file_name="face_recognition_densenet_model_v1.dat",
        content=Content("c6a6418ea119126046e204e010127d24dc79a41dd613a9d3961d1856b5df6535", 2_607_131),
        origin=Download(
            f"{_DLIB_MODELS}/e19b8212004b6db0454dff0a9e73374b5a758158/face_recognition_densenet_model_v1.dat.bz2",
            packed=Content("b822cb530a850538b10ee47265f38b1c49f8dc113add2f389fe8c2cd72ec78db", 2_518_685),
        ),
        caution="By the BAREL project, which does not document its training pictures.",
    ),
    ModelEntry(
        name="faceapi-age-gender",
        purpose="age in years and perceived gender, from a 112 px crop",
        license="MIT",
        file_name="age_gender_model-shard1",
        content=Content("49f92bbc0afef2342c4385e4a2b0acb6d7a727c6f0aa539499719a81acf9abaa", 429_708),
        origin=Download(f"{_FACE_API}/age_gender_model-shard1"),
        caution=_FACE_API_CAUTION,
    ),
    ModelEntry(
        name="faceapi-age-gender-manifest",
        purpose="names and shapes of what faceapi-age-gender holds",
        license="MIT",
        file_name="age_gender_model-weights_manifest.json",
        content=Content("780ca481c12f6501c63e3551caa4df9bc4a05ffc5357060079b75badfd350d86", 7_774),
        origin=Download(f"{_FACE_API}/age_gender_model-weights_manifest.json"),
    ),
    ModelEntry(
        name="fairface",
        purpose="perceived race, gender and age group, from a 224 px crop",
        license="CC-BY-4.0",
        file_name="res34_fair_align_multi_7_20190809.pt",
        content=None,
        origin=None,
        caution="Its authors share it by a drive alone, see github.com/dchen236/FairFace; the licence is their data's.",
    ),
    ModelEntry(
        name="dlib-landmarks-68",
        purpose="68 landmarks, which the FFHQ square is made of",
        license="research only",
        file_name="shape_predictor_68_face_landmarks.dat",
        content=Content("fbdc2cb80eb9aa7a758672cbfdda32ba6300efe9b6e6c7a299ff7e736b11b92f", 99_693_937),
        origin=_DLIB_PACKAGE,
        caution="Trained on iBUG 300-W, whose licence excludes commercial use: ask Imperial College London first.",
    ),
    ModelEntry(
        name="dlib-landmarks-5",
        purpose="five landmarks: corners of the eyes, base of the nose",
        license="public domain",
        file_name="shape_predictor_5_face_landmarks.dat",
        content=Content("c4b1e9804792707d3a405c2c16a80a20269e6675021f64a41d30fffafbc41888", 9_150_489),
        origin=_DLIB_PACKAGE,
    ),
    ModelEntry(
        name="dlib-cnn",
        purpose="face detector: finds what HOG misses, slowly",
        license="public domain",
        file_name="mmod_human_face_detector.dat",
        content=Content("4cb19393e2fbaf2b1609a9319ad5386618c886a6234ec1b971f3e87c85d87fe6", 729_940),
        origin=_DLIB_PACKAGE,
    ),
    ModelEntry(
        name="dlib-resnet",
        purpose="identity: holds the person in fine-tuning",
        license="public domain",
        file_name="dlib_face_recognition_resnet_model_v1.dat",
        content=Content("55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30", 22_466_066),
        origin=_DLIB_PACKAGE,
        caution="Half of its training pictures are of VGG Face and FaceScrub, which are for non-commercial research.",
    ),
)

REGISTRY: Final[Registry] = MappingProxyType({entry.name: entry for entry in _ENTRIES})


def entry_of(name: str, registry: Registry = REGISTRY) -> ModelEntry:
    """The entry called ``name``.

    Raises:
        UsageError: there is none.
    """
    if name not in registry:
        raise UsageError(f"no weights are called {name!r}; choose of: {', '.join(registry)}")
    return registry[name]
