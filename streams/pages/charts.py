"""Charts of the pages, as the charting library takes them: data and layout, with colours by name of the style.

Texts from posts are escaped, since the library reads some markup in them. Times are UTC.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any

Figure = dict[str, Any]
LANES = {"support": 3, "deny": 2, "query": 1, "comment": 0, "": 0}
"""Height at which a voice of each side is drawn."""
SIDES = {"support": "says it is so", "deny": "says it is not", "query": "asks for proof", "comment": "takes no side"}
_MARKS = ("diamond", "square", "triangle-up", "star", "pentagon")
NETS_DRAWN = len(_MARKS)
"""Nets that get a shape of their own; the members of smaller ones are drawn like everybody."""
_SPREAD = 7  # voices of one side are drawn at so many heights, so that they do not hide each other


def history(points: Sequence[Mapping[str, Any]], flags: Sequence[Mapping[str, Any]]) -> Figure:
    """Score and risk with their intervals over time; a mark where a flag moved."""
    times = [_time(point["as_of_ms"]) for point in points]
    mode = "lines" if sum(point["enough_evidence"] for point in points) > 1 else "lines+markers"
    line = {"type": "scatter", "x": times, "mode": "lines"}
    data = [
        *_interval("score", [(p["low"], p["high"]) for p in points], times, "--band"),
        *_interval("risk", [(p["risk_low"], p["risk_high"]) for p in points], times, "--deny-band"),
        line
        | {
            "y": [p["score"] for p in points], "line": {"color": "--support", "width": 3, "shape": "hv"},
            "name": "score: likely to be true", "connectgaps": False, "mode": mode,
            "hovertemplate": "score %{y:.0%}<extra></extra>",
        },
        line
        | {
            "y": [p["risk"] for p in points], "line": {"color": "--deny", "width": 3, "dash": "dot", "shape": "hv"},
            "name": "risk: likely to be false", "hovertemplate": "risk %{y:.0%}<extra></extra>",
        },
    ]  # fmt: skip
    raised = [f for f in flags if f["action"] in ("raise", "retract")]
    data.append(
        {
            "type": "scatter", "mode": "markers", "name": "flag raised or taken back",
            "x": [_time(f["detected_at_ms"]) for f in raised], "y": [f["risk"] for f in raised],
            "marker": {"symbol": ["triangle-up" if f["action"] == "raise" else "x" for f in raised], "size": 12,
                       "color": "--ink"},
            "text": ["flag raised" if f["action"] == "raise" else "flag taken back" for f in raised],
            "hovertemplate": "%{text}<extra></extra>",
        }
    )  # fmt: skip
    return {"data": data, "layout": {"yaxis": {"range": [0, 1], "tickformat": ".0%"}, "hovermode": "x unified"}}


def _interval(
    of: str, ends: Sequence[tuple[float | None, float | None]], times: Sequence[str], colour: str
) -> list[Figure]:
    """Two lines that nobody sees with what lies between them filled; nothing where no interval is known."""
    if all(low is None for low, _ in ends):
        return []
    edge = {"type": "scatter", "x": times, "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
    return [
        edge | {"y": [high for _, high in ends], "showlegend": False},
        edge
        | {
            "y": [low for low, _ in ends], "fill": "tonexty", "fillcolor": colour, "name": f"{of}, 90 % interval",
        },
    ]  # fmt: skip


def voices(said: Sequence[Mapping[str, Any]]) -> Figure:
    """Who said what and when: a row a side, a shape for each large net, a size for how much it moves the score."""
    of = {name: [v for v in said if net_name(v) == name] for name in dict.fromkeys(map(net_name, said))}
    alone, largest = of.pop("", []), sorted(of, key=lambda name: -len(of[name]))
    alone += [voice for name in largest[NETS_DRAWN:] for voice in of[name]]
    data = [_marks("each for itself", alone)]
    for name, mark in zip(largest, _MARKS, strict=False):
        data.append(_marks(name, of[name], mark))
    ticks = {
        "tickvals": [3, 2, 1, 0], "ticktext": ["so", "not so", "asks", "no side"], "range": [-0.5, 3.6],
        "zeroline": False,
    }  # fmt: skip
    return {"data": data, "layout": {"yaxis": ticks, "hovermode": "closest"}}


def net_name(voice: Mapping[str, Any]) -> str:
    """What those are called whose voices count as one with this one; "" for a voice of its own."""
    return f"{'net' if voice['bound_by'] == 'accounts' else 'wording'} {voice['net']}" if voice["net"] else ""


def _marks(name: str, said: Sequence[Mapping[str, Any]], mark: str = "circle") -> Figure:
    colours = {"support": "--support", "deny": "--deny", "query": "--quiet", "comment": "--quiet", "": "--quiet"}
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [_time(voice["at_ms"]) for voice in said],
        "y": [LANES[voice["stance"]] + (i % _SPREAD - _SPREAD // 2) * 0.09 for i, voice in enumerate(said)],
        "marker": {
            "symbol": mark,
            "size": [7 + min(13, 10 * abs(voice["nats"])) for voice in said],
            "color": [colours[voice["stance"]] for voice in said],
            "opacity": 0.75,
            "line": {"width": 0 if mark == "circle" else 2, "color": "--ink"},
        },
        "text": [_hover(voice) for voice in said],
        "hovertemplate": "%{text}<br>%{x|%Y-%m-%d %H:%M} UTC<extra></extra>",
    }


def _hover(voice: Mapping[str, Any]) -> str:
    said = "passes it on" if voice["reshare"] else SIDES.get(voice["stance"], "takes no side")
    where = f", in {escape(voice['community'])}" if voice["community"] else ""
    return f"<b>{escape(voice['source_id'])}</b> {said}{where}<br>moves the score by {voice['nats']:+.2f} nats"


def precision(weeks: Iterable[Mapping[str, Any]]) -> Figure:
    """Share of flags that were right, by week, with 90 % intervals."""
    judged = [week for week in weeks if week["by_verdicts"]["precision"] is not None]
    of = [week["by_verdicts"] for week in judged]
    above = [each["high"] - each["precision"] for each in of]
    below = [each["precision"] - each["low"] for each in of]
    bars = {
        "type": "bar",
        "x": [week["week"] for week in judged],
        "y": [each["precision"] for each in of],
        "marker": {"color": "--support"},
        "error_y": {"type": "data", "array": above, "arrayminus": below, "symmetric": False, "color": "--ink"},
        "hovertemplate": "%{x}: %{y:.0%} right<extra></extra>",
        "name": "flags that verdicts found right",
    }
    return {"data": [bars], "layout": {"yaxis": {"range": [0, 1], "tickformat": ".0%"}, "xaxis": {"type": "category"}}}


def _time(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M:%S}"
