"""What several stories begin with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from load_tests.bench.children import running
from streams.contract.settings import Settings
from streams.kafka import provision
from tests.stories.test_flag_story import Platform


@pytest.fixture
def platform(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    """A platform with a running worker; commands find its installation."""
    monkeypatch.setenv("CREDENCE_BROKER", settings.broker)
    monkeypatch.setenv("CREDENCE_NAMESPACE", settings.namespace)
    provision.create(settings.broker, settings)
    with running(settings, "streams.cli", "worker", log=tmp_path / "worker.log"):
        yield Platform(settings)
    provision.delete(settings.broker, settings)
