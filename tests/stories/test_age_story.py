"""All workers are down, and the query service answers and says how old its answers are; one comes back."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import orjson
import pytest
from kafka import KafkaProducer

from load_tests.bench.children import running
from streams.contract import topics
from streams.contract.settings import Settings, client_kwargs
from streams.kafka import provision
from streams.ops.idle import wait_idle
from tests.api.serving import Api

NOW_MS = time.time_ns() // 1_000_000 - 3_600_000


def say(settings: Settings, id_: str, claim: str) -> None:
    """Publish a post."""
    with KafkaProducer(**client_kwargs(settings), acks="all") as producer:
        event = {"v": 1, "id": id_, "kind": "post", "source_id": "ana", "claim_id": claim, "occurred_at_ms": NOW_MS}
        producer.send(topics.EVENTS.name(settings), orjson.dumps(event), partition=0).get(30)


@pytest.mark.timeout(280)
def test_the_age_grows_while_no_worker_runs_and_falls_when_one_comes_back(settings: Settings, tmp_path: Path) -> None:
    provision.create(settings.broker, settings)
    say(settings, "e1", "first")
    api = Api(settings)

    def aged(path: str, within: Any) -> int:
        """The age of an answer, once it is as wanted."""
        found: list[int] = []

        def looked(status: int, _: Any) -> bool:
            _, _, headers = api.ask(path)
            found.append(int(headers["Credence-Lag-Ms"] or -1))
            return status == 200 and bool(within(found[-1]))

        api.becomes(path, looked, within_s=90.0)
        return found[-1]

    try:
        with running(settings, "streams.cli", "worker", log=tmp_path / "worker.log") as worker:
            asyncio.run(wait_idle(settings))
            api.becomes("/v1/claims/first", lambda status, _: status == 200, within_s=60.0)
            worker.kill()
            worker.wait()
        # Nothing has come since, so what it knows is not old; then something comes that no worker sees.
        say(settings, "e2", "second")
        age = aged("/v1/claims/first", lambda lag: lag > 4_000)
        assert aged("/v1/claims/first", lambda lag: lag > age + 2_000) > age
        assert api.get("/v1/claims/second")[0] == 404
        assert api.get("/readyz")[0] == 200
        assert api.get("/readyz")[1]["lag_ms"] > age
        status, body, headers = api.ask("/v1/claims/first?max_lag_ms=2500")
        assert (status, headers["Retry-After"]) == (503, "1")
        assert "age of the answer" in orjson.loads(body)["detail"]
        assert api.get("/v1/claims/first?max_lag_ms=80000000")[0] == 200
        # A service that starts now has seen nothing wait, and still knows since when.
        later = Api(settings)
        try:
            later.becomes("/readyz", lambda status, b: status == 200 and (b["lag_ms"] or 0) >= age, within_s=60.0)
        finally:
            later.end()
        with running(settings, "streams.cli", "worker", log=tmp_path / "worker.log"):
            api.becomes("/v1/claims/second", lambda status, _: status == 200, within_s=120.0)
            assert aged("/v1/claims/second", lambda lag: 0 <= lag < age) < age
    finally:
        assert api.end() == 0
    provision.delete(settings.broker, settings)
