"""What is known, which days are out of date, and what a day is made of."""

import dataclasses
import os
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
import synthetic
from synthetic import AS_OF, DAY, run_tick

from dwlim_ops.contracts import GNSS_FLAGS
from dwlim_ops.estimates import day_data, estimate_day
from dwlim_ops.reconcile import ingest, observe, plan
from dwlim_ops.simulate.bundle import write_bundle
from dwlim_ops.simulate.store import promote

#: Whole ticks of a workspace.
pytestmark = pytest.mark.slow

LATER = AS_OF + timedelta(hours=2)
LAST_DAYS = [DAY - timedelta(days=4 - number) for number in range(5)]


def configured(workspace, **tables):
    content = synthetic.configuration()
    for name, values in tables.items():
        content[name] = {**content.get(name, {}), **values}
    synthetic.write_config(workspace.root, content)
    return workspace


def days_of(planned):
    return [one.day for one in planned]


def touch(path):
    """Make sure that the file counts as changed even if the clock is coarse."""
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1000))


def change_value(workspace, station, day, shift_mm):
    stamp = f"{day:%Y%m%d}"

    def shifted(lines):
        return [f"{stamp} {float(line.split()[1]) + shift_mm:.4f} 1.0000"
                if line.startswith(stamp) else line for line in lines]

    path = workspace.root / f"inbox/gnss/{station.lower()}.up"
    synthetic.edit(path, shifted)
    touch(path)


@pytest.fixture(scope="module")
def without_noise(tmp_path_factory):
    from dwlim_ops.session import Session

    content = synthetic.configuration()
    content["inversion"] = {"beta": 0.01}
    workspace = synthetic.build_workspace(tmp_path_factory.mktemp("quiet"), content=content,
                                          noise_mm=0.0)
    session = Session(workspace)
    run_tick(session, first=DAY, last=DAY)
    yield session, observe(session, AS_OF)
    session.close()


def test_the_truth_comes_back_from_displacement_without_noise(without_noise):
    session, known = without_noise
    days = [date(2016, 1, 5) + timedelta(days=18 * number) for number in range(20)]
    found = np.stack([session.geometry.basins.mean(
        estimate_day(session, known, day).estimates["tragnss"].twsa_mm) for day in days])
    truth = synthetic.truth()
    expected = truth.basin_means_mm()[[truth.row(day) for day in days]]
    for basin in range(expected.shape[1]):
        assert np.corrcoef(found[:, basin], expected[:, basin])[0, 1] > 0.97
        slope = np.polyfit(expected[:, basin], found[:, basin], 1)[0]
        assert 0.8 < slope < 1.2
    assert np.abs(found - expected).mean() < 0.2 * expected.std()


def test_the_sign_is_that_of_water(without_noise):
    session, known = without_noise
    truth = synthetic.truth()
    wet = DAY - timedelta(days=int(np.argmax(truth.basin_means_mm()[::-1][:300].mean(axis=1))))
    estimates = estimate_day(session, known, wet)
    up = known.checked["up_mm"].values[known.row(wet)]
    assert np.nanmean(up) < 0
    assert session.geometry.basins.mean(estimates.estimates["tragnss"].twsa_mm).min() > 0


def test_each_basin_has_an_error_of_its_own(without_noise):
    session, known = without_noise
    made = estimate_day(session, known, DAY)
    sigma = made.basin_sigma_mm["tragnss"]
    assert sigma.shape == (3,)
    assert (sigma > 0).all()
    cells = made.estimates["tragnss"].sigma_mm
    assert (sigma < session.geometry.basins.mean(cells)).all()


def test_a_day_without_displacement_at_all_is_not_known(workspace, open_session):
    for path in (workspace.root / "inbox/gnss").iterdir():
        path.unlink()
    session = open_session(workspace)
    report = run_tick(session)
    assert observe(session, AS_OF) is None
    assert report.outcome == "failed"
    assert "no displacement" in report.degraded[0]


