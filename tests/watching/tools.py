"""Prometheus and promtool, from the system's packages: installed where that may be, else the tests skip and say how."""

from __future__ import annotations

import shutil

import pytest

from tests.system_packages import have

PACKAGE = "prometheus"


def needs_prometheus() -> None:
    """Have prometheus and promtool on the path; skips the test loudly, with the command, where they cannot be had."""
    command = have(PACKAGE, _found)
    if not _found():
        pytest.skip(f"prometheus and promtool are not installed: {command}")


def _found() -> bool:
    return bool(shutil.which("prometheus") and shutil.which("promtool"))
