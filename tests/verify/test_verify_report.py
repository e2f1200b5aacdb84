"""The tables of the verification report say what was put in, in Markdown and JSON."""

import json

import numpy as np
import pytest

from dwlim_ops.verify.grace import Agreement, BasinScore
from dwlim_ops.verify.report import (
    GraceSection,
    LeftOutSection,
    RevisionDeviation,
    RevisionSection,
    StationScores,
    Tables,
    feature_revision_table,
    grace_table,
    left_out_table,
    quartiles,
    revised_table,
    to_json,
    treatment_table,
)
from dwlim_ops.verify.scores import AnnualCycle


def score(basin, pcc, nse=0.5, n_months=48):
    as_it_is = Agreement(pcc, nse, 31.4)
    return BasinScore(basin, n_months, {
        "mean": as_it_is, "detrend": Agreement(pcc - 0.1, nse, 30.0),
        "deseasonalise": Agreement(pcc - 0.2, nse - 0.3, 21.5)},
        AnnualCycle(61.2, 33.0), AnnualCycle(58.9, 41.0))


@pytest.fixture
def against_grace():
    monthly = np.zeros((12, 3))
    return [
        GraceSection("tragnss", "tragnss", (score("North", 0.91), score("South|East", 0.3),
                                            score("Desert", np.nan, np.nan, 0)), monthly),
        GraceSection("dwlim, causal", "dwlim", (score("North", 0.95), score("South|East", 0.5),
                                                score("Desert", 0.1)), monthly)]


@pytest.fixture
def left_out():
    scores = StationScores(
        np.array([1.0, 2.0, 7.0, np.nan]), np.array([0.1, 0.2, 0.9, np.nan]),
        np.array([-1.0, 0.0, 0.5, np.nan]), np.array([0.4, 0.5, 0.6, np.nan]), 0.8912)
    return [LeftOutSection("tragnss", "tragnss", 120, scores)]


@pytest.fixture
def tables(against_grace, left_out):
    return Tables(against_grace, left_out,
                  [RevisionSection("meemd, temperature", np.array([0.0, 0.8, 1.25, np.nan]))],
                  [RevisionDeviation("tragnss", 30, 360, 7.43, 0.412)])


def rows(text, label):
    lines = [line.strip("|").replace(r"\|", "!").split("|") for line in text.splitlines()
             if line.startswith(f"| {label} |")]
    return [[cell.strip() for cell in line] for line in lines]


def test_every_basin_has_its_row_and_names_are_escaped(against_grace):
    north, south, desert = rows(grace_table(against_grace), "tragnss")
    assert north == ["tragnss", "North", "48", "0.91", "0.50", "31", "61 (59)", "33 (41)"]
    assert south[1] == "South!East"
    assert desert[2:5] == ["0", "nan", "nan"]


def test_medians_and_quartiles_leave_out_what_has_no_score(against_grace):
    text = grace_table(against_grace)
    (first,), (second,) = (rows(text, name) for name in ("**tragnss**", "**dwlim, causal**"))
    assert first[3] == "**0.60 [0.45, 0.76]**"
    assert second[3] == "**0.50 [0.30, 0.72]**"


def test_every_treatment_has_its_row(against_grace):
    found = rows(treatment_table(against_grace), "dwlim, causal")
    assert [row[1] for row in found] == ["as it is", "detrended", "deseasonalised"]
    assert [row[2] for row in found] == ["0.50 [0.30, 0.72]", "0.40 [0.20, 0.62]",
                                         "0.30 [0.10, 0.53]"]
    assert found[2][4] == "22 [22, 22]"


def test_stations_left_out_with_the_share_inside_their_interval(left_out):
    (row,) = rows(left_out_table(left_out), "tragnss")
    assert row == ["tragnss", "120", "3", "0.20 [0.15, 0.55]", "0.00 [-0.50, 0.25]",
                   "2.00 [1.50, 4.50]", "66.7 %", "89.1 %"]


def test_revisions_of_features_and_of_published_values(tables):
    assert rows(feature_revision_table(tables.revisions), "meemd, temperature") == [
        ["meemd, temperature", "0.00", "0.80", "1.25", "nan"]]
    assert rows(revised_table(tables.revised), "tragnss") == [
        ["tragnss", "30", "360", "7.4", "0.41"]]


def test_feature_sets_of_different_length_share_a_table():
    text = feature_revision_table([RevisionSection("a", np.zeros(4)),
                                   RevisionSection("b", np.zeros(2))])
    assert len({line.count("|") for line in text.splitlines()}) == 1


def test_json_is_valid_and_nan_is_null(tables):
    content = json.loads(json.dumps(to_json(tables), allow_nan=False))
    assert [one["estimate"] for one in content["against_grace"]] == ["tragnss", "dwlim, causal"]
    assert content["against_grace"][0]["basins"][0] == {
        "basin": "North", "n_months": 48, "pcc": 0.91, "nse": 0.5, "rmse_mm": 31.4,
        "detrended": {"pcc": 0.81, "nse": 0.5, "rmse_mm": 30.0},
        "deseasonalised": {"pcc": 0.71, "nse": 0.2, "rmse_mm": 21.5},
        "annual_amplitude_mm": 61.2, "annual_phase_days": 33.0,
        "grace_annual_amplitude_mm": 58.9, "grace_annual_phase_days": 41.0}
    assert content["against_grace"][0]["basins"][2]["pcc"] is None
    stations = content["left_out_stations"][0]
    assert stations["rmse_mm"] == [1.0, 2.0, 7.0, None]
    assert stations["share_inside_90_percent_interval"] == 0.8912
    assert content["newest_day_revision"]["meemd, temperature"] == [0.0, 0.8, 1.25, None]
    assert content["revision_after_first_issue"][0]["z_deviation"] == 0.412


def test_nothing_finite_has_no_quartiles():
    assert quartiles([np.nan]) == "-"
