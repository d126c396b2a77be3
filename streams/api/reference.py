"""docs/reference.md: settings, topics and metrics as tables, written from where each is declared once.

``python -m streams.api.reference`` writes it; a test fails when it is not as the declarations are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from streams.api.service import documented
from streams.contract import metrics, settings, topics
from streams.contract.settings import Settings

PATH = Path(__file__).parent.parent.parent / "docs" / "reference.md"


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
        "## The query service\n\nJSON. "
        "What is not to be had is problem+json: 404 what is unknown, 400 what makes no sense, "
        "503 with `Retry-After` what is still being read or too much at once. Ids are percent-encoded.\n",
        _table(
            ("request", "answer"),
            ((f"`{method} {path}`", sentence) for method, path, _, sentence in documented()),
        ),
        "## Metrics\n\nLabel sets are closed and hold no ids. Workers serve them on "
        f"`CREDENCE_METRICS_PORT` ({declared.metrics_port}), the query service on `/metrics`.\n",
        _table(
            ("metric", "type", "labels", "meaning"),
            ((f"`{name}`", kind, labels, doc) for name, kind, labels, doc in metrics.table()),
        ),
    )
    return "\n".join(sections)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


if __name__ == "__main__":
    PATH.parent.mkdir(exist_ok=True)
    PATH.write_text(markdown(), encoding="utf-8")
