"""What has drifted is named, what has not is not, and what cannot be told has a reason."""

import dataclasses
import json
from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import pytest
import synthetic
import xarray as xr
from synthetic import AS_OF, run_tick

from dwlim_ops.drift import drift_report
from dwlim_ops.products import encode
from dwlim_ops.reconcile import observe
from dwlim_ops.simulate.bundle import WEIGHTS
from dwlim_ops.simulate.manifest import Span
from dwlim_ops.simulation import bind
from dwlim_ops.verify.drift import (
    DRIFTED_GROWTH,
    feature_drift,
    largest_difference,
    recent_window,
    sample_rows,
    scatter_growth,
    too_few,
    training_windows,
    worst,
)

YEARS = Span(first=date(2010, 8, 1), last=date(2015, 12, 31))
RECENT = slice("2016-10-03", "2016-12-31")
NOISY = "S005"


def red_noise(random, n_days, n_series, memory=0.8):
    series = random.standard_normal((n_days, n_series))
    for row in range(1, n_days):
        series[row] = memory * series[row - 1] + np.sqrt(1 - memory**2) * series[row]
    return series


def seven_years(forcing: xr.Dataset) -> xr.Dataset:
    """Weather of 2010 to 2016 for the same cells: a season, days that go together, no drift."""
    random = np.random.default_rng(3)
    time = np.arange("2010-01-01", "2017-01-01", dtype="datetime64[D]")
    n_cells = forcing.sizes["cell"]
    phase = np.cos(2 * np.pi * time.astype(int) / 365.25)[:, None]
    common, own = (red_noise(random, time.size, n) for n in (2, 2 * n_cells))
    temperature = 284 - 10 * phase + 3 * common[:, :1] + own[:, :n_cells]
    pressure = 100_000 + 200 * phase + 500 * common[:, 1:] + 100 * own[:, n_cells:]
    return xr.Dataset(
        {"temperature_k": (("time", "cell"), temperature),
         "pressure_pa": (("time", "cell"), pressure),
         "flag": (("time", "cell"), np.zeros(temperature.shape, np.uint8))},
        coords={"time": time.astype("datetime64[ns]"), "cell": forcing["cell"].values})


@pytest.fixture
def drifting(trained, open_session, trained_bundle):
    """A session whose bundle was trained on the years 2010 to 2015, and seven years of weather."""
    session = open_session(trained)
    manifest = trained_bundle.manifest.model_copy(update={"training": YEARS})
    session.__dict__["simulator"] = bind(
        dataclasses.replace(trained_bundle, manifest=manifest), session.geometry,
        region=synthetic.REGION, bundle_id="small-made-up")
    known = observe(session, AS_OF)
    return session, dataclasses.replace(known, forcing=seven_years(known.forcing))


def changed(known, name, change):
    forcing = known.forcing.copy(deep=True)
    values = forcing[name].sel(time=RECENT)
    forcing[name].loc[{"time": values["time"]}] = change(values)
    return dataclasses.replace(known, forcing=forcing)


def test_without_drift_all_is_well_and_twice_is_the_same(drifting):
    session, known = drifting
    steps = []
    report = drift_report(session, known, progress=lambda *step: steps.append(step))
    assert (report.verdict, report.drifted, report.watched) == ("ok", (), ())
    section = report.features
    assert (section.reason, section.n_windows, section.n_windows_of_season) == ("", 20, 5)
    assert (section.recent.first, section.recent.last) == (date(2016, 10, 3), date(2016, 12, 31))
    assert [one.feature for one in section.features] == list(session.simulator.features.names)
    for one in section.features:
        assert abs(one.mean_shift.value) < one.mean_shift.watch_beyond
        assert one.mean_shift.watch_beyond <= one.mean_shift.drifted_beyond
        assert 0 < one.distance.expected < one.distance.watch_beyond < one.distance.drifted_beyond
    assert steps[0] == ("features", 1, 21)
    assert steps[20] == ("features", 21, 21)
    assert drift_report(session, known) == report
    assert drift_report(session, known, seed=1).features != report.features


