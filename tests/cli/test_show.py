"""credence show: whatever a topic carries, a person reads it a row a line."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
import typer
from kafka import KafkaProducer
from typer.testing import CliRunner

from streams.agents.intake.careful import Limits
from streams.agents.intake.events import decode_events
from streams.agents.intake.rulings import decode_rulings
from streams.cli.show import full_name, line_of, rows_of, show
from streams.contract import topics
from streams.contract.settings import Settings, client_kwargs
from streams.kafka import provision
from streams.tables import block_wire, blocks
from tests.agents.intake.fetched import EVENT, NOW_MS, RULING, fetched


def record(value: bytes | None, key: bytes | None = None) -> Any:
    return SimpleNamespace(partition=2, offset=9, timestamp=NOW_MS, key=key, value=value)


def test_a_block_of_events_is_taken_apart_with_codes_as_words() -> None:
    block, _ = decode_events(
        [fetched(EVENT, offset=4), fetched(EVENT | {"kind": "post", "stance": "deny"}, offset=6)], 3, Limits()
    )
    rows = list(rows_of(record(block_wire.encode(block))))
    assert [(r["block"], r["up"], r["origin"], r["s"], r["kind"], r["x"]) for r in rows] == [
        ("events", "e/3", 4, "ana", "reply", "none"),
        ("events", "e/3", 6, "ana", "post", "deny"),
    ]
    line = line_of(rows[1])
    assert line.startswith("16:00:00.000 2/9 events e/3:6 s=ana c=c1 i=e1 ")
    assert " kind=post x=deny " in line


def test_rulings_and_blocks_with_one_origin_and_blocks_without_rows() -> None:
    block, _ = decode_rulings([fetched(RULING)], 3, Limits())
    assert [r["verdict"] for r in rows_of(record(block_wire.encode(block)))] == ["false"]
    columns: dict[str, Any] = {
        name: ["x"] if t == blocks.WORD else [1] for name, t in blocks.COLUMNS["credits"].items()
    }
    (credit,) = rows_of(record(block_wire.encode(blocks.make("credits", "c/1", 77, columns))))
    assert (credit["origin"], credit["stance"], credit["q"]) == (77, "support", 1.0)
    (tick,) = rows_of(record(block_wire.encode(blocks.make("tick", "t/0", 5, {}, t=123))))
    assert (tick["block"], tick["origin"], tick["t"]) == ("tick", 5, 123)
    assert "tick t/0:5 t=123" in line_of(tick)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (b'{"claim_id":"c","score":0.5}', {"claim_id": "c", "score": 0.5}),
        (b"\x1b[0m\xff", r"\x1b[0m\xff"),
        (b'{"k":"events","up":1,"o":[1],"s":["a"],"c":[]}', {"k": "events", "up": 1, "o": [1], "s": ["a"], "c": []}),
        (b'{"k":["events"],"up":"","o":1}', {"k": ["events"], "up": "", "o": 1}),
        (b'{"k":"events","up":"e/0","o":[1],"s":["a","b"]}', {"k": "events", "up": "e/0", "o": [1], "s": ["a", "b"]}),
        (b"null", None),
        (None, None),
    ],
)  # fmt: skip
def test_what_is_no_block_is_one_row_whatever_it_is(value: bytes | None, shown: Any) -> None:
    (row,) = rows_of(record(value, key=b"k\n"))
    assert row == {"partition": 2, "offset": 9, "append_ms": NOW_MS, "key": r"k\n", "value": shown}
    assert line_of(row).isprintable()


def test_long_values_are_cut_on_a_line() -> None:
    (row,) = rows_of(record(b"x" * 5_000))
    assert line_of(row).endswith("x … (5,000 characters)")


def test_a_topic_may_be_named_in_part() -> None:
    settings = Settings(namespace="eu.")
    for name in ("trust.by-source", "trust.by-source.v1"):
        assert full_name(name, settings) == "eu.trust.by-source.v1"
    assert full_name("other", settings) == "other"


def test_the_command_prints_a_real_topic(settings: Settings) -> None:
    app = typer.Typer()
    app.command()(show)
    env = {"CREDENCE_BROKER": settings.broker, "CREDENCE_NAMESPACE": settings.namespace}
    runner = CliRunner()
    missing = runner.invoke(app, ["trust.flags"], env=env)
    assert missing.exit_code == 1
    assert "there is no topic" in missing.output
    provision.create(settings.broker, settings, [topics.FLAGS])
    producer = KafkaProducer(**client_kwargs(settings))
    for n in range(3):
        producer.send(topics.FLAGS.name(settings), key=b"c", value=orjson.dumps({"flag_id": n}), partition=0)
    producer.close()
    lines = runner.invoke(app, ["trust.flags", "--last", "2"], env=env).output.splitlines()
    assert [line.split(" ", 1)[1] for line in lines] == ['0/1 c {"flag_id":1}', '0/2 c {"flag_id":2}']
    result = runner.invoke(app, ["trust.flags", "--offset", "0", "--partition", "0", "--limit", "1", "--json"], env=env)
    assert json.loads(result.output)["value"] == {"flag_id": 0}
    provision.delete(settings.broker, settings, [topics.FLAGS])
