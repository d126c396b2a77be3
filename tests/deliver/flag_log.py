"""Flags on the flags topic of a test's own, and a delivering process beside the test."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from streams.contract.delivery_record import Delivery
from streams.contract.settings import Settings, client_kwargs
from streams.contract.topics import FLAGS, partition_of
from streams.deliver.delivered import read
from streams.deliver.deliverer import Deliverer, group_of
from streams.deliver.delivery import Wanted
from streams.deliver.serving import serving
from streams.deliver.target import Target
from streams.kafka.clients import started
from streams.kafka.log_reader import LogReader
from tests.deliver.servers import SECRET

PROMPT = {"deliver_secret": SECRET, "deliver_retry_ms": 20, "deliver_retry_max_ms": 100, "deliver_settle_ms": 100}
"""Settings under which tries follow each other quickly."""


def flag(name: str, revision: int = 1, action: str = "raise", priority: int = 70, **more: Any) -> dict[str, Any]:
    """A flag record about the claim of this name, in the form of real ones; `more` replaces fields."""
    now_ms = time.time_ns() // 1_000_000
    number = sum(name.encode())
    ending = {"retracted_because": "settled"} if action == "retract" else {"expires_at_ms": now_ms + 86_400_000}
    return {
        "schema_version": 2, "flag_id": f"risk-cascade/{name}/1", "revision": revision, "action": action,
        "subject": {"type": "claim", "id": name, "uri": f"/v1/claims/{name}"},
        "claim": {
            "event_id": f"at://did:plc:ines/app.bsky.feed.post/{name}", "author_id": "https://social.example/users/ines",
            "text": f"They say that {name}", "url": f"https://social.example/@ines/{number}", "lang": "en",
        },
        "label": "possible-falsehood", "policy_id": "misinformation", "rule_id": "risk-cascade/1", "severity": "high",
        "priority": 0 if action == "retract" else priority, "risk": 0.9, "score": 0.2, "claim_version": revision,
        "confidence": 0.8, "threshold": 0.74, "score_version": "1.0+p0", "source": "automated",
        "reasons": [{"code": "history", "text": "its people spread lies", "weight": 2.0, "evidence_ids": ["e1"]}],
        "event_time_ms": now_ms, "detected_at_ms": now_ms, "trace_id": "trust.by-claim.v1/0/1", **ending,
    } | more  # fmt: skip


async def publish(settings: Settings, *flags: dict[str, Any]) -> None:
    """Append flag records to the flags topic, as the claims stage does."""
    async with started(AIOKafkaProducer, client_kwargs(settings), acks="all") as producer:
        for each in flags:
            key = each["subject"]["id"]
            partition = partition_of(key, settings.partitions)
            await producer.send_and_wait(
                FLAGS.name(settings), orjson.dumps(each), key=key.encode(), partition=partition
            )


async def until(holds: Callable[[], Any], what: str, within_s: float = 90.0) -> None:
    """Wait until something holds."""
    end = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end, f"not within {within_s:.0f} s: {what}"
        await asyncio.sleep(0.02)


@asynccontextmanager
async def delivering(
    settings: Settings, target: Target, url: str, *, wanted: Wanted | None = None, again: bool = False
) -> AsyncIterator[Deliverer]:
    """A delivering process in this one, while the block runs; then it is told to stop, and ends."""
    async with serving(settings, target, url, wanted or Wanted(), target.NAME, again) as (deliverer, _):
        running = asyncio.create_task(deliverer.run())
        try:
            yield deliverer
        finally:
            deliverer.stop()
            await running


async def deliveries(settings: Settings) -> dict[str, Delivery]:
    """What is remembered: claim → delivery."""
    return {d.claim_id: d for d in (await read(settings, lambda _: True)).values()}


async def behind(settings: Settings, name: str) -> int:
    """Records of the flags topic that the target's group has not kept its place behind."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.broker)
    await admin.start()
    try:
        kept = await admin.list_consumer_group_offsets(group_of(settings, name))
    finally:
        await admin.close()
    tps = [TopicPartition(FLAGS.name(settings), p) for p in range(settings.partitions)]
    async with LogReader(client_kwargs(settings)) as logs:
        ends = await logs.ends(tps)
    return sum(end - (kept[tp].offset if tp in kept else 0) for tp, end in ends.items())


async def kept_up(settings: Settings, name: str) -> None:
    """Wait until the target's group has kept its place behind the last record."""
    for _ in range(900):
        if await behind(settings, name) == 0:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"{await behind(settings, name)} records before which no place is kept")
