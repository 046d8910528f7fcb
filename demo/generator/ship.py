"""Store a pretraining run's generator and discriminator in half precision, as the demo ships them.

python demo/generator/ship.py RUN
"""

from __future__ import annotations

import sys
from pathlib import Path

from transfer.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from transfer.run_folder import RunFolder

TARGET = Path(__file__).parent / "photo64.safetensors"
ORIGIN = {
    "pictures": "200 portraits made by Stable Diffusion 3, dedicated CC0 by their publisher (Faker project)",
    "license": "CC0-1.0",
}


def main() -> None:
    """Read the run named on the command line, write the checkpoint beside this file."""
    trained = load_checkpoint(RunFolder(Path(sys.argv[1])).g_ema)
    save_checkpoint(TARGET, Checkpoint(trained.generator, trained.discriminator, trained.card | ORIGIN), half=True)
    print(TARGET, f"{TARGET.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
