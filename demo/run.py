"""The whole walk on shipped pictures: build a data set, look at it, fine-tune, translate, and one picture of it all.

Each step is a command anyone can type; it is printed before it runs. Run again, the fine-tuning goes on where it
stopped.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
from PIL import Image

from transfer.sheets import grid, save_png

HERE = Path("demo")
DATA, RUN, OUT = Path("data/demo"), Path("runs/demo"), Path("out/demo")
SHEET = OUT / "contact-sheet.png"
ZOOM = 3

STEPS = (
    ["drfhq", "build", "--raw", f"{HERE}/renders", "--out", f"{DATA}", "--size", "256"],
    ["drfhq", "stats", f"{DATA}"],
    [
        *("transfer", "finetune", "--data", f"{DATA}", "--init", f"{HERE}/generator/photo64.safetensors"),
        *("--out", f"{RUN}", "--kimg", "4", "--snapshot-kimg", "1", "--split", "all", "--device", "cpu"),
        *("--set", "micro_batch=8"),  # all at once: quicker than the groups in which many processes sum alike
    ],
    ["transfer", "apply", f"{HERE}/portraits", "--run", f"{RUN}", "--out", f"{OUT}", "--device", "cpu"],
)


def main() -> None:
    """Run every step, then draw the sheet; the last line printed is its path."""
    scripts = Path(sysconfig.get_path("scripts"))
    for command, *arguments in STEPS:
        print("\n$", command, *arguments, flush=True)
        code = subprocess.run([scripts / command, *arguments], check=False).returncode
        if code:
            sys.exit(code)
    save_png(contact_sheet(), SHEET)
    print(f"\nrendered portraits over their realistic versions, and the generators they went through:\n{SHEET}")


def contact_sheet() -> Image.Image:
    """Input crops over output crops, and below them the last picture of the fine-tuning run."""
    inputs = sorted(OUT.glob("*.face*.input.png"))
    outputs = [path.with_name(path.name.replace(".input.", ".real.")) for path in inputs]
    rows = [[np.asarray(Image.open(path)) for path in row] for row in (inputs, outputs)]
    faces = grid(rows, ["rendered", "realistic"], zoom=ZOOM)
    snapshot = Image.open(sorted((RUN / "snapshots").glob("*.png"))[-1])
    sheet = Image.new("RGB", (max(faces.width, snapshot.width), faces.height + snapshot.height), (24, 24, 24))
    sheet.paste(faces, (0, 0))
    sheet.paste(snapshot, (0, faces.height))
    return sheet


if __name__ == "__main__":
    main()
