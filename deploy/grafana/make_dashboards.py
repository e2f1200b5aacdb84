"""Write `dashboards/*.json` from `panels.py`: python deploy/grafana/make_dashboards.py

Grafana reads them from the folder that `provisioning/` names; there they cannot be edited.
"""

import json
from pathlib import Path
from typing import Any, Final

from grafana_foundation_sdk.builders import bargauge, prometheus, stat, timeseries
from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import dashboard as model
from panels import BOARDS, Board, Panel

HERE: Final = Path(__file__).parent
SOURCE: Final = model.DataSourceRef(type_val="prometheus", uid="${datasource}")
RUNBOOK: Final = "file:///opt/dwlim/deploy/RUNBOOK.md#{}"
HEIGHT: Final = {"number": 4, "line": 8, "stack": 8, "bars": 8}
SINCE: Final = "now-7d"


def to_json(board: Board) -> str:
    """Content of a dashboard's file."""
    made = (build.Dashboard(board.title).uid(board.uid).description(board.description)
            .tags(["dwlim"]).timezone("utc").readonly().refresh("1m").time(SINCE, "now")
            .tooltip(model.DashboardCursorSync.CROSSHAIR).with_variable(
                build.DatasourceVariable("datasource").label("Prometheus").type("prometheus")))
    for name, metric in board.variables:
        made.with_variable(build.QueryVariable(name).query(f"label_values({metric}, {name})")
                           .datasource(SOURCE).refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
                           .multi(True).include_all(True).all_value(".*")
                           .sort(model.VariableSort.NATURAL_ASC))
    made.link(build.DashboardLink("Other boards").type(model.DashboardLinkType.DASHBOARDS)
              .tags(["dwlim"]).as_dropdown(True).include_vars(True).keep_time(True))
    for title, panels in board.rows:
        made.with_row(build.Row(title))
        for panel in panels:
            made.with_panel(panel_of(panel))
    return json.dumps(made.build(), cls=JSONEncoder, indent=1, sort_keys=True) + "\n"


def panel_of(panel: Panel) -> Any:
    """Builder of one panel."""
    made = _shape(panel)
    made.title(panel.title).description(panel.description).unit(panel.unit).datasource(SOURCE)
    made.span(panel.width).height(HEIGHT[panel.kind])
    newest = panel.kind in ("number", "bars")
    for letter, (expression, legend) in zip("ABCDEF", panel.queries, strict=False):
        query = prometheus.Dataquery().ref_id(letter).expr(expression).legend_format(legend)
        made.with_target(query.instant() if newest else query.range())
    steps = [model.Threshold(value=None, color="green")] + [
        model.Threshold(value=value, color=colour) for value, colour in panel.limits]
    made.thresholds(build.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(steps))
    if panel.words:
        words = {f"{value:g}": model.ValueMappingResult(text=text)
                 for value, text in panel.words.items()}
        made.mappings([model.ValueMap(options=words)])
    made.links([build.DashboardLink(f"What to do: {alert}").type(model.DashboardLinkType.LINK)
                .url(RUNBOOK.format(alert.lower())).target_blank(True)
                for alert in panel.alerts])
    return made


def _shape(panel: Panel) -> Any:
    if panel.kind in ("number", "bars"):
        reduce = common_builders.ReduceDataOptions().calcs(["lastNotNull"])
        if panel.kind == "bars":
            return (bargauge.Panel().reduce_options(reduce)
                    .orientation(common.VizOrientation.HORIZONTAL)
                    .display_mode(common.BarGaugeDisplayMode.BASIC))
        return (stat.Panel().reduce_options(reduce).color_mode(common.BigValueColorMode.VALUE)
                .graph_mode(common.BigValueGraphMode.NONE)
                .text_mode(common.BigValueTextMode.VALUE_AND_NAME))
    made = timeseries.Panel().line_width(1).show_points(common.VisibilityMode.AUTO)
    made.legend(common_builders.VizLegendOptions().show_legend(True)
                .display_mode(common.LegendDisplayMode.LIST)
                .placement(common.LegendPlacement.BOTTOM))
    made.tooltip(common_builders.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI))
    if panel.limits:
        made.thresholds_style(common_builders.GraphThresholdsStyleConfig().mode(
            common.GraphThresholdsStyleMode.DASHED))
    if panel.kind == "stack":
        made.fill_opacity(30).stacking(common_builders.StackingConfig().mode(
            common.StackingMode.NORMAL))
    return made


def main() -> None:
    """Write every dashboard."""
    folder = HERE / "dashboards"
    folder.mkdir(exist_ok=True)
    for board in BOARDS:
        (folder / f"{board.uid}.json").write_text(to_json(board), encoding="utf-8")


if __name__ == "__main__":
    main()
