"""The demo as a user runs it: it ends by itself, says what it found, and leaves no process behind however it ends."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import psutil
import pytest
from rich.console import Console

from streams.client.sync import Client
from streams.contract.settings import Settings
from streams.contract.topics import CLAIM_SCORES, DEAD_LETTERS, FLAGS, SOURCE_SCORES
from streams.datasets import dataset
from streams.datasets.dataset import Dataset
from streams.datasets.findings import Findings
from streams.datasets.social_world import make_world, write_world
from streams.demo.closing import Facts, Truth, before_verdicts, examples, flags_report, largest, lone_report, ranking
from streams.demo.in_order import Before
from streams.demo.screen import WORDS, LiveScreen, PlainScreen, reasons_in_words
from streams.demo.sentences import print_checks, print_refused, print_report
from streams.demo.watch import Watch
from streams.ops.replay import ReplayStatus
from streams.scoring.signals.registry import IDEAS

HOUR_MS = 3_600_000
MARK = "CREDENCE_TEST_MARK"  # inherited by every process that a demo starts, and so finds them all


@pytest.fixture
def mark() -> Iterator[str]:
    """A value that marks one demo's processes; whatever is left of them is killed at the end."""
    value = uuid.uuid4().hex
    yield value
    for process in marked(value):
        process.kill()


def marked(value: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == value and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def start(mark: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "streams.cli", "demo", "--size", "tiny", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, MARK: mark},
    )


def _until(stream: IO[str], words: str) -> Iterator[str]:
    """Lines up to the one with these words, or the end."""
    for line in stream:
        yield line
        if words in line:
            return


def wait_until_gone(mark: str, patience_s: float = 30.0) -> list[psutil.Process]:
    end = time.monotonic() + patience_s
    while (left := marked(mark)) and time.monotonic() < end:
        time.sleep(0.2)
    return left


def wait_until_worker_runs(mark: str, demo: subprocess.Popen[str], patience_s: float = 90.0) -> None:
    end = time.monotonic() + patience_s
    while time.monotonic() < end and demo.poll() is None:
        if any("worker" in process.cmdline() for process in marked(mark)):
            return
        time.sleep(0.1)
    pytest.fail(f"no worker came up; the demo said {demo.communicate()}")


@pytest.mark.broker
def test_without_a_terminal_it_ends_by_itself_and_its_one_json_object_says_what_was_found(mark: str) -> None:
    demo = start(mark, "--json")
    out, said = demo.communicate(timeout=240)
    assert demo.returncode == 0, said
    result = json.loads(out)
    assert result["events"] == len(make_world("tiny"))
    assert result["events_per_s"] > 0
    assert result["claims"] == 16
    verify = result["verify"]
    assert verify["complete"]
    assert verify["max_abs_diff"] <= 1e-9
    assert not any(verify[k] for k in ("records_differing", "flags_missing", "flags_extra", "counts_differing"))
    assert result["live_vs_event_time"]["claims"] == 16
    assert result["before_verdicts"]["claims"] == 11
    assert result["lone_source"]["after"]["right"] == 2
    assert "What Credence knew, and when" in said
    assert wait_until_gone(mark) == []


@pytest.mark.broker
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_ended_in_the_middle_it_leaves_no_process_behind(mark: str, number: signal.Signals) -> None:
    demo = start(mark)
    wait_until_worker_runs(mark, demo)
    demo.send_signal(number)
    demo.communicate(timeout=60)
    assert demo.returncode != 0
    assert wait_until_gone(mark) == []


