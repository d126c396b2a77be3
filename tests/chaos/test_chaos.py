"""Nothing is lost, nothing counts twice, and the state equals a replay of its log, whatever happens to the processes.

Real processes, a real broker of their own, the seeded world.
"""

from __future__ import annotations

import asyncio
import csv
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path

import pytest

from load_tests.chaos import Chaos, ChaosError, Crew, Outcome
from streams.broker import embedded
from streams.broker.embedded import Broker
from streams.contract import topics
from streams.contract.settings import Settings, client_kwargs
from streams.datasets.social_world import make_world, write_world
from streams.kafka import provision
from streams.kafka.log_reader import LogReader

HOUR_MS = 3_600_000

pytestmark = pytest.mark.timeout(420)


@pytest.fixture(scope="module")
def node() -> Iterator[Broker]:
    with embedded.private() as broker:
        yield broker


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return have_second_thoughts(write_world(make_world("small", seed=3), tmp_path_factory.mktemp("world")))


def have_second_thoughts(folder: Path) -> Path:
    """Let every tenth event of a set be deleted or edited, some of them before they arrive."""
    with open(folder / "events.csv", newline="", encoding="utf-8") as file:
        columns, *rows = csv.reader(file)
    at = {name: columns.index(name) for name in columns}
    clock = list(accumulate((float(row[at["ts"]]) for row in rows), max))
    arriving = list(enumerate(rows))
    for n, row in enumerate(rows[5::10]):
        second = row.copy()
        second[at["ts"]] = f"{float(row[at['ts']]) + (n % 5 - 1) * 1800:.3f}"
        second[at["claim_id"]] = second[at["parent_id"]] = second[at["text"]] = ""
        second[at["kind"]], second[at["stance"]] = ("update", "deny") if n % 3 == 0 else ("delete", "")
        arriving.append((bisect_left(clock, float(second[at["ts"]])), second))
    rows = [row for _, row in sorted(arriving, key=lambda place: place[0])]
    with open(folder / "events.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([columns, *rows])
    return folder


def replayed(node: Broker, world: Path, namespace: str, logs: Path, *faults: str, workers: int = 1) -> Outcome:
    """Replay the world under the faults, spread over it; a day's lag of verdicts."""
    settings = Settings(broker=node.bootstrap, namespace=namespace)
    chaos = Chaos(settings, world, 24 * HOUR_MS, logs, node)
    return asyncio.run(chaos.run(faults, seed=1, workers=workers))


def assert_exact(outcome: Outcome, robbed: bool = False) -> None:
    report = outcome.report
    assert report.complete != robbed
    assert report.claims > 0
    assert report.max_abs_diff <= 1e-9
    assert (report.records_differing, report.flags_missing, report.flags_extra) == (0, 0, 0)
    assert (report.counts_differing, report.lost, report.duplicated) == (0, 0, 0)
    assert report.counts_differing_from_files == 0  # the CSV files themselves, counted by the standard library
    assert (outcome.survivors, outcome.late) == (0, 0)


async def test_a_worker_that_does_not_come_up_is_named_with_its_last_words(tmp_path: Path) -> None:
    (tmp_path / "worker-1.log").write_text("ready with no partition: 0 rows\nno room\n")
    crew = Crew(Settings(broker="none:1"), tmp_path, Outcome())
    with pytest.raises(ChaosError, match=r"worker-1 owned no partition within 0 s[\s\S]*no room"):
        await crew.ready("worker-1", patience_s=0.0)


def test_ten_kills_of_the_worker_lose_and_double_nothing(
    node: Broker, world: Path, namespace: str, tmp_path: Path
) -> None:
    outcome = replayed(node, world, namespace, tmp_path, *["kill"] * 10)
    assert outcome.faults["kill"] == 10
    assert_exact(outcome)


def test_workers_that_join_leave_and_die_lose_and_double_nothing(
    node: Broker, world: Path, namespace: str, tmp_path: Path
) -> None:
    outcome = replayed(node, world, namespace, tmp_path, "join", "kill", "leave", "join", workers=2)
    assert_exact(outcome)


def test_a_worker_stopped_past_its_session_ends_itself_when_it_wakes(
    node: Broker, world: Path, namespace: str, tmp_path: Path
) -> None:
    outcome = replayed(node, world, namespace, tmp_path, "freeze", workers=2)
    assert outcome.zombies == 1
    assert_exact(outcome)


def test_a_broker_killed_and_started_again_loses_and_doubles_nothing(
    node: Broker, world: Path, namespace: str, tmp_path: Path
) -> None:
    outcome = replayed(node, world, namespace, tmp_path, "broker")
    assert outcome.faults["broker"] == 1
    assert_exact(outcome)


def test_partitions_added_to_inputs_between_kills_lose_and_double_nothing(
    node: Broker, world: Path, namespace: str, tmp_path: Path
) -> None:
    outcome = replayed(node, world, namespace, tmp_path, "repartition", "kill", "repartition", "kill", workers=2)
    assert outcome.faults["repartition"] == 2
    settings = Settings(broker=node.bootstrap, namespace=namespace)
    inputs = asyncio.run(records_by_partition(settings, topics.INPUTS))
    assert max(map(len, inputs)) > settings.partitions
    assert all(min(counts) > 0 for counts in inputs)  # the replay used them
    assert_exact(outcome)


async def records_by_partition(settings: Settings, asked: Sequence[topics.Topic]) -> list[list[int]]:
    found = await asyncio.to_thread(provision.states, settings.broker, settings, asked)
    async with LogReader(client_kwargs(settings)) as logs:
        return [[end for _, end in await logs.bounds(state.name, state.partitions)] for state in found]


def test_an_input_made_anew_and_logs_that_are_cut_lose_nothing_that_is_published_again(
    node: Broker, world: Path, namespace: str, tmp_path: Path
) -> None:
    outcome = replayed(node, world, namespace, tmp_path, "recreate", "truncate", "recreate", "truncate", workers=2)
    assert outcome.report.not_in_input > 0
    assert_exact(outcome, robbed=True)
    assert outcome.passed()
