"""A worker that has work and does none of it ends itself; one that is merely idle does not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import pytest

from streams.engine.watchdog import Watchdog, end_if_stopped, without_end


class Ended(BaseException):
    """Stands for the end of the process."""


def ends(reason: str) -> None:
    raise Ended(reason)


async def nowhere(positions: Mapping[Any, int]) -> Mapping[Any, int]:
    raise ConnectionError("no broker")


def watch(positions: dict[str, int], stall_s: float = 10.0) -> Watchdog:
    return Watchdog(lambda: positions, nowhere, ends, stall_s)


def test_standing_still_with_work_to_do_ends_the_process_and_names_the_partition() -> None:
    dog = watch({"p0": 5})
    dog.check({"p0": 9}, 0.0)
    dog.check({"p0": 9}, 9.0)
    with pytest.raises(Ended, match="p0 stands at 5 of 9"):
        dog.check({"p0": 9}, 11.0)


def test_standing_still_at_the_end_of_the_log_is_rest() -> None:
    dog = watch({"p0": 9})
    dog.check({"p0": 9}, 0.0)
    dog.check({"p0": 9}, 100.0)
    dog.check({"p0": 10}, 101.0)


def test_slow_progress_is_progress() -> None:
    positions = {"p0": 5}
    dog = watch(positions)
    for second in range(0, 60, 9):
        positions["p0"] += 1
        dog.check({"p0": 99}, float(second))


def test_a_partition_that_was_given_away_is_not_watched() -> None:
    positions = {"p0": 5}
    dog = watch(positions)
    dog.check({"p0": 9}, 0.0)
    positions.clear()
    dog.check({}, 50.0)
    positions["p0"] = 5
    dog.check({"p0": 9}, 60.0)


async def test_a_broker_that_does_not_answer_ends_the_process() -> None:
    dog = watch({"p0": 5}, stall_s=0.3)
    with pytest.raises(Ended, match="the broker has not answered"):
        async with asyncio.timeout(10):
            await dog.run()


async def test_a_process_that_stood_still_for_longer_than_a_session_ends() -> None:
    watching = asyncio.create_task(end_if_stopped(0.3, ends, every_s=0.01))
    await asyncio.sleep(0.05)
    time.sleep(0.5)  # as SIGSTOP does it, nothing in this process goes on
    with pytest.raises(Ended, match="longer than a session"):
        await watching


async def test_waiting_for_kafka_for_longer_than_a_session_is_no_standing_still() -> None:
    watching = asyncio.create_task(end_if_stopped(0.3, ends, every_s=0.01))
    await asyncio.sleep(0.6)
    assert not watching.done()
    watching.cancel()


def test_how_long_something_has_stood_still_is_told_while_it_stands() -> None:
    positions = {"p0": 5, "p1": 9}
    dog = watch(positions)
    for at_s in (0.0, 7.0):
        dog.check({"p0": 9, "p1": 9}, at_s)
    assert dog.stalled_s() == 7.0
    positions["p0"] = 6
    dog.check({"p0": 9, "p1": 9}, 8.0)
    assert dog.stalled_s() == 0.0


async def test_a_silent_broker_is_a_stall_too() -> None:
    dog = watch({"p0": 5}, stall_s=30.0)
    assert dog.stalled_s() == 0.0
    running = asyncio.create_task(dog.run())
    try:
        while not dog.stalled_s():  # until it has asked the broker, which does not answer
            await asyncio.sleep(0.01)
        time.sleep(0.25)  # nothing looks meanwhile
        assert dog.stalled_s() >= 0.25
    finally:
        running.cancel()


async def test_work_beside_the_stages_that_fails_ends_the_process_and_says_which() -> None:
    async def ticking() -> None:
        raise OSError("no such host")

    with pytest.raises(Ended, match=r"ticking failed: OSError\('no such host'\)"):
        await without_end(ticking(), ends)


async def test_work_beside_the_stages_that_is_cancelled_ends_nothing() -> None:
    task = asyncio.create_task(without_end(asyncio.sleep(60), ends))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
