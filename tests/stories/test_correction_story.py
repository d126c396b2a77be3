"""People delete and edit what they said, on a real broker and a worker that is killed: as if it had never been said."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from load_tests.bench.children import start
from streams.api.published import Reader
from streams.cli.main import app
from streams.contract import topics
from streams.contract.settings import Settings
from streams.kafka import provision
from streams.ops.verify import verify
from tests.stories.test_flag_story import LIARS, LIES, Platform


class Editing(Platform):
    """A platform on which what was posted can be deleted and edited, in front of a worker that may be killed."""

    def __init__(self, settings: Settings, log: Path) -> None:
        super().__init__(settings)
        self._log = log
        self.start()

    def start(self) -> None:
        self._worker = start(self.settings, "streams.cli", "worker", log=self._log)

    def kill(self) -> None:
        self._worker.kill()
        self._worker.wait()

    def say(self, event_id: str, source: str, kind: str, later_s: int = 0, **more: str) -> None:
        event = {"v": 1, "id": event_id, "kind": kind, "source_id": source, **more}
        self._send(topics.EVENTS, {**event, "occurred_at_ms": self.now_ms + later_s * 1000})

    def untell(self, claim: str) -> None:
        """Everybody who told a claim deletes the post; no claim is named, as platforms do it."""
        for i in range(LIARS):
            self.say(f"{claim}-{i}", f"liar-{i}", "delete", 60)


@pytest.fixture
def platform(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Editing]:
    monkeypatch.setenv("CREDENCE_BROKER", settings.broker)
    monkeypatch.setenv("CREDENCE_NAMESPACE", settings.namespace)
    provision.create(settings.broker, settings)
    editing = Editing(settings, tmp_path / "worker.log")
    yield editing
    editing.kill()
    provision.delete(settings.broker, settings)


def shown(*arguments: str) -> dict[str, Any]:
    done = CliRunner().invoke(app, [*arguments, "--json"])
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[0])
    return found


def scores(settings: Settings, topic: topics.Topic, key: str) -> dict[str, dict[str, Any]]:
    async def read() -> dict[str, dict[str, Any]]:
        async with Reader(settings, [topic]) as reader:
            records = [e.record() async for entries in reader.to_end() for e in entries]
        return {r[key]: r for r in records if r}

    return asyncio.run(read())


def becomes(read: Callable[[], Any], wanted: Any) -> None:
    """Counts go out with the next tick, once nothing more comes: wait for it."""
    end = time.monotonic() + 120
    while (found := read()) != wanted and time.monotonic() < end:
        time.sleep(0.2)
    assert found == wanted


def counts(platform: Platform, claim: str) -> Callable[[], list[int]]:
    """Reads what is published of a claim's counts."""

    def read() -> list[int]:
        score = scores(platform.settings, topics.CLAIM_SCORES, "claim_id")[claim]
        return [score[name] for name in ("events", "participants", "supports", "denies")]

    return read


def test_what_people_take_back_leaves_counts_reasons_and_flags_and_begins_no_claim(platform: Editing) -> None:
    platform.say("n1", "alda", "post", claim_id="noon")
    platform.say("n2", "bero", "reply", 10, claim_id="noon", stance="deny")
    platform.say("n3", "cato", "reply", 20, claim_id="noon", stance="deny")
    platform.settle()
    becomes(counts(platform, "noon"), [3, 3, 1, 2])

    platform.kill()
    platform.say("n2", "bero", "delete", 30)  # no claim, as a firehose has it
    platform.say("n2", "bero", "delete", 40, claim_id="noon")
    platform.say("n2", "alda", "delete", 40)  # not hers
    platform.say("n3", "cato", "update", 50, stance="support", text="I looked again, and it is as she says.")
    platform.say("n4", "dora", "delete", 70)  # before what it takes back
    platform.say("n4", "dora", "post", 60, claim_id="noon")
    platform.say("ghost", "eike", "delete", 70)
    platform.start()
    platform.settle()
    becomes(counts(platform, "noon"), [2, 2, 2, 0])
    why = json.dumps(shown("explain", "noon"))
    assert "n2" not in why
    assert "n4" not in why
    known = scores(platform.settings, topics.CLAIM_SCORES, "claim_id")
    assert known.keys() == {"noon"}
    assert "eike" not in scores(platform.settings, topics.SOURCE_SCORES, "source_id")

    for n in range(LIES):
        platform.tell(f"lie-{n}")
        platform.rule(f"lie-{n}", "false")
        platform.settle()
    platform.tell("fresh")
    platform.settle()
    assert [flag["action"] for flag in platform.flags("fresh")] == ["raise"]
    platform.untell("fresh")
    platform.untell("lie-0")  # after its verdict: who lied has lied
    platform.settle()
    raised, retracted = platform.flags("fresh")
    assert (retracted["action"], retracted["flag_id"]) == ("retract", raised["flag_id"])
    assert retracted["retracted_because"] == "posts-gone"
    for claim in ("fresh", "lie-0"):
        becomes(counts(platform, claim), [0, 0, 0, 0])

    def settled() -> tuple[int, int]:
        liar = scores(platform.settings, topics.SOURCE_SCORES, "source_id")["liar-0"]
        return liar["claims"], liar["wrong"]

    becomes(settled, (LIES - 1, LIES))

    report = asyncio.run(verify(platform.settings))
    assert report.passed, report
    assert report.claims == LIES
