"""Chromium from the system's packages, headless: installed where that may be, else the tests skip and say how."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.system_packages import have

PACKAGE = "chromium"


def _path() -> str:
    """Of the browser; "" where there is none."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), "")


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser for the length of the block; skips loudly where none can be had."""
    command = have(PACKAGE, lambda: bool(_path()))
    if not _path():
        pytest.skip(f"no Chromium is installed: {command}")
    # As root its own sandbox cannot be made.
    arguments = ["--no-sandbox"] if os.getuid() == 0 else []
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=_path(), args=arguments)
        try:
            yield opened
        finally:
            opened.close()