def test_the_season_is_no_drift(drifting):
    session, known = drifting
    summer = dataclasses.replace(
        known, checked=known.checked.sel(time=slice(None, "2016-07-20")))
    report = drift_report(session, summer)
    assert report.features.recent.last == date(2016, 7, 20)
    assert report.features.reason == ""
    assert report.drifted == ()


@pytest.mark.parametrize(("name", "change", "features"), [
    ("temperature_k", lambda v: v + 5.0, {"temperature_original", "temperature_component_3"}),
    ("pressure_pa", lambda v: v / 100.0, {"pressure_original", "pressure_component_3"}),
    ("pressure_pa", lambda v: v.mean("time") + 4 * (v - v.mean("time")),
     {"pressure_original", "pressure_component_1"}),
])
def test_drifted_weather_is_named(drifting, name, change, features):
    session, known = drifting
    report = drift_report(session, changed(known, name, change), days_per_window=9)
    assert report.verdict == "drifted"
    assert features <= set(report.drifted)
    assert {text.partition("_")[0] for text in report.drifted} == {name.partition("_")[0]}
    original = next(f for f in report.features.features if f.feature in features)
    assert original.verdict == "drifted"


def test_the_shift_is_in_deviations_of_the_training_years(drifting):
    session, known = drifting
    by_kelvin = [drift_report(session, changed(known, "temperature_k", lambda v, k=k: v + k))
                 .features.features[0].mean_shift for k in (0.0, 5.0)]
    # 3 and 1 K of red noise, and what the season changes within 90 days.
    deviation_k = 5.0 / (by_kelvin[1].value - by_kelvin[0].value)
    assert 2.5 < deviation_k < 6.0
    assert by_kelvin[0].watch_beyond == by_kelvin[1].watch_beyond


def noisier(lines):
    """The last 90 days of a station's file with five times the usual scatter."""
    random = np.random.default_rng(1)
    rows = [line.split() for line in lines]
    return [*lines[:-90], *(f"{day} {float(up) + 6 * random.standard_normal():.4f} {sigma}"
                            for day, up, sigma in rows[-90:])]


def test_a_station_that_became_noisy_and_no_other_is_named(workspace, open_session):
    synthetic.edit(workspace.root / f"inbox/gnss/{NOISY.lower()}.up", noisier)
    session = open_session(workspace)
    run_tick(session)
    report = drift_report(session, observe(session, AS_OF))
    assert (report.verdict, report.drifted, report.watched) == ("drifted", (NOISY,), ())
    (section,) = [part for part in report.scatter if part.quantity == "displacement"]
    assert len(section.stations) == synthetic.N_STATIONS
    assert section.network_verdict == "ok"
    noisy = next(one for one in section.stations if one.station == NOISY)
    assert noisy.growth > DRIFTED_GROWTH
    assert noisy.growth == pytest.approx(
        noisy.recent_mm / noisy.before_mm / section.network_growth)


def publish(session, factor):
    """Products of 150 days whose residuals at the stations are noise; of one it grows."""
    random = np.random.default_rng(2)
    (record, *_), newest = session.ledger.products(), max(session.ledger.newest_revisions())
    stations = encode.read(session.workspace.published / record.path).stations.drop_encoding()
    names = stations["station"].values.astype(str)
    days = [*(newest - timedelta(days=n) for n in range(10, 70)),
            *(newest - timedelta(days=n) for n in range(95, 455, 4))]
    for day in days:
        residual = random.standard_normal(names.size)
        residual[names == NOISY] *= factor if (newest - day).days < 90 else 1.0
        stations["residual_tragnss_mm"].values[:] = residual
        path = session.workspace.published / f"{day}.nc"
        stations.to_netcdf(path, group=encode.STATIONS_GROUP, engine="netcdf4")
        session.ledger.add_product(dataclasses.replace(
            record, product_id=f"{day}", day=day, path=path.name), [])
    return days


