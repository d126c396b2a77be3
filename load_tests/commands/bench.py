"""credence bench: the whole path beside the ceiling and textbook Faust, latency, memory and recovery."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from load_tests.bench import page
from load_tests.checkout import commit
from streams.broker import embedded
from streams.broker.embedded import Broker, BrokerError
from streams.cli.console import foreseen, out, print_json, say
from streams.contract.settings import Settings, SettingsError

HELD_S = 15.0
"""How long each rate is held."""

Write = Annotated[
    Path | None, typer.Option(metavar="PAGE", help="Put the figures onto this page, such as docs/performance.md.")
]

bench = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
bench.__doc__ = "Measure one worker on a private Apache Kafka: throughput, latency, memory and recovery; or the api."


@bench.callback(
    invoke_without_command=True,
    epilog='Example: credence bench --events 200000 --recovery 1000000; credence bench --rates "" --beside ../before',
)
def _worker(
    context: typer.Context,
    events: Annotated[int, typer.Option(min=10_000, help="Events in each round.")] = 200_000,
    rounds: Annotated[int, typer.Option(min=0, help="Rounds; the median is reported. 0 leaves them out.")] = 5,
    idiomatic: Annotated[int, typer.Option(help="Events for textbook Faust in each round; 0 leaves it out.")] = 4_000,
    rates: Annotated[
        str, typer.Option(help='Events/s at which CPU and latency are measured, one after the other; "" leaves it out.')
    ] = "0,100,1000,5000,10000",
    half_minutes: Annotated[
        float, typer.Option(min=0, help="Minutes at half of the rate that the rounds found; 0 leaves it out.")
    ] = 0.0,
    core: Annotated[
        str, typer.Option(help='A set of cascades, or synthetic:clean, for the core alone; "" leaves it out.')
    ] = "synthetic:clean",
    recovery: Annotated[int, typer.Option(help="Sources with five open claims each to recover; 0 leaves it out.")] = 0,
    beside: Annotated[
        Path | None, typer.Option(metavar="CHECKOUT", help="Another version, after `make install`: it takes turns.")
    ] = None,
    write: Write = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Measure one worker on a private Apache Kafka, everything in one run.

    Throughput is the whole path, until the last score is acknowledged. The ceiling is one process that fetches and
    parses the same events and does nothing else. Machines are noisy: believe the ratios.
    """
    if context.invoked_subcommand is not None:
        return
    with _kafka() as (folder, node):
        settings = Settings.from_env(broker=node.bootstrap)
        log = folder / "worker.log"
        result = asyncio.run(_measure(settings, events, rounds, idiomatic, recovery, log))
        if core:
            say(f"the core alone, on {core}")
            result["core"] = _core(core)
        if beside is not None:
            result["beside"] = asyncio.run(_beside(settings, events, rounds, beside, log))
        if rates:
            held = dict.fromkeys(map(int, rates.split(",")), HELD_S)
            result |= asyncio.run(_waits(settings, log))
            result |= asyncio.run(_steady(settings, node, held, log))
        if half_minutes and rounds:
            half = round(result["events_per_s"] / 2)
            found = asyncio.run(_steady(settings, node, {half: 60 * half_minutes}, log))
            result["half"] = {"rate": half, "minutes": half_minutes, **found["steady"][str(half)]}
    if write is not None:
        asked = (
            f"--events {events} --rounds {rounds} --idiomatic {idiomatic} --rates {rates}"
            f" --half-minutes {half_minutes:g} --core {Path(core).name} --recovery {recovery}"
        )
        page.write(write, result, _named(), f"credence bench {asked}")
    _tell(result, as_json)


@contextmanager
def _kafka() -> Iterator[tuple[Path, Broker]]:
    """A folder that goes at the end, and a private Kafka in it."""
    with (
        foreseen(BrokerError, SettingsError),
        tempfile.TemporaryDirectory() as folder,
        embedded.private(Path(folder) / "kafka", say=say) as node,
    ):
        yield Path(folder), node


