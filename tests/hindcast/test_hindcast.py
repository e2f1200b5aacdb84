"""The hindcast of alerts on the synthetic region: its data, its choice, its report."""

import json
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
import synthetic

from dwlim_ops.alerts.settings import AlertSettings
from dwlim_ops.config import Span
from dwlim_ops.contracts import CATEGORIES, BasinStanding
from dwlim_ops.errors import ConfigError
from dwlim_ops.hindcast.data import (
    DailyBasins,
    Told,
    Truth,
    filter_days,
    synthetic_truth,
    truth_of,
)
from dwlim_ops.hindcast.evaluation import default_test, default_training, hindcast
from dwlim_ops.hindcast.scores import Case, HindcastSettings, choose, evaluate, try_thresholds
from dwlim_ops.products.climatology import ClimatologySettings
from dwlim_ops.products.standing import category_of
from dwlim_ops.reconcile import observe
from dwlim_ops.verify.alert_report import Thresholds, Tried
from dwlim_ops.verify.alert_scores import Spell

#: Years of a workspace are replayed.
pytestmark = pytest.mark.slow

TRAINING = Span(first=date(2015, 1, 1), last=date(2015, 12, 31))
TEST = Span(first=date(2016, 1, 1), last=date(2016, 12, 31))
FEW = HindcastSettings(on_probabilities=(0.4, 0.7), off_probabilities=(0.2,), dwell_days=(3,))


def silent(*_: object) -> None:
    """Show nothing."""


def standing(day: date, dry: float = 0.0, veto: str = "") -> BasinStanding:
    probabilities = np.zeros(len(CATEGORIES))
    probabilities[CATEGORIES.index("D3")], probabilities[CATEGORIES.index("N")] = dry, 1.0 - dry
    return BasinStanding(day, "1", "dwlim_st", 0.0, 1.0, 0.0, 1.0, -2.0 * dry, 50.0, "N",
                         tuple(probabilities.tolist()), "definitive", 0, veto)


def told(*dry: float | None) -> Told:
    """One basin from 2015-01-01 on; None: no standing on that day."""
    days = np.arange(np.datetime64("2015-01-01"), np.datetime64("2015-01-01") + len(dry))
    return Told(days, (tuple(standing(day, value) for day, value in zip(days.tolist(), dry,
                                                                        strict=True)
                             if value is not None),))


def percentiles(*values: float) -> Truth:
    days = np.arange(np.datetime64("2015-01-01"), np.datetime64("2015-01-01") + len(values))
    return Truth("made up", days, np.zeros((days.size, 1)), np.array(values)[:, None])


@pytest.fixture
def looking_back(open_session, ticked):
    """A session of the synthetic region with a climatology of one year, and what it knows."""
    content = synthetic.configuration()
    content["climatology"] = {"minimum_years": 1, "persistence_days": 30.0}
    synthetic.write_config(ticked.root, content)
    session = open_session(ticked)
    return session, observe(session, synthetic.AS_OF)


def test_alerts_are_those_of_the_machine():
    settings = AlertSettings(on_probability=0.6, off_probability=0.4, dwell_days=2,
                             dwell_days_off=2)
    alerted = told(0.0, 0.9, 0.9, 0.9, 0.5, 0.1, 0.1, 0.0).alerted(settings)
    assert alerted["drought"][:, 0].tolist() == [False, False, True, True, True, True, False, False]
    assert not alerted["wet"].any()


def test_an_alert_without_new_evidence_expires():
    settings = AlertSettings(dwell_days=1, renew_days=2, expiry_days=5)
    alerted = told(0.9, *(None,) * 10, 0.0).alerted(settings)["drought"][:, 0]
    assert alerted.tolist() == [True] * 6 + [False] * 6


@pytest.mark.parametrize("percentile", [1.0, 9.99, 10.0, 50.0, 89.99, 90.0, 99.0])
def test_true_classes_are_those_of_the_products(percentile):
    beyond = percentiles(percentile).beyond(AlertSettings())
    category = category_of(percentile)
    assert beyond["drought"][0, 0] == (category in ("D4", "D3", "D2"))
    assert beyond["wet"][0, 0] == (category in ("W2", "W3", "W4"))


def test_a_climatology_of_the_truth_knows_training_years_alone():
    days = np.arange(np.datetime64("2001-01-01"), np.datetime64("2011-01-01"))
    values = np.random.default_rng(1).standard_normal((days.size, 2)) * 20.0
    span = Span(first=date(2001, 1, 1), last=date(2005, 12, 31))
    later = np.where(days[:, None] > np.datetime64("2005-12-31"), values + 500.0, values)
    settings = ClimatologySettings(persistence_days=10.0)
    before, after = (truth_of(DailyBasins(days, one, np.zeros_like(one)), span, settings, words="")
                     for one in (values, later))
    training = days <= np.datetime64("2005-12-31")
    np.testing.assert_allclose(before.percentile[training], after.percentile[training])
    assert (after.percentile[~training] > 99.0).all()
    assert 8.0 < 100.0 * (before.percentile < 10.0).mean() < 12.0


