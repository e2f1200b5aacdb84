"""Loading dropped into a folder: maps in netCDF, and text files of stations."""

import datetime

import numpy as np
import pytest
from data.loading_formats import lookalikes as like

from dwlim_ops.contracts import LOADING, Source, check
from dwlim_ops.errors import MalformedInputError
from dwlim_ops.sources.folder_loading import FolderLoadingGrids, FolderLoadingStations
from dwlim_ops.sources.formats.loading.series import daily_means
from dwlim_ops.sources.merge import merge_loading

NOW = datetime.datetime(2026, 3, 10, 6, tzinfo=datetime.UTC)
TODAY = NOW.date()
BOTH = {"NTAL": "ntal_up", "NTOL": "ntol_up"}
LATITUDE, LONGITUDE = np.arange(-10.0, -31.0, -1.0), np.arange(125.0, 141.0)


@pytest.fixture
def inbox(tmp_path):
    (tmp_path / "sites.csv").write_text(
        "station,longitude,latitude\nALIC,133.89,-23.67\nDARW,-228.87,-12.84\n")
    return tmp_path


def maps(times, **options):
    given = {"variables": {"ntal_up": 1.0, "ntol_up": 0.1}} | options
    return like.grid_netcdf(times, lambda step, lat, lon: 2e-3 * np.sin(step / 9.0) + lat * 1e-5,
                            latitude=LATITUDE, longitude=LONGITUDE, **given)


def grids_of(inbox, **options):
    given = {"variables": BOTH, "step_hours": 3} | options
    return FolderLoadingGrids(inbox, sites_file=inbox / "sites.csv", **given)


def test_maps_become_daily_means_at_all_stations(inbox):
    (inbox / "2026.nc").write_bytes(maps(like.instants("2026-01-01", 40)))
    source: Source = grids_of(inbox)
    offers = source.offers(NOW)
    assert [(o.key, o.valid_from, o.valid_to) for o in offers] == [
        ("2026.nc", datetime.date(2026, 1, 1), datetime.date(2026, 2, 10))]
    data = source.parse((inbox / "2026.nc").read_bytes(), "2026.nc", not_after=TODAY)
    check(data, LOADING, where="folder")
    assert data["station"].values.tolist() == ["ALIC", "DARW"]
    assert data.sizes["time"] == 40
    up = data["ntal_up_mm"]
    difference = up.sel(station="DARW") - up.sel(station="ALIC")
    assert difference.values == pytest.approx(0.01 * (23.67 - 12.84), abs=1e-5)
    np.testing.assert_allclose(data["ntol_up_mm"], 0.1 * data["ntal_up_mm"], rtol=1e-4)


@pytest.mark.parametrize(("unit", "factor"), [("mm", 1e3), ("cm", 1e2), ("metres", 1.0)])
def test_the_units_attribute_is_honoured(inbox, unit, factor):
    times = like.instants("2026-01-01", 40)
    reference = grids_of(inbox).parse(maps(times), "a.nc", not_after=TODAY)
    content = maps(times, units=unit, variables={"ntal_up": factor, "ntol_up": 0.1 * factor})
    converted = grids_of(inbox).parse(content, "a.nc", not_after=TODAY)
    np.testing.assert_allclose(converted["ntal_up_mm"], reference["ntal_up_mm"], rtol=1e-4)


def test_a_wrong_units_attribute_is_noticed_by_the_scatter(inbox):
    with pytest.raises(MalformedInputError, match="NTAL looks like m, not mm"):
        grids_of(inbox).parse(maps(like.instants("2026-01-01", 40), units="mm"), "a.nc",
                              not_after=TODAY)


def test_daily_maps_are_taken_as_they_are_and_the_step_is_checked(inbox):
    days = np.arange("2026-01-01T12:00:00", "2026-01-05T12:00:00",
                     np.timedelta64(1, "D"), dtype="M8[s]")
    data = grids_of(inbox, step_hours=24).parse(maps(days), "a.nc", not_after=TODAY)
    assert data["time"].values.astype("M8[D]").astype(str).tolist() == [
        "2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04"]
    with pytest.raises(MalformedInputError, match="no complete day"):
        grids_of(inbox, step_hours=6).parse(maps(days), "a.nc", not_after=TODAY)
    with pytest.raises(MalformedInputError, match="step"):
        grids_of(inbox, step_hours=24).parse(maps(like.instants("2026-01-01", 2)), "a.nc",
                                             not_after=TODAY)


def test_a_file_may_hold_one_product_and_the_merge_joins_two(inbox):
    times = like.instants("2026-01-01", 3)
    parts = [grids_of(inbox).parse(maps(times, variables={name: 1.0}), "a.nc", not_after=TODAY)
             for name in BOTH.values()]
    assert np.isnan(parts[0]["ntol_up_mm"].values).all()
    merged = merge_loading(parts)
    assert np.isfinite(merged["ntal_up_mm"].values).all()
    assert np.isfinite(merged["ntol_up_mm"].values).all()


def test_a_damaged_file_is_offered_so_that_it_is_reported(inbox):
    (inbox / "2026.nc").write_bytes(maps(like.instants("2026-01-01", 3))[:5000])
    source = grids_of(inbox)
    assert [o.key for o in source.offers(NOW)] == ["2026.nc"]
    with pytest.raises(MalformedInputError):
        source.parse((inbox / "2026.nc").read_bytes(), "2026.nc", not_after=TODAY)