@pytest.mark.broker
def test_a_worker_that_dies_is_replaced_and_questions_are_answered_meanwhile(mark: str) -> None:
    demo = start(mark, "--json", "--no-check")
    assert demo.stderr is not None
    before = "".join(_until(demo.stderr, "In another terminal"))
    next(p for p in marked(mark) if "worker" in p.cmdline()).kill()
    # It has said where to look, and answers while it goes on.
    (pages,) = (line.split()[1] for line in before.splitlines() if line.startswith("  pages "))
    with Client(pages) as client:
        while not list(client.list_claims(limit=1)):
            assert demo.poll() is None, before
    out, said = demo.communicate(timeout=240)
    assert demo.returncode == 0, before + said
    assert "another takes over" in said
    assert json.loads(out)["events"] == len(make_world("tiny"))
    assert wait_until_gone(mark) == []


@pytest.mark.broker
def test_a_given_kafka_is_used_and_left_as_it_was(broker: str, mark: str, settings: Settings) -> None:
    from kafka import KafkaAdminClient

    client = KafkaAdminClient(bootstrap_servers=broker)
    before = set(client.list_topics())
    demo = start(mark, "--broker", broker, "--no-check")
    _, said = demo.communicate(timeout=240)
    assert demo.returncode == 0, said
    assert {name for name in client.list_topics() if name.startswith("demo-")} <= before
    client.close()


def test_a_folder_without_data_is_refused_in_a_sentence(mark: str, tmp_path: Path) -> None:
    demo = start(mark, "--data", str(tmp_path))
    _, said = demo.communicate(timeout=60)
    assert demo.returncode == 1
    assert "neither events.csv nor" in " ".join(said.split())
    assert "Traceback" not in said


# --- the report, on records made by hand ------------------------------------------------------------------------------


def claim(claim_id: str, **changed: Any) -> dict[str, Any]:
    record = {
        "claim_id": claim_id, "score": 0.5, "low": 0.3, "high": 0.7, "risk": 0.5, "events": 10, "participants": 9,
        "supports": 5, "denies": 1, "verdict": None, "flagged": False, "enough_evidence": True,
        "first_event_ms": 0, "last_event_ms": 10,
    }  # fmt: skip
    return {**record, **changed}


def flag(claim_id: str, at_ms: int, action: str = "raise", revision: int = 1) -> dict[str, Any]:
    reasons = [{"code": "history", "weight": 1.5}, {"code": "vote", "weight": 0.5}, {"code": "slow", "weight": -1.0}]
    return {
        "flag_id": f"f/{claim_id}", "revision": revision, "action": action,
        "subject": {"type": "claim", "id": claim_id}, "event_time_ms": at_ms, "confidence": 0.9, "reasons": reasons,
    }  # fmt: skip


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    """Three claims of four events, an hour apart, beginning at 1,400,000,000 s."""
    rows = "".join(
        f"{1_400_000_000 + 3600 * i},{'post' if i == 0 else 'reply'},{c},{c}{i},{c + '0' if i else ''},u{i}\n"
        for i in range(4)
        for c in "abc"
    )
    (tmp_path / "events.csv").write_text("ts,kind,claim_id,event_id,parent_id,user_id\n" + rows)
    (tmp_path / "claims.csv").write_text("claim_id,label,text\na,false,the a\nb,unverified,\nc,true,the c\n")
    return dataset.read(tmp_path)


START = 1_400_000_000_000


def test_flags_count_only_before_the_verdict_and_repeats_count_once(data: Dataset) -> None:
    watch = Watch(Settings())
    for record in (flag("a", START + HOUR_MS), flag("a", START + HOUR_MS), flag("c", START + 30 * HOUR_MS)):
        watch._take(FLAGS, record)
    report = flags_report(watch, Truth({"a": False, "c": True}), Facts(data), 24 * HOUR_MS)
    assert (report["raised"], report["before_verdict"], report["false"], report["precision"]) == (2, 1, 1, 1.0)
    assert report["median_hours"] == 1.0
    assert report["median_still_to_come"] == 0.5