def test_only_released_days_are_visible(ticked, open_session):
    known = observe(open_session(ticked), synthetic.EARLY)
    assert known.days[-1] == synthetic.EARLY_DAY
    assert known.newest_day == {"gnss": synthetic.EARLY_DAY, "weather": synthetic.EARLY_DAY}
    assert known.days[known.row(date(2016, 2, 29))] == date(2016, 2, 29)


def test_first_every_day_of_the_horizon_is_planned(workspace, open_session):
    session = open_session(configured(workspace, schedule={"horizon_days": 5}))
    run_tick(session, first=date(2015, 1, 1), last=date(2014, 1, 1))
    planned = plan(session, observe(session, AS_OF))
    assert days_of(planned) == LAST_DAYS
    assert {one.revision for one in planned} == {0}
    assert {one.reason for one in planned} == {"not published yet"}


def test_limits_replace_the_horizon_and_end_at_what_is_known(ticked, open_session):
    session = open_session(ticked)
    known = observe(session, AS_OF)
    assert days_of(plan(session, known, first=date(2016, 5, 1), last=date(2016, 5, 3))) == [
        date(2016, 5, 1), date(2016, 5, 2), date(2016, 5, 3)]
    assert days_of(plan(session, known, first=date(2010, 1, 1), last=date(2015, 1, 2))) == [
        date(2015, 1, 1), date(2015, 1, 2)]
    assert plan(session, known, first=DAY, last=date(2030, 1, 1)) == []


def test_unchanged_inputs_leave_nothing_to_do(ticked, open_session):
    session = open_session(ticked)
    assert plan(session, observe(session, AS_OF)) == []
    report = run_tick(session, LATER)
    assert (report.outcome, report.published) == ("done", ())


def test_a_changed_station_file_replans_only_the_days_it_touches(workspace, open_session):
    session = open_session(configured(workspace, schedule={"horizon_days": 5}))
    run_tick(session)
    change_value(workspace, "S004", LAST_DAYS[2], 0.5)
    report = run_tick(session, LATER)
    assert report.published == (LAST_DAYS[2],)
    record = session.ledger.newest_revisions()[LAST_DAYS[2]]
    assert record.revision == 1
    assert record.path.endswith("_r01.nc")


def test_a_station_more_on_one_day_replans_that_day(workspace, open_session):
    path = workspace.root / "inbox/gnss/s009.up"
    whole = path.read_text()
    synthetic.edit(path, lambda lines: [x for x in lines if not x.startswith(f"{DAY:%Y%m%d}")])
    session = open_session(workspace)
    run_tick(session)
    path.write_text(whole)
    touch(path)
    assert run_tick(session, LATER).published == (DAY,)


def test_a_changed_configuration_replans_the_horizon(ticked, open_session):
    session = open_session(configured(ticked, inversion={"beta": 0.06}))
    planned = plan(session, observe(session, AS_OF))
    assert days_of(planned) == LAST_DAYS[-2:]
    assert {one.revision for one in planned} == {1}
    assert planned[0].reason == "configuration changed"


@pytest.mark.parametrize("tables", [
    {"schedule": {"horizon_days": 2}},
    {"training": {"other": synthetic.training_settings()}},
])
def test_what_no_product_depends_on_replans_nothing(ticked, open_session, tables):
    session = open_session(configured(ticked, **tables))
    assert plan(session, observe(session, AS_OF)) == []


def test_changed_basins_replan_the_horizon(ticked, open_session):
    path = ticked.root / "region/basins.csv"
    path.write_text(path.read_text().replace("West River", "West Creek"))
    session = open_session(ticked)
    assert len(plan(session, observe(session, AS_OF))) == 2


def test_a_first_bundle_replans_the_horizon(trained, open_session):
    session = open_session(trained)
    assert days_of(plan(session, observe(session, AS_OF))) == LAST_DAYS[-2:]


def test_a_new_bundle_replans_the_horizon(served, open_session, trained_bundle):
    session = open_session(served)
    assert plan(session, observe(session, AS_OF)) == []
    other = dataclasses.replace(
        trained_bundle, manifest=trained_bundle.manifest.model_copy(update={"name": "other"}))
    store = served.root / "models"
    promote(store, synthetic.REGION, write_bundle(store, other))
    session = open_session(served)
    planned = plan(session, observe(session, AS_OF))
    assert days_of(planned) == LAST_DAYS[-2:]
    assert {one.revision for one in planned} == {2}


