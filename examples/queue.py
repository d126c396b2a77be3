"""A moderation queue in a file: the flags that stand, the most pressing first. Copy it and put your own store in.

    pip install kafka-python
    python examples/queue.py --broker localhost:9092 --file queue.db            # reads on until Ctrl-C
    sqlite3 queue.db "select priority, claim_id, text, why from flags where standing order by priority desc"

It shows the three things that a reader of flags has to get right:

1. A flag record may come twice. (flag_id, revision) names it; what is not newer than what we have is dropped.
2. The place in the log is kept after the flag is in the store, so that a crash repeats a flag and loses none.
3. A retraction takes the flag out of the queue. What a person wrote about it stays.
"""

import sys

sys.path.pop(0)  # this folder: a file called queue.py would hide the module of that name from the libraries

import argparse
import json
import signal
import sqlite3

from kafka import KafkaConsumer

TABLE = """
create table if not exists flags (
    flag_id text primary key, revision integer, standing boolean, priority integer, severity text,
    claim_id text, text text, url text, risk real, why text, would_fall text, assigned_to text
)"""
KEEP = """
insert into flags values (:flag_id, :revision, :standing, :priority, :severity,
    :claim_id, :text, :url, :risk, :why, :would_fall, null)
on conflict (flag_id) do update set
    revision = :revision, standing = :standing, priority = :priority, severity = :severity,
    text = :text, url = :url, risk = :risk, why = :why, would_fall = :would_fall
where :revision > revision"""


def row_of(flag: dict) -> dict:
    """What a moderator needs, from a flag record. Fields may be absent; new ones may come."""
    claim = flag.get("claim") or {}
    reasons = [reason.get("text") or reason["code"] for reason in flag["reasons"] if reason["weight"] > 0]
    return {
        "flag_id": flag["flag_id"],
        "revision": flag["revision"],
        "standing": flag["action"] != "retract",
        "priority": flag["priority"],
        "severity": flag["severity"],
        "claim_id": flag["subject"]["id"],
        "text": claim.get("text"),
        "url": claim.get("url"),
        "risk": flag["risk"],
        "why": "; ".join(reasons),
        "would_fall": flag.get("would_fall"),
    }


def main() -> None:
    """Read flags into the file until told to stop."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--broker", default="localhost:9092")
    options.add_argument("--topic", default="trust.flags.v2")
    options.add_argument("--group", default="my-queue")
    options.add_argument("--file", default="queue.db")
    chosen = options.parse_args()

    store = sqlite3.connect(chosen.file)
    store.execute(TABLE)
    consumer = KafkaConsumer(
        chosen.topic,
        bootstrap_servers=chosen.broker.split(","),
        group_id=chosen.group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        session_timeout_ms=10_000,  # after a crash the partitions of the one that died are waited for that long
    )
    stopping = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.append(True))
    while not stopping:
        batch = [record for records in consumer.poll(timeout_ms=500).values() for record in records]
        if batch:
            with store:  # one transaction: all of the batch or nothing
                store.executemany(KEEP, [row_of(json.loads(record.value)) for record in batch])
            consumer.commit()
    consumer.close()
    store.close()


if __name__ == "__main__":
    main()
