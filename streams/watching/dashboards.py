"""The dashboards as Grafana reads them (classic schema). ``python -m streams.watching.dashboards`` writes
`k8s/monitoring/dashboards/`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from streams.watching.panel import Board, Panel, scoped
from streams.watching.panels import BOARDS

FOLDER = Path(__file__).parents[2] / "k8s" / "monitoring" / "dashboards"
HEIGHT = {"number": 4}
USUAL_HEIGHT = 8
COLUMNS = 24
ROW_IDS = 1000


def written(board: Board) -> str:
    """A dashboard as JSON. Needs grafana-foundation-sdk, which those who change dashboards have."""
    from grafana_foundation_sdk.builders import dashboard as grafana
    from grafana_foundation_sdk.cog.encoder import JSONEncoder

    built = (
        grafana.Dashboard(board.title)
        .uid(board.uid)
        .description(board.description)
        .tags(["credence"])
        .refresh("30s")
        .time("now-6h", "now")
        .timezone("utc")
        .readonly()
        .with_variable(grafana.DatasourceVariable("datasource").label("Data source").type("prometheus"))
    )
    for name in ("namespace", "instance"):
        built = built.with_variable(_variable(name))
    number, top = 0, 0
    for title, panels in board.rows:
        built, top = built.with_row(grafana.Row(title).id(ROW_IDS + top).grid_pos(_place(COLUMNS, 1, 0, top))), top + 1
        left, height = 0, 0
        for panel in panels:
            tall = HEIGHT.get(panel.kind, USUAL_HEIGHT)
            if left + panel.width > COLUMNS:
                left, top, height = 0, top + height, 0
            number += 1
            built = built.with_panel(_panel(panel, number).grid_pos(_place(panel.width, tall, left, top)))
            left, height = left + panel.width, max(height, tall)
        top += height
    return str(JSONEncoder(sort_keys=True, indent=2).encode(built.build())) + "\n"


def _place(width: int, height: int, left: int, top: int) -> Any:
    from grafana_foundation_sdk.models.dashboard import GridPos

    return GridPos(h=height, w=width, x=left, y=top)


def _source() -> Any:
    from grafana_foundation_sdk.models.common import DataSourceRef

    return DataSourceRef(type_val="prometheus", uid="${datasource}")


def _variable(name: str) -> Any:
    from grafana_foundation_sdk.builders import dashboard as grafana
    from grafana_foundation_sdk.models.dashboard import VariableRefresh

    return (
        grafana.QueryVariable(name)
        .label(name.capitalize())
        .datasource(_source())
        .query(f"label_values(credence_build_info, {name})")
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .include_all(True)
        .all_value(".*")
        .multi(True)
        .current({"selected": True, "text": ["All"], "value": ["$__all"]})  # type: ignore[arg-type]
    )


def _panel(panel: Panel, number: int) -> Any:
    from grafana_foundation_sdk.builders import bargauge, prometheus, stat, timeseries
    from grafana_foundation_sdk.builders import common as builders
    from grafana_foundation_sdk.models import common

    kinds: dict[str, Any] = {"number": stat.Panel, "bars": bargauge.Panel}
    built = kinds.get(panel.kind, timeseries.Panel)().title(panel.title).id(number).unit(panel.unit)
    built = built.datasource(_source())
    if panel.kind == "areas":
        built = built.stacking(builders.StackingConfig().mode(common.StackingMode.NORMAL)).fill_opacity(40)
    for letter, (expr, legend) in zip("ABCDEF", panel.queries, strict=False):
        query = prometheus.Dataquery().expr(scoped(expr)).ref_id(letter).datasource(_source())
        query = query.instant() if panel.kind == "bars" else query.range()
        built = built.with_target(query.legend_format(legend or "__auto"))
    return built


def main() -> None:
    """Write all dashboards."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for board in BOARDS:
        (FOLDER / f"{board.uid}.json").write_text(written(board), encoding="utf-8")


if __name__ == "__main__":
    main()
