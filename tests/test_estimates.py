"""All estimates of a day side by side, as series, and of stations left out."""

from datetime import date, timedelta

import numpy as np
import pytest
import synthetic
from synthetic import AS_OF, DAY, EARLY, run_tick

from dwlim_ops.estimates import (
    METHODS,
    N_FOLDS,
    NEWEST_DAY,
    day_data,
    estimate_day,
    estimate_series,
    left_out_series,
)
from dwlim_ops.reconcile import observe, plan

NOVEMBER = date(2016, 11, 5)
DAYS = [DAY - timedelta(days=number) for number in (70, 40, 9, 0)]


def silent(title, done, total):
    assert 0 < done <= total


@pytest.fixture
def known(ticked, open_session):
    session = open_session(ticked)
    return session, observe(session, AS_OF)


def test_a_new_day_is_filtered_and_an_old_one_smoothed(known):
    session, seen = known
    assert estimate_day(session, seen, DAY).remarks == {
        "dwlim_st": "filter: all days through the day itself"}
    made = estimate_day(session, seen, NOVEMBER)
    assert made.remarks == {"dwlim_st": "smoother: all days through 2016-12-30"}
    assert set(made.estimates) == {"tragnss", "dwlim_st"}
    sigma = made.estimates["dwlim_st"].sigma_mm
    assert ((sigma > 0) & np.isfinite(sigma)).all()


def test_a_day_is_issued_again_once_its_month_is_smoothed(workspace, open_session):
    session = open_session(workspace)
    run_tick(session, EARLY, first=NOVEMBER, last=NOVEMBER)
    (planned,) = plan(session, observe(session, AS_OF), first=NOVEMBER, last=NOVEMBER)
    assert (planned.reason, planned.revision) == ("later days changed", 1)
    run_tick(session, AS_OF, first=NOVEMBER, last=NOVEMBER)
    assert plan(session, observe(session, AS_OF), first=NOVEMBER, last=NOVEMBER) == []


def test_the_smoother_is_nearer_to_the_truth_than_the_filter(known):
    session, seen = known
    days = [date(2016, 1, 10) + timedelta(days=12 * number) for number in range(25)]
    made = estimate_series(session, seen, days, methods=("dwlim_st",), progress=silent)
    truth = synthetic.truth()
    expected = truth.basin_means_mm()[[truth.row(day) for day in days]]
    error = {name: one.basins_mm - expected for name, one in made.items()}
    assert set(error) == {"dwlim_st", NEWEST_DAY}
    assert np.std(error["dwlim_st"]) < np.std(error[NEWEST_DAY])
    for name, one in made.items():
        assert np.mean(np.abs(error[name]) < 3 * one.basin_sigma_mm) > 0.95


def test_series_are_the_estimates_of_their_days(known):
    session, seen = known
    made = estimate_series(session, seen, sorted(DAYS), cells=True, progress=silent)
    assert set(made) == {"tragnss", "dwlim_st", NEWEST_DAY}
    for number, day in enumerate(sorted(DAYS)):
        one = estimate_day(session, seen, day)
        name = "dwlim_st" if one.remarks["dwlim_st"].startswith("smoother") else NEWEST_DAY
        for method, series in (("tragnss", "tragnss"), ("dwlim_st", name)):
            found = made[series]
            np.testing.assert_allclose(found.cells_mm[number], one.estimates[method].twsa_mm)
            np.testing.assert_allclose(found.cell_sigma_mm[number], one.estimates[method].sigma_mm)
            np.testing.assert_allclose(
                found.basins_mm[number],
                session.geometry.basins.mean(one.estimates[method].twsa_mm), atol=1e-6)


def test_simulated_cells_share_their_errors(served, open_session):
    session = open_session(served)
    points = day_data(session, observe(session, AS_OF), DAY).by_method["dwlim"]
    stations = synthetic.N_STATIONS
    covariance = points.covariance_mm2
    assert (covariance[:stations] == 0).all()
    assert (covariance[stations:, stations:] > 0).all()
    assert np.linalg.eigvalsh(covariance[stations:, stations:]).min() > 0
    assert (points.sigma_mm[stations:] == 0).all()


