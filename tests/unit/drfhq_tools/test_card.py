"""The card says what the tables say, in words the Hub understands, and shows anyone's words as mere words."""

import re
from pathlib import Path

import pytest

from drfhq_tools.card import Maker, card_text
from drfhq_tools.card.front import hub_licence, size_class
from drfhq_tools.card.text import linked, plain
from drfhq_tools.errors import ManifestError, UsageError
from drfhq_tools.manifest import open_manifest

EXAMPLE = Path(__file__).parents[3] / "manifests" / "examples" / "tiny"
MAKER = Maker(contact="mail@example.org", repo="ann/faces")


def rows(card: str, header: str) -> dict[str, list[str]]:
    """A table's rows by their first cell."""
    table = card.split(f"| {header} |", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    return {first: rest for first, *rest in cells}


def test_counts_are_those_of_the_manifest() -> None:
    faces, card = open_manifest(EXAMPLE).faces, card_text(EXAMPLE, MAKER)
    assert f"{len(faces)} aligned faces" in card
    for name in ("female", "male"):
        count = sum(face.gender == name for face in faces)
        assert rows(card, "Gender")[name][0] == str(count)
    assert sum(int(cells[0]) for cells in rows(card, "licence").values()) == len(faces)
    assert sum(int(cells[0]) for cells in rows(card, "Race").values()) == len(faces)
    assert {name: cells[0] for name, cells in rows(card, "split").items()} == {
        split: str(sum(face.split == split for face in faces)) for split in ("train", "val", "test")
    }


def test_front_matter_is_what_the_hubs_own_client_reads() -> None:
    hub = pytest.importorskip("huggingface_hub")
    data = hub.DatasetCard(card_text(EXAMPLE, MAKER)).data.to_dict()
    assert data["size_categories"] == ["n<1K"]
    assert data["annotations_creators"] == ["found"]
    splits = {file["split"]: file["path"] for file in data["configs"][0]["data_files"]}
    assert splits == {"train": "data/train-*", "validation": "data/validation-*"}


def test_it_says_what_it_is_not_and_whom_to_ask() -> None:
    card = " ".join(card_text(EXAMPLE, MAKER).split())
    assert "**DRFHQ-style** data set" in card
    assert "**not that data set**" in card
    assert "Ask at mail@example.org" in card
    assert 'load_dataset("ann/faces"' in card
    assert "not** for recognising, tracking or identifying anyone" in card


def test_same_tables_same_card() -> None:
    assert card_text(EXAMPLE, MAKER) == card_text(EXAMPLE, MAKER)


def test_the_landmarks_licence_is_told() -> None:
    assert rows(card_text(EXAMPLE, MAKER), "weights")["dlib-landmarks-68"][1] == "research only"


def test_a_card_needs_someone_to_ask() -> None:
    with pytest.raises(UsageError, match="--contact is 'someone'"):
        Maker(contact="someone")


def test_no_data_set_no_card(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="not a finished data set"):
        card_text(tmp_path, MAKER)


@pytest.mark.parametrize(
    ("written", "word"),
    [
        ("MIT License", "mit"),
        ("CC0-1.0", "cc0-1.0"),
        ("CC0 1.0 Universal", "cc0-1.0"),
        ("CC BY-NC-SA 4.0", "cc-by-nc-sa-4.0"),
        ("cc-by-4.0", "cc-by-4.0"),
        ("Apache License 2.0", "apache-2.0"),
        ("All rights reserved", None),
        ("CC BY", None),
    ],
)
def test_licences_in_the_hubs_words(written: str, word: str | None) -> None:
    assert hub_licence(written) == word


def test_sizes_in_the_hubs_words() -> None:
    assert [size_class(n) for n in (0, 999, 1_000, 99_999, 10**9)] == [
        "n<1K",
        "n<1K",
        "1K<n<10K",
        "10K<n<100K",
        "10M<n<100M",
    ]


def test_words_of_others_stay_words() -> None:
    shown = plain("<script>alert(1)</script> | a\nb **bold** [x](javascript:1)")
    assert "\n" not in shown
    assert not re.search(r"(?<!\\)[<|*\[]", shown)
    assert len(plain("x" * 1000)) == 120


def test_only_addresses_of_the_web_are_linked() -> None:
    assert linked("MIT", "https://example.org/mit") == "[MIT](https://example.org/mit)"
    assert linked("MIT", "javascript:alert(1)") == "MIT"
    assert linked("MIT", "https://example.org/a) [b](c") == "MIT"
