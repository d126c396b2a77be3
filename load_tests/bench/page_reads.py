"""How quickly pages answer with many claims and flags, while a worker runs beside the query service."""

from __future__ import annotations

import asyncio
import time
import urllib.request
from pathlib import Path
from typing import Any

import orjson

from load_tests.bench import load
from load_tests.bench.api_reads import CHUNK, Say, asked, feed, fill, ready, score, service
from load_tests.bench.children import running
from streams.contract import topics
from streams.contract.settings import Settings, client_kwargs
from streams.kafka import provision

FLAGGED = 20
"""Of so many claims one has a flag; half of them stand."""
CORE_S = 5.0
VERSIONS = 100
"""Published scores of a claim with a flag, for its history."""
PAGES = {"front": "/", "queue": "/queue", "claim": f"/claims/{{every {FLAGGED}}}"}


async def pages(
    settings: Settings, keys: int, rate: float, seconds: float, events_per_s: int, log: Path, say: Say
) -> dict[str, Any]:
    """Front, queue and claims with flags at a steady rate each, with a worker that gets events meanwhile.

    Args:
        keys: claims that the service holds; one in FLAGGED has a flag and a long history.
        rate: pages a second.
        seconds: of each.
        events_per_s: that the worker gets.
    """
    await asyncio.to_thread(provision.create, settings.broker, settings)
    await fill(settings, 0, keys)
    await _flags(settings, keys)
    result: dict[str, Any] = {"keys": keys, "flags": len(range(0, keys, FLAGGED)), "rate": rate}
    with running(settings, "streams.cli", "worker", log=log), service(settings, log) as (_, url):
        await asyncio.to_thread(ready, url, keys)
        await asyncio.to_thread(_first_look, url)
        feeding = asyncio.create_task(feed(settings, events_per_s))
        try:
            for name, path in PAGES.items():
                say(f"{rate:g} pages/s for {seconds:.0f} s: {name}")
                result[name] = await asyncio.to_thread(asked, url, rate, seconds, keys, path)
        finally:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)
    return result


def _first_look(url: str) -> None:
    """The first front page brings the scoring core into the process, once and for some seconds: it is not counted."""
    for _ in range(2):
        urllib.request.urlopen(url, timeout=60).read()
        time.sleep(CORE_S)


async def _flags(settings: Settings, keys: int) -> None:
    """Publish flags, and many scores of the claims that they are about."""
    flags = [(f"claim-{n:07d}", orjson.dumps(flag(n))) for n in range(0, keys, FLAGGED)]
    await load.publish(client_kwargs(settings), settings, topics.FLAGS, flags)
    versions = (
        (f"claim-{n:07d}", orjson.dumps({**score(n), "version": version, "as_of_ms": load.START_MS + 60_000 * version}))
        for n in range(0, keys, FLAGGED)
        for version in range(1, VERSIONS + 1)
    )
    while part := [each for each, _ in zip(versions, range(CHUNK), strict=False)]:
        await load.publish(client_kwargs(settings), settings, topics.CLAIM_SCORES, part)


def flag(n: int) -> dict[str, Any]:
    """A flag of the size and shape of real ones; every second one was taken back."""
    gone = n // FLAGGED % 2
    reasons = [
        {"code": f"idea-{i}", "text": f"a reason in some words, the one with the number {i}", "weight": 2.0 - 0.5 * i,
         "evidence_ids": [f"event-{n}-{i}-{k}" for k in range(5)]}
        for i in range(8)
    ]  # fmt: skip
    return {
        "flag_id": f"risk-cascade/claim-{n:07d}/1", "revision": 1, "schema_version": 2,
        "action": "retract" if gone else "raise", **({"retracted_because": "settled"} if gone else {}),
        "subject": {"type": "claim", "id": f"claim-{n:07d}", "uri": f"/v1/claims/claim-{n:07d}"},
        "claim": {"event_id": f"event-{n}", "author_id": f"author-{n}", "posted_at_ms": load.START_MS, "lang": "en",
                  "text": "What somebody said, in about as many words as people use. " * 3},
        "spread": {"participants": 60 + n % 40, "events": 90, "first_event_ms": load.START_MS, "per_hour": 12.5,
                   "expected_per_hour": 9.0, "expected_24h": 40.0 + n % 50, "usual_participants": 20.0},
        "supports": 40, "denials": 9, "queries": 3, "label": "likely-false", "policy_id": "misinformation",
        "rule_id": "risk-cascade/1", "severity": "high", "priority": 0 if gone else n // FLAGGED % 101, "risk": 0.9,
        "risk_low": 0.8, "risk_high": 0.95, "score": 0.1, "score_low": 0.05, "score_high": 0.2, "enough_evidence": True,
        "claim_version": 1, "confidence": 0.9, "threshold": 0.7, "score_version": "1.4+p17", "reasons": reasons,
        "would_fall": "It is taken back when its risk falls, when a verdict comes, or when its posts go. " * 3,
        "source": "automated", "event_time_ms": load.START_MS + 3_600_000, "detected_at_ms": load.START_MS + n,
        "trace_id": "trust.by-claim.v1/0/7",
    }  # fmt: skip
