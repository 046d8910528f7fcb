"""The contract as shipped is the contract in code: a change of the schema shows in the diff of manifests/."""

from pathlib import Path

from drfhq_tools.manifest.document import as_json, fill

MANIFESTS = Path(__file__).parents[2] / "manifests"
ADVICE = "run `python -m drfhq_tools.manifest.document manifests`, and look at what it changes"


def test_json_schema_is_up_to_date() -> None:
    assert (MANIFESTS / "schema" / "drfhq-v1.json").read_text(encoding="utf-8") == as_json(), ADVICE


def test_field_dictionary_is_up_to_date() -> None:
    readme = (MANIFESTS / "README.md").read_text(encoding="utf-8")
    assert fill(readme) == readme, ADVICE
