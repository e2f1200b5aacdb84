"""Draw what the panels' queries give, into `pictures/*.png`: Grafana itself is not run.

python deploy/grafana/draw_pictures.py http://127.0.0.1:9090 [FOLDER [END [DAYS]]]

END is in seconds since 1970; without it the pictures end now.
"""

import json
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode
from urllib.request import urlopen

import matplotlib as mpl
import numpy as np
from panels import BOARDS, Board, Panel

mpl.use("Agg")

import matplotlib.pyplot as plt

HERE: Final = Path(__file__).parent
N_POINTS: Final = 240
SHOWN_SERIES: Final = 12
#: Of Grafana's units what a value is divided by here, and the label then.
UNITS: Final = {"s": (3600.0, "hours"), "bytes": (2.0**20, "MiB"), "lengthm": (0.001, "mm"),
                "percentunit": (0.01, "%"), "none": (1.0, ""), "short": (1.0, "")}

Series = tuple[str, np.ndarray, np.ndarray]


def resolved(expression: str) -> str:
    """A panel's query with every choice at "All"."""
    for name in ("instance", "basin", "method"):
        expression = expression.replace(f"${name}", ".*")
    return expression


def ask(server: str, expression: str, end_s: float, days: float) -> list[dict[str, Any]]:
    """Series of a query over the days before `end_s`; raises if Prometheus refuses it."""
    step = max(15.0, days * 86400 / N_POINTS)
    query = urlencode({"query": resolved(expression), "start": end_s - days * 86400, "end": end_s,
                       "step": step})
    with urlopen(f"{server}/api/v1/query_range?{query}", timeout=60) as answer:  # noqa: S310
        found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
    return found


def legend_of(pattern: str, labels: dict[str, str]) -> str:
    """A legend with the labels put in."""
    for name in sorted(labels, key=len, reverse=True):
        pattern = pattern.replace(f"{{{{{name}}}}}", labels[name])
    return re.sub(r" *{{\w+}}", "", pattern)


def series_of(server: str, panel: Panel, end_s: float, days: float) -> list[Series]:
    """Legend, times (s) and values of every series of a panel."""
    found = []
    for expression, legend in panel.queries:
        for one in ask(server, expression, end_s, days):
            at, values = zip(*one["values"], strict=True)
            found.append((legend_of(legend, one["metric"]), np.array(at, float),
                          np.array(values, float)))
    return found


def draw_panel(axes: Any, panel: Panel, found: list[Series]) -> None:
    """One panel, roughly as Grafana would show it."""
    axes.set_title(panel.title, fontsize=9, loc="left")
    axes.tick_params(labelsize=6)
    scale, unit = UNITS[panel.unit]
    if not found:
        axes.text(0.5, 0.5, "no data", ha="center", va="center", transform=axes.transAxes)
        axes.set_axis_off()
    elif panel.kind == "number":
        axes.set_axis_off()
        lines = []
        for legend, _, values in found[:4]:
            word = panel.words.get(values[-1], f"{values[-1] / scale:.3g} {unit}")
            lines.append(f"{legend}: {word}" if legend else word)
        axes.text(0.5, 0.5, "\n".join(lines), ha="center", va="center", fontsize=9,
                  transform=axes.transAxes)
    elif panel.kind == "bars":
        shown = found[:SHOWN_SERIES]
        axes.barh([one[0] for one in shown], [one[2][-1] / scale for one in shown])
        axes.set_xlabel(unit, fontsize=6)
    else:
        _draw_lines(axes, panel, found, scale, unit)


def _draw_lines(axes: Any, panel: Panel, found: list[Series], scale: float, unit: str) -> None:
    every = np.unique(np.concatenate([at for _, at, _ in found]))
    days = every.astype("datetime64[s]")
    on_all = [np.full(every.size, np.nan) for _ in found]
    for row, (_, at, values) in zip(on_all, found, strict=True):
        row[np.searchsorted(every, at)] = values / scale
    names = [one[0] for one in found]
    if panel.kind == "stack":
        axes.stackplot(days, np.nan_to_num(np.array(on_all)), labels=names, alpha=0.6)
    else:
        for name, row in zip(names, on_all, strict=True):
            axes.plot(days, row, label=name, linewidth=0.9)
    for value, colour in panel.limits:
        if value > 0:
            axes.axhline(value / scale, color=colour, linewidth=0.6, linestyle="--")
    axes.set_ylabel(unit, fontsize=6)
    axes.tick_params(axis="x", rotation=30)
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(handles[:SHOWN_SERIES], labels[:SHOWN_SERIES], fontsize=5, ncols=2)


def draw_board(server: str, board: Board, folder: Path, end_s: float, days: float) -> Path:
    """The picture of a dashboard; returns its path."""
    panels = [panel for _, row in board.rows for panel in row]
    n_rows = (len(panels) + 2) // 3
    figure, axes = plt.subplots(n_rows, 3, figsize=(15, 2.6 * n_rows), layout="constrained",
                                squeeze=False)
    for place, panel in zip(axes.flat, panels, strict=False):
        draw_panel(place, panel, series_of(server, panel, end_s, days))
    for place in list(axes.flat)[len(panels):]:
        place.set_axis_off()
    until = datetime.fromtimestamp(end_s, UTC)
    figure.suptitle(f"{board.title}: {days:g} days until {until:%Y-%m-%d %H:%M} UTC "
                    "(queries of the panels, drawn by matplotlib; not Grafana)", fontsize=10)
    path = folder / f"{board.uid}.png"
    figure.savefig(path, dpi=80, metadata={"Software": None})
    plt.close(figure)
    return path


def main() -> None:
    """Draw every dashboard."""
    server, *rest = sys.argv[1:]
    folder = Path(rest[0]) if rest else HERE / "pictures"
    end_s = float(rest[1]) if len(rest) > 1 else datetime.now(UTC).timestamp()
    days = float(rest[2]) if len(rest) > 2 else 7.0
    folder.mkdir(parents=True, exist_ok=True)
    for board in BOARDS:
        draw_board(server, board, folder, end_s, days)


if __name__ == "__main__":
    main()