def test_changed_weather_replans_a_day_only_where_it_is_used(ticked, served, open_session):
    for workspace, expected in ((ticked, []), (served, LAST_DAYS[-2:])):
        path = workspace.root / "inbox/weather/2016.csv"
        synthetic.edit(path, lambda lines: [
            ",".join([*line.split(",")[:2], "285.55", line.split(",")[3]])
            if line.startswith(f"{DAY - timedelta(days=60)},Site 3,") else line for line in lines])
        touch(path)
        session = open_session(workspace)
        ingest(session, "weather", as_of=LATER, retrieved_at=LATER)
        assert days_of(plan(session, observe(session, LATER))) == expected


def test_days_with_too_few_stations_are_not_planned(workspace, open_session):
    silent = LAST_DAYS[3]
    for number in range(21):
        path = workspace.root / f"inbox/gnss/s{number:03d}.up"
        synthetic.edit(path, lambda lines: [
            line for line in lines if not line.startswith(f"{silent:%Y%m%d}")])
    session = open_session(configured(workspace, schedule={"horizon_days": 5}))
    report = run_tick(session)
    assert report.published == tuple(day for day in LAST_DAYS if day != silent)
    session = open_session(configured(workspace, schedule={"horizon_days": 5},
                                      inversion={"minimum_stations": 9}))
    assert silent in days_of(plan(session, observe(session, AS_OF)))


def test_without_forcing_there_is_one_estimate(ticked, open_session):
    session = open_session(ticked)
    known = observe(session, AS_OF)
    assert known.forcing is not None
    data = day_data(session, known, DAY)
    assert set(data.by_method) == {"tragnss"}
    assert data.simulated is None
    points = data.by_method["tragnss"]
    up, sigma = points.up_mm, points.sigma_mm
    assert up.shape == sigma.shape == (synthetic.N_STATIONS,)


def test_with_a_bundle_cells_without_a_station_are_simulated(trained, open_session):
    session = open_session(trained)
    known = observe(session, AS_OF)
    data = day_data(session, known, DAY)
    n_cells = session.geometry.cells[0].size
    points = data.by_method["dwlim"]
    up, sigma = points.up_mm, points.sigma_mm
    assert up.shape == sigma.shape == (synthetic.N_STATIONS + n_cells,)
    holding = session.geometry.holding_cell(*synthetic.truth().station_place.T)
    assert 0 < data.unobserved.sum() < n_cells
    assert sorted(np.flatnonzero(~data.unobserved)) == sorted(set(holding.tolist()))
    assert np.array_equal(np.isfinite(up[synthetic.N_STATIONS:]), data.unobserved)
    assert np.isnan(data.by_method["tragnss"].up_mm[synthetic.N_STATIONS:]).all()
    of_stations = slice(synthetic.N_STATIONS)
    assert np.array_equal(up[of_stations], data.by_method["tragnss"].up_mm[of_stations],
                          equal_nan=True)


def test_with_a_bundle_but_no_weather_of_the_day_there_is_one_estimate(trained, open_session):
    path = trained.root / "inbox/weather/2016.csv"
    synthetic.edit(path, lambda lines: [x for x in lines if not x.startswith(str(DAY))])
    touch(path)
    session = open_session(trained)
    run_tick(session, LATER)
    known = observe(session, LATER)
    assert set(day_data(session, known, DAY).by_method) == {"tragnss"}
    assert set(day_data(session, known, DAY - timedelta(days=1)).by_method) == {"tragnss", "dwlim"}


def test_flagged_values_do_not_enter(workspace, open_session):
    change_value(workspace, "S011", DAY, 300.0)
    session = open_session(workspace)
    run_tick(session, first=DAY, last=DAY)
    known = observe(session, AS_OF)
    flag = known.checked["flag"].sel(station="S011").values[known.row(DAY)]
    assert flag & GNSS_FLAGS["outlier"]
    assert np.isnan(day_data(session, known, DAY).by_method["tragnss"].up_mm[11])


