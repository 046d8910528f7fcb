"""The contract as shipped is the contract in code: a change of the schema shows in the diff of manifests/."""

from pathlib import Path

from drfhq_tools.manifest.document import as_json, fill
from drfhq_tools.sources.given_faces import FACE_FIELDS
from drfhq_tools.sources.sidecar import DECLARED_FIELDS, PROVENANCE_FIELDS

MANIFESTS = Path(__file__).parents[2] / "manifests"
ADVICE = "run `python -m drfhq_tools.manifest.document manifests`, and look at what it changes"


def test_json_schema_is_up_to_date() -> None:
    assert (MANIFESTS / "schema" / "drfhq-v1.json").read_text(encoding="utf-8") == as_json(), ADVICE


def test_field_dictionary_is_up_to_date() -> None:
    readme = (MANIFESTS / "README.md").read_text(encoding="utf-8")
    assert fill(readme) == readme, ADVICE


def test_every_field_of_a_sidecar_is_explained() -> None:
    section = (
        (MANIFESTS / "README.md").read_text(encoding="utf-8").split("## Beside the raw pictures")[1].split("## ")[0]
    )
    table = [line.split("|")[1] for line in section.splitlines() if line.startswith("|")]
    explained = {name.strip() for cell in table for name in cell.split(",")} - {"field", "---"}
    assert explained == {*DECLARED_FIELDS, *PROVENANCE_FIELDS, *FACE_FIELDS}