def test_a_retracted_flag_stands_no_more_but_was_raised(data: Dataset) -> None:
    watch = Watch(Settings())
    watch._take(FLAGS, flag("a", START))
    watch._take(FLAGS, flag("a", START + 1, "retract", 2))
    assert (len(watch.raised), len(watch.standing)) == (1, 0)
    assert watch.raised["a"].reasons == ("history", "vote")


def test_claims_without_a_verdict_are_ranked_against_the_hidden_truth(data: Dataset) -> None:
    watch = Watch(Settings())
    for record in (claim("a", risk=0.1), claim("b", risk=0.9)):
        watch._take(CLAIM_SCORES, record)
    assert ranking(watch, Truth({"a": False, "b": False}), data)["risk"] is None
    unlabelled = Dataset("x", data.t_ms, data.columns, {}, {})
    assert ranking(watch, Truth({"a": True, "b": False}), unlabelled)["risk"] == 1.0


def known(claim_id: str, false: bool, risk: float, **changed: Any) -> Before:
    z = float(np.log(risk / (1 - risk)))
    record = {"score": 0.5, "low": 0.3, "high": 0.7, "supports": 5, "denies": 1, "enough_evidence": True}
    return Before(claim_id, false, z, risk=risk, **{**record, **changed})


def test_a_claim_that_was_ruled_on_is_shown_as_it_was_before_its_verdict(data: Dataset) -> None:
    watch, truth, facts = Watch(Settings()), Truth({"a": False, "c": True}), Facts(data)
    for ruled in (claim("a", risk=0.999, verdict="false"), claim("c", risk=0.001, verdict="true")):
        watch._take(CLAIM_SCORES, ruled)
    before = [known("a", True, 0.2), known("c", False, 0.9)]
    shown = examples(largest(truth, facts, data), watch, before, truth, facts, data, 24 * HOUR_MS)
    assert [(e.claim_id, e.ruled, e.record["risk"], e.misjudged) for e in shown] == [
        ("a", True, 0.2, True), ("c", True, 0.9, True),
    ]  # fmt: skip
    assert before_verdicts(before)["risk"] == 0.0


def test_flags_that_came_with_or_after_the_verdict_are_not_called_in_time(data: Dataset) -> None:
    watch, truth, facts = Watch(Settings()), Truth({"a": False}), Facts(data)
    watch._take(FLAGS, flag("a", START + 25 * HOUR_MS))
    watch._take(CLAIM_SCORES, claim("a"))
    (shown,) = examples(["a"], watch, [known("a", True, 0.2)], truth, facts, data, 24 * HOUR_MS)
    assert shown.flagged_after_h is None
    (unruled,) = examples(["a"], watch, [], truth, facts, data, 24 * HOUR_MS)
    assert unruled.flagged_after_h == 25.0