def with_loading(workspace, *, tables=True):
    """The same stations with loading left in, and tables of it."""
    truth = synthetic.truth()
    ntal, ntol = synthetic.loading_series(truth.day, synthetic.N_STATIONS)
    stamps = [str(day).replace("-", "") for day in truth.day]
    total = [dict(zip(stamps, column, strict=True)) for column in (ntal + ntol).T]
    for column, name in enumerate(truth.station):
        synthetic.edit(workspace.root / f"inbox/gnss/{name.lower()}.up", lambda lines, c=column: [
            f"{stamp} {float(up) + total[c][stamp]:.4f} {sigma}"
            for stamp, up, sigma in (line.split() for line in lines)])
    (workspace.root / "inbox/loading").mkdir()
    rows = [f"{day},{name},{ntal[row, column]:.3f},{ntol[row, column]:.3f}"
            for row, day in enumerate(truth.day) for column, name in enumerate(truth.station)]
    if tables:
        (workspace.root / "inbox/loading/all.csv").write_text(
            "\n".join(["date,station,ntal_up_mm,ntol_up_mm", *rows, ""]))
    content = synthetic.configuration()
    content["sources"]["gnss"]["already_removed"] = ["trend"]
    content["sources"]["loading"] = {"kind": "folder", "folder": "inbox/loading", "frame": "cf",
                                     "latency_days": 2}
    del content["sources"]["weather"]
    synthetic.write_config(workspace.root, content)
    return workspace


def twsa(session, day=DAY):
    return estimate_day(session, observe(session, AS_OF), day).estimates["tragnss"].twsa_mm


def test_loading_tables_give_what_corrected_series_give(ticked, workspace, open_session):
    expected = twsa(open_session(ticked))
    session = open_session(with_loading(workspace))
    report = run_tick(session)
    assert report.outcome == "done"
    assert observe(session, AS_OF).remaining_loading == ()
    assert twsa(session) == pytest.approx(expected, abs=1e-6)


def test_without_the_tables_the_tick_is_degraded_and_says_so(ticked, workspace, open_session):
    expected = twsa(open_session(ticked))
    session = open_session(with_loading(workspace, tables=False))
    report = run_tick(session)
    assert report.outcome == "degraded"
    assert report.published
    for name in ("ntal", "ntol"):
        assert any(name in text and "neither removed" in text for text in report.degraded)
    assert np.abs(twsa(session) - expected).max() > 1.0


def test_a_table_that_came_later_replans_what_was_published_without(workspace, open_session):
    session = open_session(with_loading(workspace))
    table = workspace.root / "inbox/loading/all.csv"
    table.rename(workspace.root / "aside.csv")
    assert run_tick(session).outcome == "degraded"
    (workspace.root / "aside.csv").rename(table)
    report = run_tick(open_session(workspace), LATER)
    assert report.outcome == "done"
    assert report.published == tuple(LAST_DAYS[-2:])


@pytest.mark.parametrize("kind", ["formal", "unit", "series"])
def test_errors_of_stations_are_those_configured(ticked, open_session, kind):
    session = open_session(configured(ticked, inversion={"sigma": kind}))
    checked = observe(session, AS_OF).checked
    sigma = session.station_sigma_mm(checked)
    assert sigma.shape == checked["up_mm"].shape
    if kind == "series":
        inside = (checked["time"].values >= np.datetime64("2015-01-01")) & (
            checked["time"].values <= np.datetime64("2015-12-31"))
        good = np.where(checked["flag"].values == 0, checked["up_mm"].values, np.nan)[inside]
        assert sigma[5] == pytest.approx(np.nanstd(good, axis=0, ddof=1))
    else:
        assert np.nanmax(sigma) == np.nanmin(sigma) == 1.0
        assert np.isfinite(sigma).all() == (kind == "unit")


def test_a_moment_without_a_zone_is_refused(ticked, open_session):
    from dwlim_ops.errors import ContractError

    with pytest.raises(ContractError, match="zone"):
        observe(open_session(ticked), datetime(2017, 1, 2))  # noqa: DTZ001
    assert observe(open_session(ticked), datetime(2017, 1, 2, tzinfo=UTC)) is not None
