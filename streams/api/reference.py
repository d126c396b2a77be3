"""docs/reference.md: settings, topics, requests, metrics, signals and state, from where each is declared once.

``python -m streams.api.reference`` writes it; a test fails when it is not as the declarations are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from streams.api.routes import ROUTES
from streams.contract import metrics, settings, topics
from streams.contract.settings import Settings
from streams.scoring.claims.claims_state import ClaimsState
from streams.scoring.communities.communities_state import GroupsState
from streams.scoring.parameters.parameters_state import Learner
from streams.scoring.signals.registry import REGISTRY
from streams.scoring.signals.signal import Signal
from streams.scoring.sources.sources_state import SourcesState

PATH = Path(__file__).parent.parent.parent / "docs" / "reference.md"

SIGNALS_TOLD = (
    "## Signals of the risk\n\nThe weight is what it is before any verdict, in nats a unit of the signal, with its "
    "standard deviation. Verdicts move it, and not below 0 unless it may take either sign. A signal in shadow is "
    "computed and shown, and moves nothing. Untaught is the weight where verdicts cannot be predicted from earlier "
    "ones. Signals with one reason are told to people together. In formulas, h is a participant's history, d = .1 the "
    "design effect, u = .03 that of a stranger; of n participants k are known; S, D and Q are supports, denials and "
    "questions in words.\n"
)
STATE_TOLD = (
    "## What is remembered\n\nThe fields of each stage's tables, which its changelog holds. Names and texts come on "
    "top. A changelog whose fields are not these is refused: they go into a hash beside the state's version.\n"
)


def markdown() -> str:
    """The whole page."""
    declared = Settings()
    sections = (
        "# Reference\n\nWritten by `python -m streams.api.reference` from the declarations; do not edit.\n",
        "## Settings\n\nEach is an environment variable; durations may be written as `24h`, `30d` or `500ms`.\n",
        _table(
            ("variable", "default", "meaning"),
            (
                (f"`{variable}`", f"`{default}`" if default else "", doc)
                for _, variable, default, doc in settings.table()
            ),
        ),
        "## Topics\n\nAll have the broker's time stamps (LogAppendTime). `social.events.v1` and `trust.rulings.v1` may "
        "have any number of partitions, and get more while workers run; the others all have one number, and a record's "
        "partition is xxh3-64 of its key modulo that. `credence topics reset --partitions N` changes it: everything is "
        "rebuilt from the inputs. `CREDENCE_NAMESPACE` goes before every name.\n",
        _table(
            ("topic", "key", "kept", "largest record", "writer", "reader", "carries"),
            (
                (
                    f"`{topic.base}`",
                    topic.key,
                    f"`CREDENCE_{topic.retention.upper()}`" if topic.retention else "newest of each key",
                    f"{topic.max_record_bytes // topics.MIB} MiB",
                    topic.writer,
                    topic.reader,
                    topic.doc,
                )
                for topic in topics.ALL
            ),
        ),
        "Keys that begin with a zero byte are marks of the engine (who owns a partition, and fences): skip them.\n",
        *_requests(),
        "## Metrics\n\nLabel sets are closed and hold no ids. Workers and the communities stage "
        f"serve them on `CREDENCE_METRICS_PORT` ({declared.metrics_port}), the query service on `/metrics`.\n",
        _table(
            ("metric", "type", "labels", "served by", "meaning"),
            ((f"`{name}`", *row) for name, *row in metrics.table()),
        ),
        SIGNALS_TOLD,
        _table(("signal", "hears", "formula", "weight", "untaught", "reason"), map(_signal, REGISTRY)),
        STATE_TOLD,
        _table(("stage", "table", "field", "type", "unit", "meaning"), _fields()),
    )
    return "\n".join(sections)


def _requests() -> Iterable[str]:
    return (
        "## The query service\n\nJSON. "
        "What is not to be had is problem+json: 404 what is unknown, 400 what makes no sense, "
        "503 with `Retry-After` what is still being read or too much at once. Ids are percent-encoded. A request "
        "with a scope takes a token that has it: 401 without, 403 without the scope, 429 where it asks too much. "
        "Without `CREDENCE_API_TOKENS_FILE` anybody may read, and nobody may do more.\n",
        _table(
            ("request", "scope", "answer"),
            (
                (
                    f"`{route.method} {route.path}`",
                    route.scope or "",
                    " ".join([route.sentence, *(f"`{each.name}=`" for each in route.parameters)]),
                )
                for route in ROUTES
            ),
        ),
        _table(
            ("parameter", "meaning"), sorted({(f"`{each.name}`", each.doc) for r in ROUTES for each in r.parameters})
        ),
    )


def _fields() -> Iterable[Sequence[str]]:
    cores = {"sources": SourcesState(), "claims": ClaimsState(), "parameters": Learner(), "communities": GroupsState()}
    for stage, core in cores.items():
        for table in core.tables:
            for name, field in table.declared.items():
                yield stage, table.name, f"`{name}`", field.dtype, field.unit, field.meaning


def _signal(signal: Signal) -> Sequence[str]:
    weight = f"{signal.prior:g} ± {signal.sd:g}" + (", either sign" if signal.either else "")
    untaught = signal.prior if signal.untaught is None else signal.untaught
    weights = ("in shadow", "") if signal.shadow else (weight, f"{untaught:g}")
    return f"`{signal.name}`", signal.meaning, signal.form, *weights, f"`{signal.idea.name}`"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


if __name__ == "__main__":
    PATH.parent.mkdir(exist_ok=True)
    PATH.write_text(markdown(), encoding="utf-8")
