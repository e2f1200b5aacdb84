"""The verification report says the same in tables, JSON and a figure."""

import json
import struct
from datetime import date

import numpy as np
import pytest

from dwlim_ops.verify.grace import BasinScore, MonthlyBasins
from dwlim_ops.verify.report import (
    GraceSection,
    LeftOutSection,
    RevisionSection,
    StationScores,
    Tables,
    figure_of_basins,
    to_json,
    to_markdown,
)
from dwlim_ops.verify.scores import AnnualCycle

YEARS = {"revision_lag_days": 30,
         "grace_years": (date(2009, 1, 1), date(2013, 12, 31)),
         "left_out_years": (date(2016, 1, 1), date(2017, 6, 24))}


def score(basin, pcc, nse=0.5, n_months=48):
    return BasinScore(basin, n_months, pcc, nse, 31.4, AnnualCycle(61.2, 33.0),
                      AnnualCycle(58.9, 41.0))


@pytest.fixture
def grace():
    starts = np.arange("2010-01", "2011-01", dtype="datetime64[M]").astype("datetime64[D]")
    ends = np.arange("2010-02", "2011-02", dtype="datetime64[M]").astype("datetime64[D]")
    return MonthlyBasins(starts, ends, np.random.default_rng(0).normal(0, 50, (12, 3)))


@pytest.fixture
def against_grace(grace):
    monthly = grace.twsa_mm + 5.0
    monthly[0] = np.nan
    return [
        GraceSection("tragnss", (score("North", 0.91), score("South", 0.3),
                                 score("Desert", np.nan, np.nan, 0)), monthly),
        GraceSection("dwlim, causal", (score("North", 0.95), score("South", 0.5),
                                       score("Desert", 0.1)), 2 * monthly)]


@pytest.fixture
def left_out():
    scores = StationScores(np.array([1.0, 2.0, 3.0, np.nan]), np.array([0.1, 0.2, 0.9, np.nan]),
                           np.array([-1.0, 0.0, 0.5, np.nan]))
    return [LeftOutSection("tragnss", 120, scores), LeftOutSection("dwlim, causal", 90, scores)]


@pytest.fixture
def tables(against_grace, left_out):
    revisions = [RevisionSection("causal, temperature", np.zeros(4)),
                 RevisionSection("meemd, temperature", np.array([0.0, 0.8, 1.25, np.nan]))]
    return Tables(against_grace, left_out, revisions)


def table_rows(text, label):
    return [[cell.strip() for cell in line.strip("|").split("|")]
            for line in text.splitlines() if line.startswith(f"| {label} |")]


def test_every_basin_and_estimate_has_its_row(tables):
    text = to_markdown("Toyland", tables, stride_days=5, **YEARS)
    assert "# Verification: Toyland" in text
    assert "one day in 5" in text
    assert "2009-01-01 to 2013-12-31" in text
    assert "2016-01-01 to 2017-06-24" in text
    north, south, desert, stations = table_rows(text, "tragnss")
    assert north == ["tragnss", "North", "48", "0.91", "0.50", "31", "61 (59)", "33 (41)"]
    assert south[3] == "0.30"
    assert desert[2:5] == ["0", "nan", "nan"]
    assert stations == ["tragnss", "120", "3", "0.20 [0.15, 0.55]", "0.00 [-0.50, 0.25]",
                        "2.00 [1.50, 2.50]"]
    assert len(table_rows(text, "dwlim, causal")) == 4


def test_medians_leave_out_what_has_no_score(tables):
    text = to_markdown("Toyland", tables, stride_days=1, **YEARS)
    assert "with a model: every day" in text
    (first,) = table_rows(text, "**tragnss**")
    assert first[3] == "**0.60 [0.45, 0.76]**"
    (second,) = table_rows(text, "**dwlim, causal**")
    assert second[3] == "**0.50 [0.30, 0.72]**"


def test_every_table_has_as_many_columns_in_each_row(tables):
    text = to_markdown("Toyland", tables, stride_days=5, **YEARS)
    blocks = [block for block in text.split("\n\n") if block.startswith("|")]
    assert len(blocks) == 3
    for table in blocks:
        assert len({line.count("|") for line in table.splitlines()}) == 1


def test_json_is_valid_and_nan_is_null(tables):
    content = json.loads(json.dumps(to_json(tables), allow_nan=False))
    assert [one["estimate"] for one in content["against_grace"]] == ["tragnss", "dwlim, causal"]
    assert content["against_grace"][0]["basins"][0] == {
        "basin": "North", "n_months": 48, "pcc": 0.91, "nse": 0.5, "rmse_mm": 31.4,
        "annual_amplitude_mm": 61.2, "annual_phase_days": 33.0,
        "grace_annual_amplitude_mm": 58.9, "grace_annual_phase_days": 41.0}
    assert content["against_grace"][0]["basins"][2]["pcc"] is None
    assert content["left_out_stations"][1]["n_days"] == 90
    assert content["left_out_stations"][0]["rmse_mm"] == [1.0, 2.0, 3.0, None]


def test_the_figure_is_a_png_and_repeats_itself(against_grace, grace):
    names = ("North", "South", "Desert")
    image = figure_of_basins(against_grace, grace, names)
    assert image.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", image[16:24])
    assert width > 800
    assert height > 300
    assert image == figure_of_basins(against_grace, grace, names)
    assert image != figure_of_basins(against_grace[:1], grace, names)


def test_the_revision_of_the_newest_day_has_a_row_a_feature_set(tables):
    text = to_markdown("Toyland", tables, stride_days=5, **YEARS)
    assert "once 30 more days are known" in text
    assert table_rows(text, "meemd, temperature") == [
        ["meemd, temperature", "0.00", "0.80", "1.25", "nan"]]
    assert to_json(tables)["newest_day_revision"]["meemd, temperature"] == [0.0, 0.8, 1.25, None]
    without = Tables(tables.against_grace, tables.left_out, [])
    assert "Revision" not in to_markdown("Toyland", without, stride_days=5, **YEARS)