def test_events_of_a_part_end_with_it():
    dry, normal = [5.0] * 12, [50.0] * 20
    case = Case.of(percentiles(*dry, *normal, *dry), AlertSettings(), FEW, delay_days=0)
    assert case.events["drought"] == [[Spell(0, 11), Spell(32, 43)]]
    part = case.within(Span(first=date(2015, 1, 5), last=date(2015, 2, 5)))
    assert part.events["drought"] == [[Spell(0, 7), Spell(28, 31)]]
    assert part.days.size == 32


def test_thresholds_with_few_flips_and_the_largest_csi_are_chosen():
    default = Thresholds(0.6, 0.4, 5)

    def tried(on, detected, false, flips):
        return Tried(Thresholds(on, 0.2, 5), np.array([10, detected, detected + false, false]),
                     flips)

    best, equal, restless = (tried(0.3, 6, 2, 1.0), tried(0.5, 6, 2, 1.0), tried(0.4, 10, 0, 9.0))
    assert choose([best, equal, restless], default, most_flips=4.0) == equal.thresholds
    assert choose([restless, replace(restless, flips_per_basin_year=8.0)], default,
                  most_flips=4.0) == restless.thresholds


def test_thresholds_are_chosen_without_the_test_years():
    """Years in which a high threshold is right are followed by years in which it is wrong."""
    quiet, weak, strong = [0.0] * 60, [0.5] * 20, [0.9] * 20
    wet, dry = [50.0], [5.0]
    training_told = (quiet + weak + quiet + strong) * 3
    training_true = (wet * 60 + wet * 20 + wet * 60 + dry * 20) * 3
    test_true = (wet * 60 + dry * 20 + wet * 60 + wet * 20) * 3
    n_days = len(training_true)
    first = date(2015, 1, 1)
    split = np.datetime64(first) + n_days
    training = Span(first=first, last=(split - 1).item())
    test = Span(first=split.item(), last=(split + n_days - 1).item())
    findings = [evaluate(told(*training_told, *training_told), percentiles(*training_true, *after),
                         training, test, alerts=AlertSettings(), delay_days=0, basins=["one"],
                         settings=FEW, progress=silent)
                for after in (test_true, training_true)]
    assert {one.chosen for one in findings} == {Thresholds(0.7, 0.2, 3)}
    bad, good = (next(one for one in found.scores if (one.choice, one.years) == (
        "chosen", "test")).hazards[2] for found in findings)
    assert good.events.sum(axis=0).tolist() == [3, 3, 3, 0]
    assert bad.events.sum(axis=0).tolist() == [3, 0, 3, 3]
    assert good.lead_days == (-2, -2, -2)
    assert good.flips == 6


def test_every_combination_is_tried_on_the_days_at_hand():
    days = told(*([0.0] * 30 + [0.5] * 20 + [0.0] * 30))
    case = Case.of(percentiles(*([50.0] * 30 + [5.0] * 20 + [50.0] * 30)), AlertSettings(), FEW,
                   delay_days=0)
    low, high = try_thresholds(days, case, AlertSettings(), FEW, progress=silent)
    assert (low.thresholds.on_probability, low.csi, high.csi) == (0.4, 1.0, 0.0)
    assert low.counts.tolist() == [1, 1, 1, 0]
    assert low.flips_per_basin_year == pytest.approx(2 / (80 / 365.25))


def test_filter_and_smoother_are_those_of_the_products(looking_back):
    session, known = looking_back
    run = session.space_time(known.checked)
    first, stop = run.row(date(2016, 6, 1)), run.row(date(2016, 7, 1))
    filtered, smoothed = filter_days(run, first, stop, later=True, progress=silent)
    day = date(2016, 6, 20)
    mean, sigma = run.basin_means(day, run.filtered(day).signal)
    np.testing.assert_allclose(filtered.mean_mm[19], mean, atol=1e-8)
    np.testing.assert_allclose(filtered.sigma_mm[19], sigma, atol=1e-8)
    updates, state = [], run.state_before(first)
    for row in range(first, first + 150):
        state, update = run.model.forward(state, int(run.days[row].astype(int)), run.up_mm[row],
                                          run.sigma_mm[row])
        updates.append(update)
    signal = run.model.backward(updates, 20)[19].signal
    np.testing.assert_allclose(smoothed.mean_mm[19], run.basin_means(day, signal)[0], atol=1e-8)
    assert (smoothed.sigma_mm < filtered.sigma_mm).all()
    true = synthetic.truth().basin_means_mm()[synthetic.truth().row(day)]
    assert np.abs(smoothed.mean_mm[19] - true).max() < 4.0 * smoothed.sigma_mm[19].max()


