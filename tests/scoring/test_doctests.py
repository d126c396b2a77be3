"""The examples in the core's documentation run."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import streams.scoring

MODULES = [m.name for m in pkgutil.walk_packages(streams.scoring.__path__, "streams.scoring.")]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_hold(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0
