"""Which version is measured."""

from __future__ import annotations

import subprocess
from pathlib import Path


def commit() -> str:
    """The checkout's commit, with a + if something differs from it; "unknown" where there is none."""
    command = ["git", "describe", "--always", "--dirty=+"]
    told = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    return told.stdout.strip() or "unknown"
