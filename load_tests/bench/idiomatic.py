"""The job as Faust's documentation would have it: a model, a Table update and one output for every event."""

from __future__ import annotations

import os
import tempfile
import time
from typing import Any

import faust

from streams.contract import topics
from streams.contract.settings import Settings

settings = Settings.from_env()
app = faust.App(
    f"{settings.namespace}idiomatic",
    broker=f"kafka://{settings.broker}",
    topic_partitions=settings.partitions,
    consumer_auto_offset_reset="earliest",
    store="memory://",
    table_standby_replicas=0,
    topic_disable_leader=True,
    web_enabled=False,
    datadir=tempfile.mkdtemp(prefix="credence-idiomatic-"),
)


class Event(faust.Record, serializer="json"):  # type: ignore[call-arg]
    """The fields of an event that this job uses."""

    id: str
    source_id: str
    claim_id: str
    occurred_at_ms: int
    kind: str
    stance: str | None = None


incoming = app.topic(topics.EVENTS.name(settings), value_type=Event)
outgoing = app.topic(f"{settings.namespace}idiomatic-scores", value_serializer="json", partitions=settings.partitions)
counts = app.Table("counts", default=int, partitions=settings.partitions)
WANTED = int(os.environ.get("IDIOMATIC_EVENTS", "5000"))


@app.agent(incoming)
async def count(events: Any) -> None:
    """Count the events of every source and publish each new count."""
    await outgoing.declare()
    began, done = 0.0, 0
    async for event in events:
        began = began or time.perf_counter()
        counts[event.source_id] += 1
        await outgoing.send(key=event.source_id, value={"source": event.source_id, "n": counts[event.source_id]})
        done += 1
        if done == WANTED:
            # Faust turns sys.stdout into log lines.
            os.write(1, b"MEASURED %d %f " % (done, time.perf_counter() - began))
            os._exit(0)


if __name__ == "__main__":
    faust.Worker(app, loglevel="ERROR", blocking_timeout=None).execute_from_commandline()