def test_a_whole_report_is_printed_from_its_figures(data: Dataset, tmp_path: Path) -> None:
    world = make_world("tiny", 3)
    data = dataset.read(write_world(world, tmp_path / "w"))
    truth, facts = Truth.read(tmp_path / "w", data), Facts(data)
    watch = Watch(Settings(), (truth.lone, *truth.stories))
    for c in data.labels:
        first = facts.first[c]
        watch._take(CLAIM_SCORES, claim(c, first_event_ms=first, last_event_ms=first + 1, risk=0.8 if c < "m" else 0.1))
    for right in (0, 1, 2):
        watch._take(
            SOURCE_SCORES,
            {"source_id": truth.lone, "credibility": 0.5 + 0.1 * right, "low": 0.1, "high": 0.9, "right": right,
             "wrong": 0, "insight": 0.1 * right, "claims": right, "as_of_ms": START},
        )  # fmt: skip
    watch._take(FLAGS, flag(truth.stories[0], facts.first[truth.stories[0]] + HOUR_MS))
    lag_ms = 24 * HOUR_MS
    result = {
        "events": len(data), "seconds": 2.0, "events_per_s": 1.0, "waited_s": 1.0, "verdicts": 3, "verdict_lag_h": 24.0,
        "sources": 9, "hidden_truth": True, "flags": flags_report(watch, truth, facts, lag_ms),
        "before_verdicts": before_verdicts([known("a", True, 0.9), known("c", False, 0.4)]),
        "ranking": ranking(watch, truth, data), "lone_source": lone_report(watch, truth, facts, data, lag_ms),
        "verify": {"error": "boom [/]"}, "live_vs_event_time": {"claims": 0},
    }  # fmt: skip
    told = io.StringIO()
    console = Console(file=told, width=110)
    shown = examples(largest(truth, facts, data), watch, [], truth, facts, data, lag_ms)
    sunk = next(e for e in shown if e.true and e.record["risk"] == 0.8)
    reason = {"code": "history", "text": "a poor record", "weight": 2.0}
    print_report(console, result, shown, {sunk.claim_id: {"risk": {"reasons": [reason]}}})
    print_checks(console, result)
    text = " ".join(told.getvalue().split())
    assert f"{truth.lone} stood alone against her neighbours 2 times" in text
    assert "precision 1.00" in text
    assert "Just before each of the 2 verdicts, with nothing of that verdict in it" in text
    assert f"“{sunk.title}” is true, and Credence sank it: risk 0.80, score 0.50; 5 said yes and 1 no." in text
    assert "What misled it: a poor record. Nobody ruled on it, so nothing put it right; this would:" in text
    assert f"credence rule {sunk.claim_id} true" in text
    assert "Verification broke off: boom [/]" in text


def test_the_report_ends_with_what_was_refused_and_why() -> None:
    told = io.StringIO()
    findings = Findings.of(9, [(3, "too_long", "field id: 300 characters")], [4], [], {"dubious": 2})
    print_refused(Console(file=told, width=110), {"dead_letters": {"id_conflict": 2}, **findings.as_dict()})
    text = " ".join(told.getvalue().split())
    for part in (
        "1 of 9 rows are refused", "too_long 1 (first: row 3: field id: 300 characters)", "1 of 9 rows say again",
        "dubious (2)", "2 records became dead letters on the way: id_conflict 2.",
    ):  # fmt: skip
        assert part in text
    nothing = io.StringIO()
    print_refused(Console(file=nothing), {"dead_letters": {}, **Findings().as_dict()})
    assert nothing.getvalue() == ""


def test_every_reason_of_a_flag_has_words() -> None:
    assert set(IDEAS) == set(WORDS)
    assert reasons_in_words(("history", "history_repliers", "vote")) == (
        "spread by people with a poor record, answered by people with a poor record"
    )


def test_both_screens_show_what_happens(data: Dataset) -> None:
    watch = Watch(Settings())
    watch._take(CLAIM_SCORES, claim("a", risk=0.93))
    watch._take(CLAIM_SCORES, claim("c", verdict="true", enough_evidence=False))
    watch._take(FLAGS, flag("a", START + HOUR_MS))
    watch._take(DEAD_LETTERS, {"code": "not_json"})
    status = ReplayStatus(12, 12, 1, 2, START, waiting=True, waiting_for="communities (3 records)", seconds=10.0)
    plain, live = io.StringIO(), io.StringIO()
    PlainScreen(Console(file=plain, width=200), watch, data).show(status)
    assert "100%  event time 13 May 2014 16:53 UTC  12 events in 10 s" in plain.getvalue()
    assert "newest: “the a” (spread by people with a poor record)" in plain.getvalue()
    assert "1 flags standing" in plain.getvalue()
    assert "waiting for communities (3 records)" in plain.getvalue()
    screen = LiveScreen(Console(file=live, width=120), watch, data, {"kafka": "localhost:1"})
    screen.show(status)
    Console(file=live, width=120).print(screen._render())
    for part in ("the a", "0.93", "1.0 h", "ruled true", "not enough yet", "1 dead letters", "12/12 events"):
        assert part in live.getvalue()
