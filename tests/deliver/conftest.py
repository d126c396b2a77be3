"""Topics of flags and deliveries on the real broker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from streams.contract.settings import Settings
from streams.contract.topics import DELIVERIES, FLAGS
from streams.kafka import provision
from tests.deliver.flag_log import PROMPT


@pytest.fixture
def prompt(settings: Settings) -> Iterator[Settings]:
    """Settings under which tries follow each other quickly; the topics are there."""
    made = settings.replace(metrics_port=0, partitions=2, **PROMPT)
    provision.create(made.broker, made, [FLAGS, DELIVERIES])
    yield made
    provision.delete(made.broker, made, [FLAGS, DELIVERIES])