def test_the_errors_of_cells_enter_as_measured_and_those_of_stations_by_their_misfit(
        served, open_session):
    """The basin means of `dwlim` by conditioning on all points at once, errors in mm."""
    session = open_session(served)
    known = observe(session, AS_OF)
    made = estimate_day(session, known, DAY)
    points, basins = made.data.by_method["dwlim"], session.basin_inversion(known.checked)
    beta, unit = made.betas["dwlim"], float(made.estimates["tragnss"].variance_factor)
    used = np.isfinite(points.up_mm)
    spread = (unit * (basins.data_covariance / beta**2 + np.diag(points.sigma_mm**2))
              + points.covariance_mm2)[np.ix_(used, used)]
    gain = np.linalg.solve(spread, unit / beta**2 * basins.influence[used]).T
    np.testing.assert_allclose(session.geometry.basins.mean(made.estimates["dwlim"].twsa_mm),
                               gain @ points.up_mm[used], rtol=1e-6, atol=1e-6)
    posterior = unit / beta**2 * (basins.prior_variance
                                  - np.einsum("ij,ji->i", gain, basins.influence[used]))
    noise = session.space_time(known.checked).model.shared_noise_covariance()
    stations = np.flatnonzero(used[:synthetic.N_STATIONS])
    of_stations = gain[:, :stations.size]
    posterior += np.einsum("ij,jk,ik->i", of_stations, noise[np.ix_(stations, stations)],
                           of_stations)
    np.testing.assert_allclose(made.basin_sigma_mm["dwlim"], np.sqrt(posterior), rtol=1e-6)
    assert made.estimates["dwlim"].variance_factor == unit


def test_cells_are_simulated_only_for_the_estimate_that_wants_them(served, open_session,
                                                                   monkeypatch):
    session = open_session(served)
    known = observe(session, AS_OF)

    def refuse(*_):
        raise AssertionError("simulated for nobody")

    monkeypatch.setattr(type(session.simulator), "simulate", refuse)
    made = estimate_series(session, known, DAYS[:1], methods=["tragnss"], progress=silent)
    assert set(made) == {"tragnss"}
    with pytest.raises(AssertionError, match="for nobody"):
        estimate_series(session, known, DAYS[:1], methods=["dwlim"], progress=silent)


def test_the_paper_takes_simulated_cells_as_they_are(served, open_session):
    content = synthetic.tomllib_of(served)
    content["inversion"] = {"beta": "paper", "sigma": "unit", "minimum_stations": 5}
    synthetic.write_config(served.root, content)
    session = open_session(served)
    data = day_data(session, observe(session, AS_OF), DAY)
    points = data.by_method["dwlim"]
    assert points.covariance_mm2 is None
    assert (points.sigma_mm == 1).all()
    cells = points.up_mm[synthetic.N_STATIONS:]
    np.testing.assert_array_equal(cells[data.unobserved], data.simulated.up_mm[0][data.unobserved])


def test_a_station_left_out_is_predicted_from_the_others_alone(known):
    session, seen = known
    days = sorted(DAYS)
    made = left_out_series(session, seen, days, methods=("tragnss", "dwlim_st"), progress=silent)
    up = np.where(seen.checked["flag"].values == 0, seen.checked["up_mm"].values, np.nan)
    observed = up[[seen.row(day) for day in days]]
    for one in made.values():
        z = (observed - one.predicted_mm) / one.sigma_mm
        assert np.isfinite(z[np.isfinite(observed)]).all()
        assert 0.7 < np.mean(np.abs(z[np.isfinite(z)]) < 1.645) <= 1.0
    changed = seen.checked.copy(deep=True)
    changed["up_mm"][:, 4] += 3.0
    other = left_out_series(session, type(seen)(**(vars(seen) | {"checked": changed})), days,
                            methods=("dwlim_st",), progress=silent)
    own, before = other["dwlim_st"].predicted_mm, made["dwlim_st"].predicted_mm
    np.testing.assert_array_equal(own[:, 4], before[:, 4])
    assert (own != before).sum() > N_FOLDS


def test_the_methods_are_those_of_products():
    from dwlim_ops.products.contents import METHODS as IN_PRODUCTS

    assert set(METHODS) == set(IN_PRODUCTS)
