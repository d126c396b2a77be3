"""Programs of the system's packages that tests need: installed where that may be."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

INSTALL = "apt-get install --yes --no-install-recommends"


def have(package: str, found: Callable[[], bool]) -> str:
    """Install a package unless it is there, if this process may; returns the command for who may not.

    Args:
        found: whether what is needed of it can be found.
    """
    command = f"{INSTALL} {package}"
    if not found() and os.getuid() == 0 and shutil.which("apt-get"):
        # Of several test processes one installs, and the others wait for it.
        with open(Path(tempfile.gettempdir()) / "credence-tests-apt.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not found():
                _install(command)
    return command


@cache
def _install(command: str) -> None:
    """Once a process: what did not work will not work the next time."""
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for each in ("apt-get update", command):
        try:
            subprocess.run(each.split(), env=quiet, capture_output=True, timeout=240, check=False)
        except subprocess.TimeoutExpired:
            return
