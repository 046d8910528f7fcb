"""Public StyleGAN2 checkpoints of faces: where they lie, which bytes they are, whose terms they come under.

None is shipped, and none is fetched before its terms are accepted. A hash stands here where independent publishers of
the file agree on it; where none is known, or where the address is no plain one, the user fetches the file, and
converting records which bytes it was. The machinery is :mod:`drfhq_tools.models`, with this list for its registry.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from drfhq_tools.models import Content, Download, ModelEntry, Registry

NVIDIA_NC: Final = "NVIDIA Source Code License-NC"
TERMS: Final = (
    "The NVIDIA Source Code License permits use for research or evaluation and not commercially, also of what is "
    "derived from the weights; FFHQ, the training pictures, is CC BY-NC-SA 4.0 with pictures of several licences. "
    "Read https://github.com/NVlabs/stylegan2-ada-pytorch/blob/main/LICENSE.txt"
)
_ADA: Final = "https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained"
_NGC: Final = "https://api.ngc.nvidia.com/v2/models/nvidia/research/stylegan2/versions/1/files"


def _by_hand(address: str) -> str:
    return f"{TERMS} Fetch it yourself from {address}"


_ENTRIES: Final = (
    ModelEntry(
        name="nvidia-ffhq-1024",
        purpose="StyleGAN2 of FFHQ, 1024², by NVIDIA (stylegan2-ada-pytorch)",
        license=NVIDIA_NC,
        file_name="ffhq.pkl",
        content=Content("a205a346e86a9ddaae702e118097d014b7b8bd719491396a162cca438f2f524c", 381_624_121),
        origin=Download(f"{_ADA}/ffhq.pkl"),
        caution=TERMS,
    ),
    ModelEntry(
        name="nvidia-ffhq-512",
        purpose="StyleGAN2 of FFHQ, 512², by NVIDIA (stylegan3's collection)",
        license=NVIDIA_NC,
        file_name="stylegan2-ffhq-512x512.pkl",
        content=None,
        origin=None,
        caution=_by_hand(f"{_NGC}/stylegan2-ffhq-512x512.pkl"),
    ),
    ModelEntry(
        name="nvidia-ffhq-256",
        purpose="StyleGAN2 of FFHQ, 256², by NVIDIA (stylegan3's collection)",
        license=NVIDIA_NC,
        file_name="stylegan2-ffhq-256x256.pkl",
        content=None,
        origin=None,
        caution=_by_hand(f"{_NGC}/stylegan2-ffhq-256x256.pkl"),
    ),
    ModelEntry(
        name="nvidia-ffhq-256-paper",
        purpose="StyleGAN2 of FFHQ, 256², half the feature maps, by NVIDIA (ADA's transfer-learning source)",
        license=NVIDIA_NC,
        file_name="ffhq-res256-mirror-paper256-noaug.pkl",
        content=None,
        origin=None,
        caution=_by_hand(f"{_ADA}/transfer-learning-source-nets/ffhq-res256-mirror-paper256-noaug.pkl"),
    ),
    ModelEntry(
        name="rosinality-ffhq-1024",
        purpose="NVIDIA's StyleGAN2 of FFHQ, 1024² (config F), converted by rosinality's script",
        license=NVIDIA_NC,
        file_name="stylegan2-ffhq-config-f.pt",
        content=Content("bae494ef77e32a9cd1792a81a3c167692a0e64f6bcd8b06592ff42917e2ed46e", 381_462_551),
        origin=None,
        caution=_by_hand("https://drive.google.com/file/d/1EM87UquaoQmk17Q8d5kYIAHqu0dkYqdT"),
    ),
    ModelEntry(
        name="rosinality-ffhq-256",
        purpose="StyleGAN2 of FFHQ, 256², trained by rosinality",
        license="not stated by its author",
        file_name="550000.pt",
        content=None,
        origin=None,
        caution=(
            "Its code is MIT and derives in part from NVIDIA's; FFHQ is CC BY-NC-SA 4.0. Fetch it yourself from "
            "https://drive.google.com/file/d/1PQutd-JboOCOZqmd95XWxWrO8gGEvRcO"
        ),
    ),
)

PUBLIC: Final[Registry] = MappingProxyType({entry.name: entry for entry in _ENTRIES})


def known_by_sha256(digest: str) -> ModelEntry | None:
    """The public checkpoint whose bytes these are."""
    return next((entry for entry in PUBLIC.values() if entry.content and entry.content.sha256 == digest), None)