def test_residuals_of_published_products_name_the_station(ticked, open_session):
    session = open_session(ticked)
    known = observe(session, AS_OF)
    short = drift_report(session, known).scatter[0]
    assert "2 days of the last 90 and 0 of the year before are published" in short.reason
    for day in publish(session, factor=3.0)[:3]:
        (ticked.published / f"{day}.nc").write_bytes(b"damaged")
    report = drift_report(session, known)
    assert (report.drifted, report.watched) == ((NOISY,), ())
    (section,) = [part for part in report.scatter if part.quantity == "residual tragnss"]
    assert (section.reason, len(section.stations)) == ("", synthetic.N_STATIONS)
    assert {(one.n_before, one.n_recent) for one in section.stations} == {(90, 59)}
    assert section.network_growth == pytest.approx(1.0, abs=0.15)


def test_what_cannot_be_told_has_a_reason(trained, open_session):
    session = open_session(trained)
    known = observe(session, AS_OF)
    report = drift_report(session, known)
    assert report.verdict == "ok"
    assert "windows of this season among" in report.features.reason
    without = dataclasses.replace(known, forcing=None)
    assert drift_report(session, without).features.reason == "no weather is known"
    late = dataclasses.replace(known, forcing=known.forcing.isel(time=slice(None, -100)))
    assert "for 0 of the days" in drift_report(session, late).features.reason
    with session.serving(""):
        assert "GNSS-only" in drift_report(session, known).features.reason
    (trained.root / "models" / synthetic.REGION / session.bundle_id / WEIGHTS).write_bytes(b"else")
    damaged = open_session(trained)
    assert "altered" in drift_report(damaged, known).features.reason
    new = dataclasses.replace(known, checked=known.checked.isel(time=slice(-60, None)))
    section = drift_report(session, new).scatter[-1]
    assert section.reason == "no station has enough days in both spans"


def test_the_report_as_plain_values_holds_every_line(drifting):
    session, known = drifting
    warmer = changed(known, "temperature_k", lambda v: v + 5.0)
    report = drift_report(session, warmer, days_per_window=9)
    plain = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert plain["verdict"] == "drifted"
    assert plain["as_of"] == "2017-01-02T18:00:00+00:00"
    assert plain["bundle"] == "small-made-up"
    first = plain["features"]["features"][0]
    assert (first["feature"], first["verdict"]) == ("temperature_original", "drifted")
    assert set(first["mean_shift"]) == {"value", "expected", "watch_beyond", "drifted_beyond",
                                        "verdict"}
    assert plain["features"]["recent"] == {"first": "2016-10-03", "last": "2016-12-31", "season": 0}
    by_quantity = {part["quantity"]: part for part in plain["scatter"]}
    assert by_quantity["published residual"]["network_growth"] is None
    assert len(by_quantity["displacement"]["stations"]) == synthetic.N_STATIONS


def test_windows_keep_the_length_and_the_season_and_stay_in_the_span():
    recent = recent_window(date(2017, 6, 24), 90)
    windows = training_windows(recent, date(2009, 11, 1), date(2014, 12, 31))
    assert len(windows) == 20
    for window in windows:
        assert (window.last - window.first).days == 89
        assert window.first >= date(2009, 11, 1)
        assert window.last <= date(2014, 12, 31)
        if window.season == 0:
            assert (window.last.month, abs(window.last.day - 24) <= 1) == (6, True)
    ordered = sorted(windows, key=lambda w: w.first)
    assert all(earlier.last < later.first for earlier, later in pairwise(ordered))
    assert {w.season for w in training_windows(
        recent_window(date(2017, 6, 24), 180), date(2009, 1, 1), date(2014, 12, 31))} == {0, 1}
    assert training_windows(recent, date(2017, 6, 1), date(2017, 6, 24)) == []


