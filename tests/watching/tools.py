"""Prometheus and promtool, from the system's packages: installed where that may be, else the tests skip and say how."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import pytest

COMMAND = "apt-get install --yes --no-install-recommends prometheus"


@cache
def prometheus_tools() -> None:
    """Have prometheus and promtool on the path; skips the test, with the command, where they cannot be had."""
    if not _found() and os.getuid() == 0 and shutil.which("apt-get"):
        # Of several test processes one installs, and the others wait for it.
        with open(Path(tempfile.gettempdir()) / "credence-tests-apt.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not _found():
                _install()


def needs_prometheus() -> None:
    """Skip loudly without the two."""
    prometheus_tools()
    if not _found():
        pytest.skip(f"prometheus and promtool are not installed: {COMMAND}")


def _found() -> bool:
    return bool(shutil.which("prometheus") and shutil.which("promtool"))


def _install() -> None:
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in ("apt-get update", COMMAND):
        try:
            subprocess.run(command.split(), env=quiet, capture_output=True, timeout=240, check=False)
        except subprocess.TimeoutExpired:
            return
