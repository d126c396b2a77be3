"""What all tests share: one real Apache Kafka a session, and names of their own on it."""

from __future__ import annotations

import os
import shutil
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from streams.broker.embedded import Broker
from streams.contract.settings import Settings

# Started in the background a shell has this process, and what a test starts, ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)
# pytest-xdist says 80; without a word of it output is as wide as in any pipe.
os.environ.pop("COLUMNS", None)

TESTS = Path(__file__).parent
# The modules that take longest, the longest first. Each of the processes that share the tests (`make test`) takes a
# module at a time, and none is to be left with a long one when the others have ended.
LONG = (
    "chaos/test_chaos.py",
    "test_fresh_container.py",
    "stories/test_topics_made_anew.py",
    "scoring/test_new_signal.py",
    "stories/test_partitions.py",
    "demo/test_demo.py",
    "pages/test_walk.py",
    "stories/test_transactions.py",
    "cli/test_stderr.py",
    "ops/test_replay.py",
    "evaluate/test_protocol.py",
    "scoring/test_cores.py",
    "api/test_changes.py",
    "tables/test_compiled.py",
    "watching/test_dashboards.py",
    "api/test_contract.py",
    "stories/test_flag_story.py",
    "stories/test_answers_story.py",
    "deliver/test_killed.py",
)


def pytest_configure(config: pytest.Config) -> None:
    """Declare the mark that every test on a real broker carries."""
    if moved := [name for name in LONG if not (TESTS / name).is_file()]:
        raise pytest.UsageError(f"LONG in tests/conftest.py names what is not there: {', '.join(moved)}")
    config.addinivalue_line(
        "markers", "broker: runs on a real Apache Kafka (given to every test that asks for the fixture)"
    )
    config.addinivalue_line("markers", "tokens: the pages take access tokens (tests/pages)")
    # How long an example takes says more of the machine's other work than of the code.
    hypothesis_settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    hypothesis_settings.load_profile("untimed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that use the broker, so that `-m 'not broker'` is the fast part; long modules begin first."""
    for item in items:
        if "broker" in getattr(item, "fixturenames", ()):
            item.add_marker("broker")
    place = {TESTS / name: number for number, name in enumerate(LONG)}
    items.sort(key=lambda item: place.get(item.path, len(LONG)))


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """host:port of an Apache Kafka that lives as long as the test session; with pytest-xdist all workers share it.

    A test that stops or kills a broker takes one of its own: `streams.broker.embedded.private`.
    """
    shared = "PYTEST_XDIST_WORKER" in os.environ
    base = tmp_path_factory.getbasetemp()
    node = Broker((base.parent if shared else base) / "broker")
    # Of several workers the first one starts it. It is theirs together, so it ends with the process that leads them.
    node.start(owner_pid=os.getppid() if shared else os.getpid())
    yield node.bootstrap
    if not shared:
        node.stop(patience_s=5.0)
        shutil.rmtree(node.folder, ignore_errors=True)


@pytest.fixture
def namespace() -> str:
    """A prefix for topic and group names that no other test has."""
    return f"t{uuid.uuid4().hex[:12]}."


@pytest.fixture
def settings(broker: str, namespace: str) -> Settings:
    """Settings for the session's broker, in a namespace of the test's own; its topics do not exist yet."""
    return Settings(broker=broker, namespace=namespace)
