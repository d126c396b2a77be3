"""Answers come back, on a real broker with a real worker: by command and over HTTP they move score, risk and flag."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from load_tests.bench.children import running
from streams.api.followed import Followed
from streams.cli.main import app
from streams.contract.settings import Settings
from streams.contract.topics import CLAIM_SCORES
from streams.contract.words import Verdict
from streams.kafka import provision
from streams.ops import dead_letters
from streams.ops.ruling_writer import RulingWriter
from streams.ops.saying import Became, Outcome, RulingError, Said
from streams.ops.verify import verify
from tests.stories.test_flag_story import LIES, Platform

FIGURES = ("score", "low", "high", "risk")


@pytest.fixture(scope="module")
def platform(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform with a running worker that has found out a few liars, so that what they say next is flagged."""
    settings = Settings(broker=broker, namespace=f"answers{uuid.uuid4().hex[:8]}.", partitions=2)
    provision.create(broker, settings)
    with running(settings, "streams.cli", "worker", log=tmp_path_factory.mktemp("answers") / "worker.log"):
        told = Platform(settings)
        for n in range(LIES):
            told.tell(f"lie-{n}")
            told.rule(f"lie-{n}", "false")
            told.settle()
        yield told
    provision.delete(broker, settings)


@pytest.fixture(autouse=True)
def _environment(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENCE_BROKER", platform.settings.broker)
    monkeypatch.setenv("CREDENCE_NAMESPACE", platform.settings.namespace)


def flagged(platform: Platform, claim: str) -> dict[str, Any]:
    """A claim of the liars, which is flagged; its record."""
    platform.now_ms = time.time_ns() // 1_000_000 - 6 * 3_600_000
    platform.tell(claim)
    platform.settle()
    record = known(platform, claim)
    assert record["flagged"], record
    return record


def known(platform: Platform, claim: str) -> dict[str, Any]:
    async def read() -> Any:
        async with Followed(platform.settings, [CLAIM_SCORES], claim) as claims:
            return claims.claim(claim)

    found: dict[str, Any] = asyncio.run(read())
    return found


def said(command: str, claim: str, verdict: str, *more: str, by: str = "desk", status: int = 0) -> Any:
    """What the command says: an object where it succeeds, else the words of its error."""
    result = CliRunner().invoke(app, [command, claim, verdict, "--by", by, "--json", *more])
    assert result.exit_code == status, result.output
    return json.loads(result.stdout) if status == 0 else " ".join(result.stderr.split())


def write(platform: Platform, *each: Said) -> list[Outcome]:
    """Several writers at once, each with connections of its own."""

    async def one(what: Said) -> Outcome:
        async with (
            Followed(platform.settings, [CLAIM_SCORES], what.claim_id) as claims,
            RulingWriter(platform.settings, claims) as writer,
        ):
            return await writer.write(what)

    async def together() -> list[Outcome]:
        return list(await asyncio.gather(*map(one, each)))

    return asyncio.run(together())


def test_a_ruling_takes_the_flag_back_an_appeal_turns_it_around_and_a_withdrawal_leaves_nothing(
    platform: Platform,
) -> None:
    original = flagged(platform, "told")
    ruled = said("rule", "told", "false", "--note", "The bridge is open.", "--url", "https://example.org/1")
    assert (ruled["became"], ruled["version"], ruled["flag"]) == ("counts", 1, "taken back")
    assert ruled["after"]["score"] < original["score"] == ruled["before"]["score"]
    (rating,) = ruled["rulings"]
    assert (rating["rater_id"], rating["note"], rating["url"], rating["kind"]) == (
        "desk", "The bridge is open.", "https://example.org/1", "moderation",
    )  # fmt: skip

    again = said("rule", "told", "false")
    assert (again["became"], again["version"]) == ("unchanged", 1)
    with_reasons = said("rule", "told", "false", "--note", "The bridge has been open all week.")
    assert (with_reasons["became"], with_reasons["version"]) == ("counts", 2)

    turned = said("appeal", "told", "true", "--note", "It closed at noon.")
    assert (turned["version"], turned["after"]["verdict"], turned["rulings"][0]["kind"]) == (3, "true", "appeal")
    assert turned["after"]["score"] > 0.9

    withdrawn = said("rule", "told", "withdrawn")
    assert (withdrawn["version"], withdrawn["after"]["verdict"], withdrawn["flag"]) == (4, None, "raised")
    platform.settle()
    restored = known(platform, "told")
    assert [restored[name] for name in FIGURES] == pytest.approx([original[name] for name in FIGURES], abs=1e-9)
    assert [(r["rater_id"], r["verdict"]) for r in restored["rulings"]] == [("desk", "withdrawn")]
    assert [f["action"] for f in platform.flags("told")] == ["raise", "retract", "raise"]
    assert platform.flags("told")[1]["rulings"][0]["note"] == "The bridge is open."


def test_raters_who_disagree_are_shown_as_such(platform: Platform) -> None:
    flagged(platform, "disputed")
    said("rule", "disputed", "false", by="desk")
    result = CliRunner().invoke(app, ["rule", "disputed", "true", "--by", "board"], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    assert "raters disagree: board says true, desk says false" in result.stdout
    assert known(platform, "disputed")["raters_disagree"] is True
    listed = CliRunner().invoke(app, ["claims", "--limit", "99"], env={"COLUMNS": "200"}).stdout
    assert "raters disagree" in next(line for line in listed.splitlines() if line.startswith("disputed"))
    explained = CliRunner().invoke(app, ["explain", "disputed"], env={"COLUMNS": "200"}).stdout
    assert "board" in explained
    assert "raters disagree" in explained


def test_two_writers_at_once_both_count(platform: Platform) -> None:
    flagged(platform, "contested")
    first = Said(claim_id="contested", verdict=Verdict.FALSE, rater_id="desk", note="first")
    second = Said(claim_id="contested", verdict=Verdict.TRUE, rater_id="desk", note="second")
    other = Said(claim_id="contested", verdict=Verdict.TRUE, rater_id="board")
    outcomes = write(platform, first, second, other)
    assert all(each.became in (Became.COUNTS, Became.SUPERSEDED) for each in outcomes)
    assert outcomes[0].version != outcomes[1].version
    rulings = {r["rater_id"]: r for r in known(platform, "contested")["rulings"]}
    last = max(outcomes[:2], key=lambda each: each.version)
    assert rulings["desk"]["ruling_id"] == last.ruling_id
    assert rulings["board"]["ruling_id"] == outcomes[2].ruling_id


def test_what_cannot_count_is_said_before_anything_is_written(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    flagged(platform, "plain")
    assert "no claim 'unheard-of' is known" in said("rule", "unheard-of", "true", status=1)
    assert "nothing to withdraw" in said("rule", "plain", "withdrawn", status=1)
    assert "2,000 are kept" in said("rule", "plain", "true", "--note", "n" * 2_001, status=1)
    monkeypatch.setenv("CREDENCE_RATERS", "board,fact-desk")
    assert "not on the operator's list of raters" in said("rule", "plain", "true", status=1)
    assert "rulings" not in known(platform, "plain")


def test_a_key_makes_a_repetition_harmless_and_another_request_under_it_is_an_error(platform: Platform) -> None:
    flagged(platform, "keyed")
    once = Said(claim_id="keyed", verdict=Verdict.FALSE, rater_id="desk", key="k1")
    (first,) = write(platform, once)
    (repeated,) = write(platform, once)
    assert (first.became, repeated.became) == (Became.COUNTS, Became.UNCHANGED)
    assert (first.ruling_id, first.version) == (repeated.ruling_id, repeated.version)
    with pytest.raises(RulingError, match="other content"):
        write(platform, Said(claim_id="keyed", verdict=Verdict.TRUE, rater_id="desk", key="k1"))


def test_zz_the_state_is_what_a_replay_makes_of_the_logs(platform: Platform) -> None:
    platform.settle()
    report = asyncio.run(verify(platform.settings))
    assert report.passed, report
    codes = {letter.code for letter in dead_letters.summary(platform.settings).letters}
    assert codes <= {"id_conflict"}, "what two writers at once may leave"
