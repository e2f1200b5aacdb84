"""The findings on a synthetic Earth as Markdown and as plain values for JSON."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, fields
from typing import Any, Final

import numpy as np

from dwlim_ops.osse.boards import WATER_MM
from dwlim_ops.osse.experiments import MOST_CELLS, Findings, MethodScores, Score
from dwlim_ops.osse.world import World

#: Decimals of each score.
DECIMALS: Final = {"pcc": 2, "nse": 2, "rmse_mm": 0, "amplitude_ratio": 2, "coverage": 2}
HEADS: Final = ("PCC", "NSE", "RMSE mm", "amplitude ratio", "within 90 %")


def to_json(world: World, findings: Findings) -> dict[str, Any]:
    """Settings, facts and every score as plain values; NaN becomes null."""
    spans, basins = world.spans, world.geometry.basins
    content = {
        "region": world.config.region.name, "synthetic": True,
        "settings": asdict(world.earth.nature.settings),
        "record": [str(spans.first), str(spans.last)],
        "scored": [str(spans.test_first), str(spans.last)],
        "stations": asdict(findings.facts),
        "scores": [{
            "experiment": one.experiment, "method": one.method, "n_days": one.n_days,
            "basins": [{"basin": identifier, "name": name, **asdict(score)}
                       for identifier, name, score in zip(basins.identifier, basins.name,
                                                          one.basins, strict=True)],
            "cells": summary(one.cells)} for one in findings.scores],
        "checkerboards": [asdict(board) for board in findings.boards]}
    plain: dict[str, Any] = _without_nan(content)
    return plain


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(inner) for inner in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def summary(scores: Sequence[Score]) -> dict[str, list[float]]:
    """Median and quartiles of every score over basins or cells; of the coverage the mean."""
    values = {field.name: np.array([getattr(score, field.name) for score in scores])
              for field in fields(Score)}
    of = {name: [float(v) for v in np.nanpercentile(value, (50, 25, 75))]
          for name, value in values.items() if value.size}
    return of | ({"coverage": [float(np.nanmean(values["coverage"]))]} if scores else {})


def to_markdown(world: World, findings: Findings) -> str:
    """The report of one run."""
    spans, settings, facts = world.spans, world.earth.nature.settings, findings.facts
    temperature, pressure = ("{:.2f} [{:.2f}, {:.2f}]".format(*quartiles) for quartiles in (
        facts.correlation_temperature, facts.correlation_pressure))
    return "\n".join([
        f"# {world.config.region.title}: estimates against the truth", "",
        f"Everything here is made up from seed {settings.seed}; no observation is in it. Record "
        f"{spans.first} to {spans.last}; networks are trained until {spans.training_last}, scores "
        f"are from {spans.test_first} on. Truth and estimates are relative to the same reference "
        "period and, like the displacement after quality control, without a linear trend. The "
        f"truth lies on cells of {world.fine.spacing_deg:g} deg, also beyond the inversion's "
        "domain; both use the same Earth model.", "",
        f"{facts.n_stations} stations, {facts.n_excluded} excluded, {facts.n_controls} controls; "
        f"scatter about the running median {facts.scatter_mm:.1f} mm; |PCC| of displacement with "
        f"temperature {temperature}, with pressure {pressure} (median and quartiles; "
        f"`weather_coupling` {settings.weather_coupling:g}).", "",
        "## Basins and cells", "", "Median [quartiles] over basins and over land cells; the "
        "last column is the share of days within the 90 % interval. Lost stations are silent "
        "from the first scored day on. Thermal expansion: monuments that follow the heat by up to "
        f"{settings.thermal_mm:g} mm a year (half of them less than a quarter of it), in all "
        f"years, with networks trained on them; cells: up to {MOST_CELLS}, evenly spread.", "",
        *_table(("experiment", "estimate", "days", "of", *HEADS),
                [row for one in findings.scores for row in _summary_rows(one)]),
        "## Every basin", "",
        *_table(("experiment", "estimate", "basin", *HEADS), [
            (one.experiment, one.method, name, *_plain(score))
            for one in findings.scores
            for name, score in zip(world.geometry.basins.name, one.basins, strict=True)]),
        "## Checkerboards", "",
        f"Squares of {WATER_MM:+.0f} and {-WATER_MM:+.0f} mm of water, white noise, all land "
        "cells of all days in one score. \"One day\": `tragnss` of all stations, its beta by ABIC, "
        "or the best that the truth itself can choose. \"Annual swing\": the board times an "
        "annual cosine, the stations' gaps, settings of the configuration.", "",
        *_table(("square deg", "noise mm", "estimate", "days", "PCC", "NSE", "RMSE mm"), [
            (f"{b.size_deg:g}", f"{b.noise_mm:g}", b.estimate, str(b.n_days), f"{b.pcc:.2f}",
             f"{b.nse:.2f}", f"{b.rmse_mm:.0f}") for b in findings.boards]),
    ])


def _summary_rows(one: MethodScores) -> list[tuple[str, ...]]:
    return [(one.experiment, one.method, str(one.n_days), name, *_quartiles(scores))
            for name, scores in (("basins", one.basins), ("cells", one.cells)) if scores]


def _quartiles(scores: Sequence[Score]) -> list[str]:
    def text(name: str, values: list[float]) -> str:
        shown: Callable[[float], str] = f"{{:.{DECIMALS[name]}f}}".format
        return shown(values[0]) + (f" [{shown(values[1])}, {shown(values[2])}]"
                                   if len(values) > 1 else "")

    return [text(name, values) for name, values in summary(scores).items()]


def _plain(score: Score) -> list[str]:
    return [f"{getattr(score, name):.{decimals}f}" for name, decimals in DECIMALS.items()]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return ["| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *rows)] + [""]