TIMES = like.instants("2026-01-01", 40)
VALUES = like.up_m(TIMES.size)
DAYS = np.arange("2026-01-01", "2026-02-10", dtype="M8[D]")


def stations_of(inbox, **options):
    given = {"unit": "m", "step_hours": 3} | options
    return FolderLoadingStations(inbox, sites_file=inbox / "sites.csv", **given)


@pytest.mark.parametrize("order", ["R EW NS", "R NS EW", "NS EW R", "EW R NS"])
def test_the_radial_column_is_found_in_every_order(inbox, order):
    content = like.station_text(TIMES, VALUES, order=order)
    data = stations_of(inbox).parse(content, "ALIC-1.ntal.cf", not_after=TODAY)
    check(data, LOADING, where="text")
    _, exact = daily_means(TIMES, VALUES[:, None], step_hours=3, where="truth")
    np.testing.assert_allclose(data["ntal_up_mm"], 1000.0 * exact, atol=1e-5)
    assert data["station"].values.tolist() == ["ALIC"]


def test_both_date_layouts_give_the_same(inbox):
    dotted, columns = (stations_of(inbox).parse(like.station_text(TIMES, VALUES, order=order),
                                                "ALIC.ntol", not_after=TODAY)
                       for order in ("R NS EW", "R EW NS"))
    assert dotted.identical(columns)


def test_daily_files_of_other_tools_are_read(inbox):
    up_mm = 2.0 * np.sin(np.arange(40.0))
    plain = stations_of(inbox, unit="mm", step_hours=24, up_column=4).parse(
        like.daily_enu_text(DAYS, up_mm), "DARW.ntal", not_after=TODAY)
    table = stations_of(inbox, unit="m", step_hours=24).parse(
        like.daily_csv_text(DAYS, up_mm), "NTAL21.DARW.txt", not_after=TODAY)
    np.testing.assert_allclose(plain["ntal_up_mm"][:, 0], up_mm, atol=1e-5)
    np.testing.assert_allclose(table["ntal_up_mm"][:, 0], up_mm, atol=1e-6)
    np.testing.assert_array_equal(plain["time"], DAYS.astype("M8[ns]"))


def test_offers_know_the_days_of_a_text_file(inbox):
    (inbox / "NTAL21.DARW.txt").write_bytes(like.daily_csv_text(DAYS, np.ones(40)))
    (inbox / "ALIC.ntal").write_bytes(b"half a file")
    offers = stations_of(inbox, step_hours=24).offers(NOW)
    assert [o.key for o in offers] == ["ALIC.ntal", "NTAL21.DARW.txt"]
    assert (offers[1].valid_from, offers[1].valid_to) == (DAYS[0].item(), DAYS[-1].item())


@pytest.mark.parametrize(("content", "name", "options", "words"), [
    (like.daily_enu_text(DAYS, np.ones(40)), "DARW.ntal", {}, "no radial column"),
    (like.daily_enu_text(DAYS, np.ones(40)), "DARW.ntal", {"up_column": 9}, "no radial column"),
    (like.station_text(TIMES, VALUES), "PERT.ntal", {}, "not clear"),
    (like.station_text(TIMES, VALUES), "DARW.hydl.txt", {}, "not clear"),
    (like.station_text(TIMES, VALUES), "DARW.ntal", {"unit": "mm"}, "looks like m"),
    (like.station_text(TIMES, VALUES, order="R[m] EW[m] NS[m]".replace("[m]", "")).replace(
        b"hour R EW NS", b"hour R[mm] EW[mm] NS[mm]"), "DARW.ntal", {}, 'unit = "mm"'),
    (like.station_text(TIMES, VALUES)[:-3], "DARW.ntal", {}, "cut off|row unlike"),
    (like.station_text(TIMES, VALUES) + b"2026 2 30 0 1 2 3\n", "DARW.ntal", {}, "no such instant"),
    (like.station_text(TIMES, VALUES) + b"2026 4 30 0 1 2 3\n", "DARW.ntal", {}, "future"),
    (like.station_text(TIMES, VALUES) + b"2026 1 3 0 1e-3 2 3\n", "DARW.ntal", {}, "two different"),
    (b"<html>\n", "DARW.ntal", {}, "web page"),
    (b"nothing here\n", "DARW.ntal", {}, "no row with a date"),
])
def test_what_cannot_be_right_is_refused(inbox, content, name, options, words):
    with pytest.raises(MalformedInputError, match=words):
        stations_of(inbox, **options).parse(content, name, not_after=TODAY)


@pytest.mark.parametrize("step_hours", [1, 3, 6, 12])
def test_the_trapezoid_is_exact_for_what_is_linear_in_time(step_hours):
    hours = np.arange(0, 24 * 5 + step_hours, step_hours)
    times = np.datetime64("2026-01-01", "s") + hours * np.timedelta64(1, "h")
    shuffled = np.random.default_rng(1).permutation(hours.size)
    days, means = daily_means(times[shuffled], hours[shuffled].astype(float),
                              step_hours=step_hours, where="line")
    np.testing.assert_array_equal(days, np.arange("2026-01-01", "2026-01-06", dtype="M8[D]"))
    np.testing.assert_allclose(means, 12.0 + 24.0 * np.arange(5))
