"""Hostile input through the whole path: mixed into a stream of good events, and every single one accounted for.

    python -m load_tests.hostile_stream --broker localhost:9092 --hostile 100000

publishes, waits until the workers stand still, and compares the dead letters with what each record had to get.
`credence verify` then says that counts and state are those of the good events alone.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from load_tests.hostile import EVENT_MENDS, good_event, good_ruling, hostile_events, hostile_rulings
from streams.broker.embedded import resolve
from streams.contract import topics
from streams.contract.settings import Settings, client_kwargs
from streams.kafka import provision
from streams.ops import dead_letters as deadletters
from streams.ops.idle import wait_idle

RULINGS_SHARE = 0.1
ODD_SHARE = 0.5


@dataclass(slots=True)
class Published:
    """What was published.

    Attributes:
        expected: origin of each hostile record → the code that it must get.
        good: how many good events and rulings were published among them.
    """

    expected: dict[str, str] = field(default_factory=dict)
    good: int = 0


def publish(settings: Settings, hostile: int, good: int, seed: int) -> Published:
    """Publish hostile and good records in random order, a tenth of them rulings; returns when all are acknowledged.

    Args:
        settings: with the broker filled in; the topics exist.
        hostile, good: how many of each.
        seed: of what they are, of their order, and of their partitions.
    """
    from kafka import KafkaProducer

    producer = KafkaProducer(**client_kwargs(settings), acks="all", linger_ms=20, max_request_size=4 * topics.MIB)
    sent: list[tuple[str, Any]] = []
    try:
        rng = random.Random(seed)
        for topic, key, value, code in _mixed(rng, hostile, good, seed):
            partition = rng.randrange(settings.partitions)
            sent.append((code, producer.send(topic.name(settings), key=key, value=value, partition=partition)))
        producer.flush()
    finally:
        producer.close()
    published = Published()
    for code, future in sent:
        at = future.get(60)
        if code:
            published.expected[f"{at.topic}/{at.partition}/{at.offset}"] = code
        else:
            published.good += 1
    return published


def _mixed(
    rng: random.Random, hostile: int, good: int, seed: int
) -> Iterator[tuple[topics.Topic, bytes | None, bytes | None, str]]:
    """(topic, key, value, code that it must get or "" for a good one)."""
    now_ms = time.time_ns() // 1_000_000 - 60_000
    events, rulings = hostile_events(seed, now_ms), hostile_rulings(seed, now_ms)
    bad = [True] * hostile + [False] * good
    rng.shuffle(bad)
    for is_bad in bad:
        ruling = rng.random() < RULINGS_SHARE
        topic = topics.RULINGS if ruling else topics.EVENTS
        if is_bad:
            made = next(rulings if ruling else events)
            yield topic, made.key, made.value, str(made.code)
        else:
            yield topic, None, orjson.dumps(good_ruling(rng, now_ms)) if ruling else _odd_or_good(rng, now_ms), ""


def _odd_or_good(rng: random.Random, now_ms: int) -> bytes:
    """An event that counts; half of them are odd where nothing is named."""
    if rng.random() < ODD_SHARE:
        return rng.choice(list(EVENT_MENDS.values()))(rng, now_ms)[1]
    return orjson.dumps(good_event(rng, now_ms))


def faults(settings: Settings, published: Published) -> list[str]:
    """What is wrong with the dead letters: a hostile record without one, with another code, or one too many."""
    found = {
        f"{letter.topic}/{letter.partition}/{letter.offset}": letter.code
        for letter in deadletters.summary(settings).letters
    }
    expected = published.expected
    missing = Counter(code for origin, code in expected.items() if origin not in found)
    wrong = Counter((code, found[origin]) for origin, code in expected.items() if found.get(origin, code) != code)
    extra = Counter(code for origin, code in found.items() if origin not in expected)
    return (
        [f"{count} records that are {code} have no dead letter" for code, count in missing.items()]
        + [f"{count} records that are {code} were called {other}" for (code, other), count in wrong.items()]
        + [f"{count} good records were called {code}" for code, count in extra.items()]
    )


def main(arguments: list[str]) -> int:
    """Publish, wait, compare; the exit status is 1 if anything was not as it must be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--broker", help="host:port; else CREDENCE_BROKER, else the embedded one")
    parser.add_argument("--hostile", type=int, default=100_000, help="hostile records (default %(default)s)")
    parser.add_argument("--good", type=int, default=20_000, help="good records among them (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args(arguments)
    settings = resolve(Settings.from_env(broker=asked.broker))
    provision.create(settings.broker, settings)
    settings = provision.installed(settings)
    published = publish(settings, asked.hostile, asked.good, asked.seed)
    asyncio.run(wait_idle(settings))
    found = faults(settings, published)
    print("\n".join(found) or f"{asked.hostile:,} hostile records, each in the dead letters with its code")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
