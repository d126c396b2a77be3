"""`credence evaluate`: score a data set without a broker, beside the baselines."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from streams.cli.console import err, foreseen, out, print_json
from streams.cli.replay import LabelsMeant, parse_meant
from streams.contract.settings import folder_of, parse_duration_ms

if TYPE_CHECKING:
    from streams.evaluate.evaluation import Options

Tell = Callable[[str, int, int], None]


def evaluate(
    source: Annotated[
        str,
        typer.Argument(metavar="DIR", help="A directory of cascades or answers, or synthetic:clean, synthetic:copy."),
    ],
    verdict_lag: Annotated[
        str, typer.Option(help="Verdicts are released this long after a claim's first event.")
    ] = "24h",
    horizons: Annotated[str, typer.Option(help="When predictions are made, after a claim's first event.")] = "1h,24h",
    groups: Annotated[
        str, typer.Option(help="withheld: verdicts on claims that tell the same story never count; or released.")
    ] = "withheld",
    # Written out, since reading them from `evaluate.attacks` loads numpy for a help text; a test compares.
    attack: Annotated[
        str,
        typer.Option(
            help="fresh, camouflaged, slow, mimic, sleepers, overlapping, inverted, poison, copied, brigade or aged."
        ),
    ] = "",
    share: Annotated[
        float, typer.Option(help="Size of the attack, as a share of an attacked claim's assertions.")
    ] = 0.5,
    seed: Annotated[int, typer.Option(help="Seed of synthetic worlds, attacks and the bootstrap.")] = 0,
    shuffle: Annotated[
        bool, typer.Option(help="Deal labels out anew among the claims, by --seed: whatever still ranks is chance.")
    ] = False,
    seeds: Annotated[
        int, typer.Option(min=1, help="Evaluate so often, from --seed on; mean and 90 % interval of every figure.")
    ] = 1,
    baselines: Annotated[str, typer.Option(help="Which baselines to run, with commas; all, or none.")] = "all",
    ablate: Annotated[bool, typer.Option(help="Instead: ours again and again, with one signal switched off.")] = False,
    without: Annotated[
        str,
        typer.Option(
            metavar="SIGNAL,…",
            help="With --ablate: only these; a + joins what goes together. Gates that keep lies out are held open: "
            "trust, nets, fading, mixture.",
        ),
    ] = "",
    leave_out: Annotated[
        bool,
        typer.Option(help="Instead: DIR holds sets in folders; each by prior weights that were fitted to the others."),
    ] = False,
    labels: LabelsMeant = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    plot: Annotated[
        Path | None, typer.Option(help="Write a picture: calibration, AUC over horizon, risk and score over time.")
    ] = None,
) -> None:
    """Score a data set prequentially, without a broker, beside ten baselines.

    A set of cascades has events.csv[.gz] and claims.csv as for `credence replay`, and perhaps groups.csv
    (claim_id,group_id); rows that the stream would refuse are left out, and told at the end. An answer set has
    NAME_answer.csv[.gz] (question,worker,answer) and NAME_truth.csv (question,truth).

    Example: credence evaluate data/twitter16 --verdict-lag 24h --json
    """
    from streams.evaluate import answers, report
    from streams.evaluate import evaluation as run
    from streams.evaluate.baselines import BASELINES
    from streams.evaluate.plot import HORIZONS_MS, draw, library
    from streams.scoring.rehearsal import prepare

    prepare(lambda sentence: err.print(sentence))
    with foreseen(ValueError, OSError, RuntimeError), _progress() as tell:
        answered = ":" not in source and answers.found(Path(source))
        if plot is not None:
            if answered or ablate or leave_out or seeds > 1:
                raise ValueError("--plot draws one evaluation of cascades, no answers, --ablate, --leave-out, --seeds")
            library()
            folder_of("the folder of --plot", plot.absolute().parent)
        if without and not ablate:
            raise ValueError("--without says what --ablate switches off, and here is no --ablate")
        if shuffle and (answered or leave_out):
            raise ValueError("--shuffle deals out the labels of one set of cascades, not of answers or of --leave-out")
        if labels and (answered or ":" in source):
            raise ValueError("--labels says what the labels of claims.csv mean, and here there is none")
        if answered:
            _answers(Path(source), as_json, tell)
            return
        asked_ms = [parse_duration_ms(horizon) for horizon in horizons.split(",")]
        options = run.Options(
            horizons_ms=tuple(sorted({*asked_ms, *(HORIZONS_MS if plot else ())})),
            lag_ms=parse_duration_ms(verdict_lag),
            groups=groups,
            attack=attack,
            share=share,
            baselines=_chosen(baselines, tuple(BASELINES)),
            seed=seed,
            shuffle=shuffle,
            labels=parse_meant(labels),
        )
        if seeds > 1:
            _seeds(source, options, seeds, as_json, tell)
        elif leave_out:
            _leave_out(Path(source), options, as_json, tell)
        elif ablate:
            _ablation(source, options, without, as_json, tell)
        else:
            made = run.evaluate(run.load(source, options.seed, options.labels), options, tell)
            if as_json:
                print_json(made.report)
            else:
                report.show(made.report, out)
            if plot is not None:
                draw(made, plot, asked_ms)


def _answers(directory: Path, as_json: bool, tell: Tell) -> None:
    from streams.evaluate import answers, report

    found = {one.name: answers.evaluate(one, tell) for one in answers.read(directory)}
    if as_json:
        print_json(next(iter(found.values())) if len(found) == 1 else found)
        return
    for one in found.values():
        report.show_answers(one, out)


def _seeds(source: str, options: Options, seeds: int, as_json: bool, tell: Tell) -> None:
    from streams.evaluate.seeds import over_seeds, table

    found = over_seeds(source, options, seeds, tell)
    if as_json:
        print_json(found)
    else:
        out.print(table(found))


def _leave_out(folder: Path, options: Options, as_json: bool, tell: Tell) -> None:
    from streams.evaluate import leaving_out

    found = leaving_out.leave_out(folder, options, tell)
    if as_json:
        print_json(found)
    else:
        out.print(leaving_out.table(found))


def _ablation(source: str, options: Options, without: str, as_json: bool, tell: Tell) -> None:
    from streams.evaluate import ablation, gates
    from streams.evaluate.evaluation import load

    asked = ablation.parse(without) if without else None
    data = load(source, options.seed, options.labels)
    found = ablation.ablate(data, options, tell, asked)
    opened = ablation.opened(asked or ())
    acting = gates.acting(data, options, tell) if opened else {}
    if as_json:
        print_json(found | ({"gates": {name: acting[name] for name in opened}} if opened else {}))
        return
    out.print(ablation.table(found, data.name))
    for sentence in gates.told(acting, opened):
        out.print(sentence, highlight=False)


def _chosen(text: str, known: tuple[str, ...]) -> tuple[str, ...]:
    if text in ("all", "none"):
        return known if text == "all" else ()
    names = tuple(text.split(","))
    if unknown := [n for n in names if n not in known]:
        raise ValueError(f"no baseline {', '.join(unknown)}; there are {', '.join(known)}")
    return names


@contextmanager
def _progress() -> Iterator[Tell]:
    """A progress bar on stderr. It has no refreshing thread, because the evaluation forks."""
    columns = TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn()
    with Progress(*columns, console=err, auto_refresh=False, transient=True) as bar:
        task = bar.add_task("", total=1)
        shown = 0.0

        def tell(what: str, done: int, of: int) -> None:
            nonlocal shown
            bar.update(task, description=what, completed=done, total=of)
            if time.monotonic() - shown > 0.1:
                shown = time.monotonic()
                bar.refresh()

        yield tell
