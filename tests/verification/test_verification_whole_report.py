"""The whole report of the synthetic region: every section, every file, and what it says."""

import json
from datetime import date
from itertools import pairwise

import numpy as np
import pytest
import synthetic

from dwlim_ops.config import Span
from dwlim_ops.errors import ConfigError
from dwlim_ops.reconcile import observe
from dwlim_ops.verification import data as verification_data
from dwlim_ops.verification import evaluation
from dwlim_ops.verification.data import days_of, grace_years, left_out_years, saw
from dwlim_ops.verify.grace import MonthlyBasins

FIRST_UNSEEN = "2016-06"


@pytest.fixture
def session(open_session, served):
    return open_session(served)


@pytest.fixture
def known(session):
    return observe(session, synthetic.AS_OF)


def grace_of_truth(first=FIRST_UNSEEN, after="2017-01"):
    """Monthly means of the true load of the basins."""
    truth = synthetic.truth()
    start = np.arange(first, after, dtype="datetime64[M]")
    end = start + 1
    bounds = start.astype("datetime64[D]"), end.astype("datetime64[D]")
    daily = truth.basin_means_mm()
    return MonthlyBasins(*bounds, np.stack([
        daily[(truth.day >= low) & (truth.day < high)].mean(axis=0)
        for low, high in zip(*bounds, strict=True)]))


@pytest.fixture
def with_grace(session):
    session.__dict__["grace"] = grace_of_truth()
    return session


@pytest.fixture
def report(with_grace, known, monkeypatch):
    monkeypatch.setattr(verification_data, "LEFT_OUT_DAYS", 180)
    seen = []
    made = evaluation.verify(with_grace, known, (with_grace.bundle_id,), stride_days=10,
                               progress=lambda *step: seen.append(step))
    return made, seen


@pytest.mark.slow
def test_the_report_is_whole(with_grace, report):
    made, progress = report
    folder = with_grace.workspace.published / "reports"
    assert made.path == folder / "verification.html"
    assert {path.name for path in folder.iterdir()} == {
        "verification.html", "verification.md", "verification.json"}
    page = made.path.read_text()
    for identifier in ("data", "method", "loading", "simulated", "left-out", "storage", "grace",
                       "rain", "revisions"):
        assert f'<section id="{identifier}">' in page
        assert f'href="#{identifier}"' in page
    for picture in ("stations", "flow", "decomposition", "simulated", "left-out", "taylor",
                    "mean-displacement", "amplitudes", "mean-storage", "basins", "scores",
                    "coherence-dwlim_st"):
        assert f'<figure id="{picture}">' in page
    assert (folder / "verification.md").read_text() == made.text
    assert all(done <= total for _, done, total in progress)
    _check_words_and_numbers(with_grace, made.text, json.loads(
        (folder / "verification.json").read_text()))


def _check_words_and_numbers(session, text, content):
    assert "No loading model is configured" not in text
    assert "has removed NTAL and NTOL already" in text
    assert "No rain is known" in text
    estimates = {one["estimate"]: one for one in content["against_grace"]}
    assert set(estimates) == {"tragnss", "dwlim_st", "dwlim_st newest day",
                              f"tragnss, days of {session.bundle_id}",
                              f"dwlim, {session.bundle_id}"}
    for basin in estimates["tragnss"]["basins"]:
        assert basin["n_months"] == 7
        assert basin["pcc"] > 0.9
    stations = {one["estimate"]: one for one in content["left_out_stations"]}
    assert set(stations) == set(estimates)
    assert np.median([v for v in stations["tragnss"]["pcc"] if v is not None]) > 0.8


def test_years_are_those_that_both_have(known):
    assert grace_years(known, grace_of_truth()) == Span(
        first=date(2016, 6, 1), last=date(2016, 12, 31))
    before = grace_of_truth("2015-01", "2015-03")
    shifted = MonthlyBasins(before.start - 700, before.end - 700, before.twsa_mm)
    assert grace_years(known, shifted) is None
    masked = MonthlyBasins(before.start, before.end, np.full_like(before.twsa_mm, np.nan))
    assert grace_years(known, masked) is None


def test_left_out_years_end_with_the_weather(known):
    span = left_out_years(known)
    assert span.last == min(known.days[-1],
                            known.forcing["time"].values[-1].astype("datetime64[D]").item())
    assert (span.last - span.first).days == verification_data.LEFT_OUT_DAYS


def test_a_bundle_is_unseen_only_outside_training_and_validation(session):
    assert saw(session, Span(first=date(2016, 5, 31), last=date(2016, 12, 31)))
    assert not saw(session, Span(first=date(2016, 6, 1), last=date(2016, 12, 31)))
    with session.serving(verification_data.GNSS_ONLY):
        assert not saw(session, Span(first=date(2015, 1, 1), last=date(2016, 12, 31)))


def test_days_are_strided_by_their_number_and_need_enough_stations(session, known):
    span = Span(first=date(2016, 3, 1), last=date(2016, 3, 31))
    days = days_of(session, known, span, 5)
    assert len(days) in (6, 7)
    assert {(after - day).days for day, after in pairwise(days)} == {5}
    flag = known.checked["flag"].values
    flag[known.row(days[0])] = 1
    assert days_of(session, known, span, 5) == days[1:]


def test_without_grace_there_is_no_report(session, known):
    with pytest.raises(ConfigError, match="no GRACE"):
        evaluation.verify(session, known, (), stride_days=1, progress=lambda *_: None)
    session.__dict__["grace"] = MonthlyBasins(
        np.array(["1990-01-01"], "M8[D]"), np.array(["1990-02-01"], "M8[D]"), np.zeros((1, 3)))
    with pytest.raises(ConfigError, match="no day in common"):
        evaluation.verify(session, known, (), stride_days=1, progress=lambda *_: None)


def test_revisions_are_scored_from_what_was_published(session):
    path = session.workspace.published / "basins" / "revisions.csv"
    path.write_text("\n".join([
        "day,basin,method,lead_days,twsa_mm,sigma_mm,tier,revision",
        "2016-12-01,7,tragnss,0,10.0,2.0,era5t,0", "2016-12-01,7,tragnss,6,12.0,1.0,final,1",
        "2016-12-02,7,tragnss,0,10.0,2.0,era5t,0", "2016-12-02,7,tragnss,6,6.0,1.0,final,1",
        "2016-12-02,7,dwlim,0,10.0,,era5t,0", "2016-12-02,7,dwlim,6,6.0,1.0,final,1", ""]))
    (found,) = verification_data.revised_after_first_issue(session)
    assert (found.method, found.lead_days, found.n) == ("tragnss", 6, 2)
    assert found.rms_mm == pytest.approx(np.sqrt((4 + 16) / 2))
    assert found.z_deviation == pytest.approx(1.5)
    path.unlink()
    assert verification_data.revised_after_first_issue(session) == []