def test_too_few_windows_say_nothing():
    assert too_few([0, 1, 2, 3] * 2) == ""
    assert "1 windows of this season" in too_few([0, 1, 1, 1, 1, 1, 2])
    assert "at least" in too_few([0, 0, 1, 1])


def test_days_are_drawn_from_equal_parts_and_the_same_each_time():
    rows = np.arange(100, 190)
    drawn = sample_rows(rows, 3, (0, 1))
    assert ((drawn - 100) // 30).tolist() == [0, 1, 2]
    assert np.array_equal(drawn, sample_rows(rows, 3, (0, 1)))
    assert not np.array_equal(drawn, sample_rows(rows, 3, (1, 1)))
    assert np.array_equal(sample_rows(rows[:2], 3, (0, 1)), rows[:2])


def test_false_alarms_are_as_rare_as_stated():
    random = np.random.default_rng(5)
    verdicts = []
    for memory in (0.3, 0.98):
        series = red_noise(random, 21 * 100, 60, memory).reshape(21, 100, 1, 60)[:, :90]
        verdicts += feature_drift([""] * 60, series[-1], list(series[:-1]), [0, 1, 2, 3] * 5)
    measures = [m for one in verdicts for m in (one.mean_shift, one.deviation_ratio, one.distance)]
    assert len(measures) == 360
    assert sum(m.verdict == "drifted" for m in measures) <= 3
    assert sum(m.verdict == "watch" for m in measures) <= 12


def test_each_measure_sees_what_it_is_for():
    random = np.random.default_rng(0)
    *reference, recent = random.standard_normal((9, 90, 5, 1))
    verdicts = {}
    for name, drifted in (("none", recent), ("shift", recent + 1.0), ("fewer", recent - 1.0),
                          ("noise", 2.0 * recent), ("calm", 0.5 * recent),
                          ("shape", np.sign(recent))):
        (one,) = feature_drift([name], drifted, reference, [0, 1] * 4)
        verdicts[name] = (one.mean_shift.verdict, one.deviation_ratio.verdict,
                          one.distance.verdict)
    assert verdicts == {
        "none": ("ok", "ok", "ok"), "shift": ("drifted", "ok", "drifted"),
        "fewer": ("drifted", "ok", "drifted"), "noise": ("ok", "drifted", "drifted"),
        "calm": ("ok", "drifted", "drifted"), "shape": ("ok", "ok", "drifted")}


def test_a_feature_that_is_zero_throughout_is_well():
    zero = np.zeros((90, 3, 1), np.float32)
    (one,) = feature_drift(["residue"], zero, [zero] * 8, [0, 1] * 4)
    assert one.verdict == "ok"
    assert one.mean_shift.value == one.distance.value == 0.0
    assert one.deviation_ratio.value == 1.0


def test_the_distance_is_that_of_kolmogorov_and_smirnov():
    from scipy.stats import ks_2samp

    random = np.random.default_rng(0)
    a, b = random.normal(size=300), random.normal(0.3, 1.2, size=500)
    assert largest_difference(a, b) == pytest.approx(ks_2samp(a, b).statistic)
    assert largest_difference(a, a) == 0.0


def test_growth_is_robust_and_relative_to_the_network():
    random = np.random.default_rng(0)
    before, recent = random.standard_normal((365, 12)), 1.3 * random.standard_normal((90, 12))
    recent[:, 4] *= 3
    recent[::20, 7] = 500.0
    recent[20:, 9] = np.nan
    network, stations = scatter_growth([f"N{i}" for i in range(12)], before, recent)
    assert network == pytest.approx(1.3, rel=0.1)
    assert [one.station for one in stations if one.verdict != "ok"] == ["N4"]
    assert "N9" not in {one.station for one in stations}
    assert next(one for one in stations if one.station == "N4").growth == pytest.approx(3, rel=0.3)
    assert np.isnan(scatter_growth([], before[:, :0], recent[:, :0])[0])


def test_the_worst_counts():
    assert worst(["ok", "drifted", "watch"]) == "drifted"
    assert worst([]) == "ok"