def _tell(result: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(result)
    else:
        for name, value in result.items():
            out.print(f"{name.replace('_', ' '):32} {value}", highlight=False)


def _named() -> str:
    """What a run is called on the page."""
    return f"{commit()}, {datetime.now(UTC):%Y-%m-%d}"


def _core(name: str) -> dict[str, float]:
    from load_tests.bench import core_alone

    return core_alone.measured(name)


@bench.command(epilog="Example: credence bench api --restart-keys 1000000")
def api(
    keys: Annotated[int, typer.Option(min=1, help="Claims that the query service holds.")] = 100_000,
    rate: Annotated[int, typer.Option(min=1, help="Single reads a second.")] = 3_000,
    batches: Annotated[int, typer.Option(min=1, help="Batches of 1,000 ids a second.")] = 10,
    seconds: Annotated[float, typer.Option(min=1, help="For how long each.")] = 20.0,
    events: Annotated[int, typer.Option(min=10, help="Events a second that a worker gets meanwhile.")] = 500,
    restart_keys: Annotated[int, typer.Option(min=0, help="Claims to start with again; 0 leaves it out.")] = 0,
    write: Write = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Measure the query service: reads at a steady rate beside a worker, and how soon it is back after a restart.

    Requests are due at a steady rate, whatever becomes of those before, and latency runs from then on.
    """
    from load_tests.bench import api_reads

    with _kafka() as (folder, node):
        settings = Settings.from_env(broker=node.bootstrap)
        log, copy = folder / "log", folder / "copy"
        here = settings.replace(namespace="reads.")
        result = asyncio.run(api_reads.reads(here, keys, rate, batches, seconds, events, log, say))
        if restart_keys:
            again = settings.replace(namespace="restart.")
            result["restart"] = asyncio.run(api_reads.restart(again, restart_keys, copy, log, say))
    if write is not None:
        asked = f"--keys {keys} --rate {rate} --batches {batches} --events {events} --restart-keys {restart_keys}"
        page.write(write, {"api": result}, _named(), f"credence bench api {asked}")
    _tell(result, as_json)


@bench.command(epilog="Example: credence bench pages --keys 100000")
def pages(
    keys: Annotated[int, typer.Option(min=1, help="Claims that the query service holds.")] = 100_000,
    rate: Annotated[float, typer.Option(min=0.1, help="Pages a second.")] = 5.0,
    seconds: Annotated[float, typer.Option(min=1, help="For how long each.")] = 20.0,
    events: Annotated[int, typer.Option(min=10, help="Events a second that a worker gets meanwhile.")] = 500,
    write: Write = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Measure the pages: front, queue and claims with flags and long histories, at a steady rate beside a worker.

    Requests are due at a steady rate, whatever becomes of those before, and latency runs from then on.
    """
    from load_tests.bench import page_reads

    with _kafka() as (folder, node):
        settings = Settings.from_env(broker=node.bootstrap, namespace="pages.")
        result = asyncio.run(page_reads.pages(settings, keys, rate, seconds, events, folder / "log", say))
    if write is not None:
        asked = f"--keys {keys} --rate {rate:g} --events {events}"
        page.write(write, {"pages": result}, _named(), f"credence bench pages {asked}")
    _tell(result, as_json)


async def _beside(settings: Settings, events: int, rounds: int, checkout: Path, log: Path) -> dict[str, float]:
    from load_tests.bench.beside import beside

    return await beside(settings, events, rounds, checkout, say, log)


async def _waits(settings: Settings, log: Path) -> dict[str, Any]:
    from load_tests.bench import round_trip, steady

    say("how soon a worker is ready, and a verdict has gone all the way round")
    ready_s = await steady.ready_s(_fresh(settings), log)
    return {"worker_ready_s": ready_s, "round_trip_ms": await round_trip.round_trips(_fresh(settings), log)}


async def _steady(settings: Settings, node: Broker, rates: dict[int, float], log: Path) -> dict[str, Any]:
    from load_tests.bench import steady

    say(f"CPU and latency at {', '.join(f'{rate:,}' for rate in rates)} events/s")
    pid = node.status().pid
    if pid is None:
        raise BrokerError("the broker has ended")
    return {"steady": await steady.steady(_fresh(settings), pid, rates, log)}


def _fresh(settings: Settings) -> Settings:
    return settings.replace(namespace=f"bench-{uuid.uuid4().hex[:8]}.")


async def _measure(
    settings: Settings, events: int, rounds: int, idiomatic: int, recovery: int, log: Path
) -> dict[str, Any]:
    from load_tests.bench import recovery as state
    from load_tests.bench.children import answered
    from streams.kafka import provision

    result = await _throughput(settings, events, rounds, idiomatic, log) if rounds else {}
    say("memory")
    found = await asyncio.to_thread(state.bytes_per_row, 50_000)
    result |= {f"bytes_per_{name}": size for name, size in found.items()}
    if recovery:
        say(f"recovery of {recovery:,} sources")
        here = _fresh(settings)
        await asyncio.to_thread(provision.create, here.broker, here)
        await state.fill(here, recovery, 5)
        result["recovery"] = await asyncio.to_thread(answered, here, "load_tests.bench.recovery", 300.0)
    return result


async def _throughput(settings: Settings, events: int, rounds: int, idiomatic: int, log: Path) -> dict[str, Any]:
    from load_tests.bench import throughput

    rates = await throughput.rounds(settings, events, rounds, idiomatic, say, log)
    result: dict[str, Any] = {
        "events_per_s": round(statistics.median(rates.path)),
        "ceiling_events_per_s": round(statistics.median(rates.ceiling)),
        "ratio": round(rates.ratio(), 3),
        "rounds": rates.each(),
    }
    if idiomatic:
        result["idiomatic_faust_events_per_s"] = round(statistics.median(rates.idiomatic))
        result["times_idiomatic_faust"] = round(rates.speed_up(), 1)
    return result
