"""credence chaos: faults during a replay, then verify."""

from __future__ import annotations

import asyncio
import random
import tempfile
import uuid
from pathlib import Path
from typing import Annotated

import typer

from streams.broker import embedded
from streams.broker.embedded import BrokerError
from streams.cli.console import foreseen, out, print_json, say
from streams.contract.settings import Settings, SettingsError
from streams.datasets.csv_files import DatasetError


def chaos(
    faults: Annotated[int, typer.Option(min=0, help="How many faults.")] = 10,
    seed: Annotated[int, typer.Option(help="Decides kinds and moments.")] = 0,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", file_okay=False, help="Data set to replay instead of a small world.")
    ] = None,
    only: Annotated[
        str,
        typer.Option(
            help="Kinds of faults, with commas: kill, freeze, join, leave, broker, repartition, recreate, truncate."
        ),
    ] = "kill,freeze,join,leave,broker,repartition",
    workers: Annotated[int, typer.Option(min=1, help="Workers to begin with.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Kill, stop and rebalance workers, kill the broker and add partitions to inputs during a replay; then verify that
    nothing was lost.

    With recreate (the events topic deleted and made anew) and truncate (its log cut) the platform publishes again what
    nobody had read; the inputs are not whole afterwards, and must be said to be so.

    Runs on a private Apache Kafka that is removed afterwards. Ends with status 1 if anything was lost, counted twice
    or differs from a replay of the logs.

    Example: credence chaos --faults 10 --only kill --json
    """
    from load_tests.chaos import KINDS, Chaos, ChaosError
    from streams.datasets.social_world import make_world, write_world
    from streams.ops.idle import StalledError
    from streams.ops.replay import PublishError

    kinds = [kind for kind in only.split(",") if kind]
    if not kinds:
        raise typer.BadParameter(f"no kind: kinds are {', '.join(KINDS)}", param_hint="--only")
    if unknown := set(kinds) - set(KINDS):
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: kinds are {', '.join(KINDS)}", param_hint="--only")
    rng = random.Random(seed)
    plan = [kinds[i % len(kinds)] for i in range(faults)]
    rng.shuffle(plan)
    foreseeable = (BrokerError, SettingsError, DatasetError, ChaosError, StalledError, PublishError)
    with foreseen(*foreseeable), tempfile.TemporaryDirectory() as folder:
        files = data or write_world(make_world("small", seed), Path(folder) / "world")
        with embedded.private(Path(folder) / "kafka", say=say) as node:
            settings = Settings.from_env(broker=node.bootstrap).replace(namespace=f"chaos-{uuid.uuid4().hex[:6]}.")
            run = Chaos(settings, files, settings.verdict_lag_ms, Path(folder), node, say)
            outcome = asyncio.run(run.run(plan, seed, workers))
    result = {
        "faults": sum(outcome.faults.values()),
        "kinds": dict(outcome.faults),
        "restarts": outcome.restarts,
        "zombies_ended": outcome.zombies,
        "zombies_surviving": outcome.survivors,
        "faults_after_the_last_event": outcome.late,
        "seconds": round(outcome.seconds, 1),
        **outcome.report.as_dict(),
    }
    if as_json:
        print_json(result)
    else:
        for name, value in result.items():
            out.print(f"{name.replace('_', ' '):20} {value}")
    if not outcome.passed():
        raise typer.Exit(1)
