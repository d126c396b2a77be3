"""Answers come back, on a real broker with a real worker: by command and over HTTP they move score, risk and flag."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import jsonschema_rs
import pytest
from typer.testing import CliRunner

from load_tests.bench.children import running
from streams.api.access import Scope, made
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
from tests.api.serving import Api
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


def decided(flag: str, decision: str, *more: str, status: int = 0) -> Any:
    """What `credence decide` says."""
    result = CliRunner().invoke(app, ["decide", flag, decision, "--by", "ana", "--json", *more])
    assert result.exit_code == status, result.output
    return json.loads(result.stdout) if status == 0 else " ".join(result.stderr.split())


def platform_precision() -> Any:
    result = CliRunner().invoke(app, ["flags", "precision", "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def within(ask: Callable[[], Any], wanted: Callable[[Any], bool], seconds: float = 60.0) -> Any:
    """Ask until the answer is as wanted."""
    end = time.monotonic() + seconds
    while not wanted(answer := ask()):
        assert time.monotonic() < end, answer
        time.sleep(0.2)
    return answer


def dereferenced(document: dict[str, Any], name: str) -> dict[str, Any]:
    """A schema of the document, with what it refers to."""
    return {"$ref": f"#/components/schemas/{name}", "components": document["components"]}


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
    assert ruled["after"]["risk"] > original["risk"] == ruled["before"]["risk"]
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


@pytest.fixture(scope="module")
def api(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Api, dict[str, str]]]:
    """A query service, and headers with a token that may rule."""
    secret, line = made("queue-team", [Scope.READ, Scope.RULE])
    tokens = tmp_path_factory.mktemp("tokens") / "tokens"
    tokens.write_text(line + "\n")
    serving = Api(platform.settings, CREDENCE_API_TOKENS_FILE=str(tokens))
    serving.becomes("/readyz", lambda status, _: status == 200)
    yield serving, {"Authorization": f"Bearer {secret}", "Content_Type": "application/json"}
    assert serving.end() == 0


def posted(api: tuple[Api, dict[str, str]], path: str, body: Any, **headers: str) -> tuple[int, Any]:
    status, answer, _ = api[0].ask(path, "POST", json.dumps(body).encode(), **api[1], **headers)
    return status, json.loads(answer)


def asked(api: tuple[Api, dict[str, str]], path: str) -> Any:
    status, answer, _ = api[0].ask(path, **api[1])
    assert status == 200, answer
    return json.loads(answer)


def test_a_service_rules_over_http_and_a_repetition_does_nothing_twice(
    platform: Platform, api: tuple[Api, dict[str, str]]
) -> None:
    original = flagged(platform, "asked over http")
    ruling = {"claim_id": "asked over http", "verdict": "false", "rater_id": "desk", "note": "It is open."}
    within(lambda: api[0].ask("/v1/claims/asked%20over%20http", **api[1])[0], lambda status: status == 200)
    status, ruled = posted(api, "/v1/rulings?wait_ms=30000", ruling, Idempotency_Key="one")
    assert (status, ruled["became"], ruled["version"], ruled["flag"]) == (201, "counts", 1, "taken back")
    assert ruled["after"]["risk"] > original["risk"]
    jsonschema_rs.validate(dereferenced(asked(api, "/openapi.json"), "Ruled"), ruled)
    status, again = posted(api, "/v1/rulings", ruling, Idempotency_Key="one")
    assert (status, again["became"], again["ruling_id"]) == (200, "unchanged", ruled["ruling_id"])
    status, problem = posted(api, "/v1/rulings", ruling | {"verdict": "true"}, Idempotency_Key="one")
    assert (status, problem["title"]) == (422, "Unprocessable Entity")
    assert asked(api, "/v1/claims/asked%20over%20http")["rulings"][0]["note"] == "It is open."

    unknown = ruling | {"claim_id": "unheard-of"}
    assert posted(api, "/v1/rulings", unknown)[0] == 404
    assert posted(api, "/v1/rulings", ruling | {"rater_id": "board", "verdict": "withdrawn"})[0] == 409
    assert posted(api, "/v1/rulings", ruling | {"verdict": "perhaps"})[0] == 400
    assert posted(api, "/v1/rulings", ruling | {"more": 1})[0] == 400
    assert api[0].ask("/v1/rulings", "POST", json.dumps(ruling).encode())[0] == 401
    _, withdrawn = posted(api, "/v1/rulings?wait_ms=30000", {"claim_id": "asked over http", "verdict": "withdrawn",
                                                            "rater_id": "desk"})  # fmt: skip
    assert (withdrawn["version"], withdrawn["flag"]) == (2, "raised")


def test_decisions_on_flags_are_kept_and_precision_follows_from_them_and_from_verdicts(
    platform: Platform, api: tuple[Api, dict[str, str]]
) -> None:
    for claim in ("decided one", "decided two"):
        flagged(platform, claim)
    first, second = (platform.flags(claim)[-1]["flag_id"] for claim in ("decided one", "decided two"))
    before = platform_precision()
    assert "no flag 'nothing/here/1' is known" in decided("nothing/here/1", "confirmed", status=1)
    record = decided(first, "confirmed", "--note", "The bridge is open.")
    assert (record["flag_id"], record["claim_id"], record["via"]) == (first, "decided one", "credence decide")
    body = {"flag_id": second, "decision": "confirmed", "decided_by": "ben"}
    status, told = within(lambda: posted(api, "/v1/decisions", body), lambda answer: answer[0] == 201)
    assert (status, told["via"], told["decided_by"]) == (201, "queue-team", "ben")
    posted(api, "/v1/decisions", body | {"decision": "dismissed"})
    after = platform_precision()
    gained = {each: after["by_decisions"][each] - before["by_decisions"][each] for each in ("right", "wrong")}
    assert gained == {"right": 1, "wrong": 1}, "the newest decision of a flag counts"
    assert after["by_verdicts"] == before["by_verdicts"]
    (rule,) = after["by_rule"]
    assert (rule["rule"], rule["flags"]) == ("risk-cascade/1", after["flags"])
    served = within(lambda: asked(api, "/v1/flags/precision"), lambda answer: answer == after)
    jsonschema_rs.validate(dereferenced(asked(api, "/openapi.json"), "Precision"), served)
    shown = CliRunner().invoke(app, ["flags", "precision"], env={"COLUMNS": "200"})
    assert "rule risk-cascade/1" in shown.stdout


def test_zz_the_state_is_what_a_replay_makes_of_the_logs(platform: Platform) -> None:
    platform.settle()
    report = asyncio.run(verify(platform.settings))
    assert report.passed, report
    codes = {letter.code for letter in dead_letters.summary(platform.settings).letters}
    assert codes <= {"id_conflict"}, "what two writers at once may leave"
