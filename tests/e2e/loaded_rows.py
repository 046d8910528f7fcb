"""What ``datasets.load_dataset`` makes of something, asked in a process of its own: its settings are read on import."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

needs_datasets = pytest.mark.skipif(
    importlib.util.find_spec("datasets") is None, reason="datasets is not installed: pip install '.[hub]'"
)

_CODE = """
import json, os, sys
import datasets
import pyarrow as pa
import pyarrow.parquet as pq
where, out, *arguments = sys.argv[1:]
options = json.loads(arguments[1])
splits = datasets.load_dataset(*json.loads(arguments[0]), **options)
features = {name: split.features.to_dict() for name, split in splits.items()}
for name, split in splits.items():
    rows = list(split.cast_column("image", datasets.Image(decode=False)))
    pq.write_table(pa.Table.from_pylist(rows, schema=split.features.arrow_schema), f"{out}/{name}.parquet")
decoded = {name: list(next(iter(split))["image"].size) for name, split in splits.items()}
print(json.dumps({"features": features, "decoded": decoded}), flush=True)
os._exit(0)  # threads of a stream left halfway abort the interpreter's own leaving, now and then
"""


@dataclass
class Loaded:
    rows: dict[str, list[dict[str, Any]]]  # by split; image as bytes and path
    features: dict[str, dict[str, Any]]  # by split
    decoded: dict[str, list[int]]  # width and height of each split's first picture


def load(folder: Path, *arguments: str, environment: dict[str, str] | None = None, **options: object) -> Loaded:
    """``load_dataset(*arguments, **options)`` with its caches in ``folder``."""
    folder.mkdir(parents=True)
    settings = {
        "HF_HOME": str(folder / "home"),
        "HF_DATASETS_CACHE": str(folder / "cache"),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        **(environment or {"HF_HUB_OFFLINE": "1"}),
    }
    done = subprocess.run(
        [sys.executable, "-c", _CODE, "x", str(folder), json.dumps(arguments), json.dumps(options)],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    rows = {path.stem: pq.read_table(path).to_pylist() for path in folder.glob("*.parquet")}
    return Loaded(rows=rows, features=said["features"], decoded=said["decoded"])
