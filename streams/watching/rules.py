"""The rules as Prometheus reads them. ``python -m streams.watching.rules`` writes `k8s/monitoring/rules.yaml`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from streams.contract.settings import parse_duration_ms
from streams.watching.alerts import PIPELINE, RECORDINGS, SCORING, Alert

PATH = Path(__file__).parents[2] / "k8s" / "monitoring" / "rules.yaml"
RUNBOOKS = "docs/runbooks/{}.md"
_WINDOW = re.compile(r"\{(\d+[smhd])\}")


def shortened(text: str, by: float) -> str:
    """The text with each window in braces divided by a number, and without the braces.

    >>> shortened("rate(x[{5m}])", 1), shortened("rate(x[{5m}])", 30)
    ('rate(x[5m])', 'rate(x[10s])')
    """

    def written(match: re.Match[str]) -> str:
        return match[1] if by == 1 else f"{max(round(parse_duration_ms(match[1]) / 1000 / by), 1)}s"

    return _WINDOW.sub(written, text)


def groups(by: float = 1.0, every_s: float = 30.0) -> dict[str, Any]:
    """All rules, as a rule file.

    Args:
        by: divides every window: a trial run of minutes then stands for hours.
        every_s: how often they are evaluated.
    """
    recordings = [{"record": each.name, "expr": shortened(each.expr, by)} for each in RECORDINGS]
    found = {"credence-recordings": recordings}
    for name, alerts in (("credence-pipeline", PIPELINE), ("credence-scoring", SCORING)):
        found[name] = [_alert(alert, by) for alert in alerts]
    return {"groups": [{"name": name, "interval": f"{every_s:g}s", "rules": rules} for name, rules in found.items()]}


def _alert(alert: Alert, by: float) -> dict[str, Any]:
    labels = {"severity": alert.severity} | ({"window": alert.window} if alert.window else {})
    told = {"summary": alert.summary, "description": alert.description, "runbook_url": RUNBOOKS.format(alert.name)}
    lasts = shortened(alert.lasts, by)
    return {"alert": alert.name, "expr": shortened(alert.expr, by), "for": lasts, "labels": labels, "annotations": told}


def written() -> str:
    """The rule file in YAML."""
    import yaml  # type: ignore[import-untyped]  # for whoever changes the rules, not for who runs the product

    head = "# Written by `python -m streams.watching.rules`; change streams/watching/alerts.py.\n"
    return head + str(yaml.safe_dump(groups(), sort_keys=False, width=1000, allow_unicode=True))


if __name__ == "__main__":
    PATH.parent.mkdir(parents=True, exist_ok=True)
    PATH.write_text(written(), encoding="utf-8")