def test_the_whole_hindcast_writes_its_report(looking_back):
    session, known = looking_back
    report = hindcast(session, known, TRAINING, TEST, settings=FEW, progress=silent)
    folder = session.workspace.published / "reports"
    values = json.loads((folder / "hindcast.json").read_text())
    page = report.path.read_text()
    assert report.text == (folder / "hindcast.md").read_text()
    assert page.count("<figure") == 2
    assert "not independent" in page
    assert values["spans"]["test"] == ["2016-01-01", "2016-12-31"]
    assert len(values["tried"]) == 2
    for one in values["scores"]:
        events = one["events"]
        assert events["detected"] <= events["occurred"]
        assert one["basin_years"] == pytest.approx(3.0, abs=0.02)
    for one in values["probabilities"]:
        parts = one["brier"]
        assert parts["score"] == pytest.approx(
            parts["reliability"] - parts["resolution"] + parts["uncertainty"], abs=1e-5)
        assert sum(one["reliability_curve"]["n"]) == one["n"] == 3 * (
            366 if one["years"] == "test" else 365)


def test_the_command_prints_the_tables_and_says_where_the_page_is(command, monkeypatch, ticked):
    from dwlim_ops.hindcast import scores as hindcast_scores

    content = synthetic.configuration()
    content["climatology"] = {"minimum_years": 1, "persistence_days": 30.0}
    synthetic.write_config(ticked.root, content)
    monkeypatch.setattr(hindcast_scores, "HindcastSettings", lambda: FEW)
    code, out, _ = command("hindcast", ticked.root, "--test-to", "2016-06-30")
    assert code == 0
    assert "Training years 2015-01-01 to 2015-12-31" in out
    assert "test years 2016-01-01 to 2016-06-30" in out
    assert "| test | chosen | both |" in out
    assert out.rstrip().endswith("hindcast.html")


def test_years_that_overlap_or_lie_outside_are_refused(looking_back):
    session, known = looking_back
    for training, test, words in (
            (TRAINING, TRAINING, "overlap"),
            (TRAINING, Span(first=TEST.first, last=date(2018, 1, 1)), "outside of the record")):
        with pytest.raises(ConfigError, match=words):
            hindcast(session, known, training, test, settings=FEW, progress=silent)


def test_too_few_training_years_are_refused(open_session, ticked):
    session = open_session(ticked)
    known = observe(session, synthetic.AS_OF)
    with pytest.raises(ConfigError, match="too few for a climatology"):
        hindcast(session, known, TRAINING, TEST, settings=FEW, progress=silent)


def test_training_is_the_climatology_s_period_and_the_rest_is_for_tests(looking_back):
    session, known = looking_back
    training = default_training(session, known)
    assert (training.first, training.last) == synthetic.REFERENCE
    assert default_test(known, training) == TEST
    with pytest.raises(ConfigError, match="no day is left"):
        default_test(known, TEST)


def test_a_synthetic_earth_brings_its_truth(open_session, workspace):
    content = synthetic.configuration()
    content["region"]["synthetic"] = True
    synthetic.write_config(workspace.root, content)
    session, known = open_session(workspace), synthetic.truth()
    days = known.day[10:20]
    with pytest.raises(ConfigError, match="without its truth"):
        synthetic_truth(session, days)
    path = workspace.root / "truth/basins.csv"
    path.parent.mkdir()
    means, order = known.basin_means_mm(), list(synthetic.BASINS)
    rows = [f"{day},{basin},{value:.3f}" for day, values in zip(known.day, means, strict=True)
            for basin, value in zip(order, values, strict=True)]
    path.write_text("\n".join(["date,basin,twsa_mm", *rows, ""]))
    made = synthetic_truth(session, days)
    columns = [order.index(basin) for basin in session.geometry.basins.identifier]
    np.testing.assert_allclose(made.mean_mm, means[10:20][:, columns], atol=6e-4)
    path.write_text("\n".join(["date,basin,twsa_mm", *rows[:40], ""]))
    with pytest.raises(ConfigError, match="lacks days or basins"):
        synthetic_truth(session, days)


def test_a_real_region_has_no_such_truth(open_session, workspace):
    assert synthetic_truth(open_session(workspace), synthetic.truth().day[:3]) is None
