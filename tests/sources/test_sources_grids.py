"""Readers of gridded files, daily means, regridding and the height of the pressure."""

import gc
import subprocess
import sys
import threading
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from dwlim_ops.contracts import CELL, GRIDDED_WEATHER, Contract, check
from dwlim_ops.errors import ConfigError, MalformedInputError
from dwlim_ops.sources.formats.grids.daily_mean import daily_means
from dwlim_ops.sources.formats.grids.gldas import day_of, read_gldas
from dwlim_ops.sources.formats.grids.grib import read_grib, split_messages
from dwlim_ops.sources.formats.grids.isolated import IsolatedReader
from dwlim_ops.sources.formats.grids.netcdf import read_netcdf
from dwlim_ops.sources.formats.grids.pressure import cell_pressure_pa, reduce_pressure_pa
from dwlim_ops.sources.formats.grids.read import read_grid
from dwlim_ops.sources.formats.grids.regrid import (
    Cells,
    Regridder,
    cell_means,
    overlap_shares,
)
from dwlim_ops.sources.formats.grids.weather import (
    daily_weather,
    name_fields,
    read_orography,
    to_cells,
)
from tests.replicas.gridfiles import Variable, classic_file, grib_message, netcdf4_file

DATA = Path(__file__).parents[1] / "data" / "grids"
LAW = settings(derandomize=True, deadline=None, max_examples=25)
LAT, LON = 50 - 0.25 * np.arange(9), 10 + 0.25 * np.arange(13)
TIMES = np.datetime64("2026-11-16T00", "h") + np.arange(25)


def cells(longitude=(10.5, 11.5), latitude=(48.5, 49.5), height=None, cell_deg=1.0):
    lon, lat = (a.ravel() for a in np.meshgrid(longitude, latitude))
    return Cells(lon, lat, cell_deg, np.zeros(lon.size) if height is None else height)


def grid_of(values, lon=LON, lat=LAT[::-1], *, time=TIMES, name="sp", units="Pa"):
    values = np.broadcast_to(values, (len(time), len(lat), len(lon)))
    return xr.Dataset(
        {name: (("time", "lat", "lon"), values.astype(np.float32), {"units": units})},
        {"time": time.astype("datetime64[ns]"), "lat": np.asarray(lat), "lon": np.asarray(lon),
         "expver": ("time", np.full(len(time), "0001"))})


def grib(values=None, *, time="2026-11-16T00", edition=1, lon=LON, lat=LAT, **keys):
    stamp = np.datetime64(time, "h").item()
    base = {"class": "ea", "expver": "0005", "paramId": 134} if edition == 1 else {}
    base |= {"dataDate": int(f"{stamp:%Y%m%d}"), "dataTime": stamp.hour * 100, "bitsPerValue": 24}
    field = np.full((len(lat), len(lon)), 1e5) if values is None else values
    return grib_message(field, np.asarray(lon), np.asarray(lat), base | keys, edition=edition)


# GRIB.


def test_a_real_message_of_era5():
    grid = read_grib((DATA / "era5-single-level-scalar-time.grib").read_bytes(), where="sample")
    assert list(grid.data_vars) == ["2t"]
    assert grid["2t"].dims == ("time", "lat", "lon")
    assert grid["time"].values.astype(str).tolist() == ["2017-01-01T12:00:00.000000000"]
    assert grid["expver"].values.tolist() == ["0001"]
    assert (grid["lat"].values[0], grid["lat"].values[-1]) == (30.0, 60.0)
    assert (grid["lon"].values[0], grid["lon"].values[-1]) == (-10.0, 40.0)
    assert float(grid["2t"].mean()) == pytest.approx(279.356, abs=0.01)
    assert grid["2t"].sel(lat=30, lon=40).item() > grid["2t"].sel(lat=60, lon=40).item()


@pytest.mark.parametrize("edition", [1, 2])
def test_messages_of_both_editions_keep_their_values_and_place(edition):
    field = 1e5 + np.arange(LAT.size)[:, None] + 100.0 * np.arange(LON.size)
    keys = {} if edition == 1 else {"discipline": 0, "parameterCategory": 3, "parameterNumber": 0}
    content = grib(field, edition=edition, **keys) + b"\0" * 7 + grib(
        field + 1, time="2026-11-16T01", edition=edition, **keys)
    grid = read_grib(content, where="two")
    assert dict(grid.sizes) == {"time": 2, "lat": 9, "lon": 13}
    assert grid["sp"].values[0, ::-1] == pytest.approx(field, abs=0.02)
    assert grid["sp"].values[1, 0, 0] == pytest.approx(field[-1, 0] + 1, abs=0.02)
    assert grid["sp"].attrs["units"] == "Pa"


@pytest.mark.parametrize("lon", [np.arange(170, 190.1, 2.5), np.arange(0, 359.9, 2.5),
                                 np.arange(-180, 179.9, 2.5)])
def test_longitudes_of_grib_come_out_in_order(lon):
    field = np.cos(np.radians(lon))[None, :] * np.ones((LAT.size, 1)) + 3
    grid = read_grib(grib(field, lon=lon), where="lon")
    assert (np.diff(grid["lon"]) > 0).all()
    assert -180 <= grid["lon"].values[0] <= grid["lon"].values[-1] < 180
    expected = np.cos(np.radians(grid["lon"].values)) + 3
    assert grid["sp"].values[0, 0] == pytest.approx(expected, abs=1e-4)


def test_final_goes_before_preliminary_and_a_mixed_hour_is_preliminary():
    final = grib(np.full((9, 13), 2e4), expver="0001")
    for content in (final + grib(), grib() + final):
        grid = read_grib(content, where="mix")
        assert grid["sp"].values.max() == pytest.approx(2e4)
        assert grid["expver"].values.tolist() == ["0001"]
    grid = read_grib(final + grib(paramId=235), where="mix")
    assert set(grid.data_vars) == {"sp", "skt"}
    assert grid["expver"].values.tolist() == ["0005"]


def test_absent_points_are_nan():
    content = grib(np.where(np.eye(9, 13) > 0, 9999.0, 5.0), bitmapPresent=1, missingValue=9999.0)
    values = read_grib(content, where="bitmap")["sp"].values[0, ::-1]
    assert np.isnan(values[np.eye(9, 13) > 0]).all()
    assert (values[np.eye(9, 13) == 0] == 5.0).all()


@pytest.mark.parametrize(("content", "what"), [
    (b"", "empty"), (b"\0" * 99, "empty"), (b"GRIB", "not a GRIB"), (grib()[:-1], "cut off"),
    (grib()[:100], "cut off"), (grib() + b"<html>", "not a GRIB"), (grib() + grib(), "twice"),
    (b"GRIB\x00\x00\x20\x03" + b"\0" * 20 + b"7777", "not a GRIB"),
    (grib() + grib(lon=LON + 1, time="2026-11-16T01"), "several grids"),
    (grib(timeRangeIndicator=3), "another kind"),
    (grib()[:20] + b"\xff" * 30 + grib()[50:], "GRIB|kind"),
])
def test_bad_grib_is_refused(content, what):
    with pytest.raises(MalformedInputError, match=what):
        read_grib(content, where="bad")


def test_messages_are_split_at_their_own_lengths():
    first, second = grib(), grib(time="2026-11-16T01")
    assert split_messages(first + b"\0\0" + second, where="x") == [first, second]


# netCDF: the three layouts of ERA5, CF files, GLDAS.

AXES = {"latitude": Variable(("latitude",), LAT, {"units": "degrees_north"}),
        "longitude": Variable(("longitude",), LON, {"units": "degrees_east"})}
FIELD = 1e5 + np.arange(3 * 9 * 13.0).reshape(3, 9, 13)
HOURS = np.arange(1_112_040, 1_112_043, dtype=np.int32)


def new_layout(expver=("0001", "0001", "0005"), **attributes):
    seconds = ((HOURS - 613_608) * 3600).astype(np.int64)
    label = {"expver": Variable(("valid_time",), np.array(expver, "U4"))} if expver else {}
    return netcdf4_file({
        "number": Variable((), np.int64(0)[...], {}),
        "valid_time": Variable(("valid_time",), seconds, {
            "units": "seconds since 1970-01-01", "calendar": "proleptic_gregorian"}),
        **AXES, **label,
        "sp": Variable(("valid_time", "latitude", "longitude"), FIELD.astype(np.float32),
                       {"units": "Pa", "coordinates": "number valid_time latitude longitude expver",
                        **attributes}, fill=np.nan)}, {"Conventions": "CF-1.7"})


def packed(values):
    codes = np.where(np.isnan(values), -32767, np.round((values - 100_200.0) / 0.01))
    return codes.astype(np.int16)


def old_layout(values=FIELD, dims=("time", "latitude", "longitude"), extra=None):
    sizes = {"longitude": 13, "latitude": 9, "time": 3, **({"expver": 2} if extra else {})}
    return classic_file({
        **{name: Variable(v.dims, v.values.astype(np.float32), v.attributes)
           for name, v in AXES.items()}, **(extra or {}),
        "time": Variable(("time",), HOURS, {
            "units": "hours since 1900-01-01 00:00:00.0", "calendar": "gregorian"}),
        "sp": Variable(dims, packed(values), {
            "scale_factor": 0.01, "add_offset": 100_200.0, "units": "Pa",
            "missing_value": np.int16(-32767)}, fill=-32767)}, {"Conventions": "CF-1.6"}, sizes)


def versions_layout():
    first = np.array([True, True, False])[:, None, None]
    both = np.stack([np.where(first, FIELD, np.nan), np.where(first, np.nan, FIELD)], axis=1)
    extra = {"expver": Variable(("expver",), np.array([1, 5], np.int32), {})}
    return old_layout(both, ("time", "expver", "latitude", "longitude"), extra)


@pytest.mark.parametrize(("content", "expver"), [
    (new_layout(), ["0001", "0001", "0005"]), (new_layout(expver=()), ["", "", ""]),
    (old_layout(), ["", "", ""]), (versions_layout(), ["0001", "0001", "0005"]),
])
def test_the_layouts_of_era5_give_the_same_field(content, expver):
    grid = read_netcdf(content, where="era5")
    assert grid["sp"].dims == ("time", "lat", "lon")
    assert grid["sp"].values[:, ::-1] == pytest.approx(FIELD, abs=0.02)
    assert grid["expver"].values.tolist() == expver
    assert grid["time"].values[0] == np.datetime64("1900-01-01T00", "h") + HOURS[0]
    assert grid["sp"].attrs["units"] == "Pa"


def test_a_scalar_experiment_version_counts_for_every_time():
    content = netcdf4_file({
        "expver": Variable((), np.array("0001", "U4")),
        "time": Variable(("time",), HOURS, {"units": "hours since 1900-01-01"}), **AXES,
        "sp": Variable(("time", "latitude", "longitude"), FIELD, {"units": "Pa"})}, {})
    assert read_netcdf(content, where="x")["expver"].values.tolist() == ["0001"] * 3


def test_the_unphysical_fill_value_of_era5_is_absent():
    values = FIELD.astype(np.float32)
    values[0, 0, 0] = 3.4028234663852886e38
    content = netcdf4_file({
        "time": Variable(("time",), HOURS, {"units": "hours since 1900-01-01"}), **AXES,
        "sp": Variable(("time", "latitude", "longitude"), values, {"units": "Pa"})}, {})
    assert np.isnan(read_netcdf(content, where="x")["sp"].values[0, -1, 0])


def test_daily_means_with_bounds_belong_to_the_day_that_begins():
    content = netcdf4_file({
        "time": Variable(("time",), np.array([1.0, 2.0]), {
            "units": "days since 2026-01-01", "bounds": "time_bnds"}),
        "time_bnds": Variable(("time", "bnds"), np.array([[0.0, 1.0], [1.0, 2.0]]), {}), **AXES,
        "ps": Variable(("time", "latitude", "longitude"), FIELD[:2], {"units": "Pa"})},
        {}, dimensions={"bnds": 2})
    assert read_netcdf(content, where="x")["time"].values.astype("datetime64[D]").astype(
        str).tolist() == ["2026-01-01", "2026-01-02"]


@pytest.mark.parametrize(("change", "what"), [
    ({"time": Variable(("time",), HOURS, {"units": "hours since yesterday"})}, "time"),
    ({"time": Variable(("time",), HOURS, {"units": "days since 2000-01-01",
                                          "calendar": "360_day"})}, "time"),
    ({"time": Variable(("time",), HOURS * 0, {"units": "hours since 1900-01-01"})}, "repeated"),
    ({"sp": Variable(("time",), HOURS * 1.0, {"units": "Pa"})}, "no field"),
    ({"latitude": Variable(("latitude",), LAT * 3, {})}, "Earth"),
])
def test_bad_netcdf_is_refused(change, what):
    good = {"time": Variable(("time",), HOURS, {"units": "hours since 1900-01-01"}), **AXES,
            "sp": Variable(("time", "latitude", "longitude"), FIELD, {"units": "Pa"})}
    with pytest.raises(MalformedInputError, match=what):
        read_grid(netcdf4_file({**good, **change}, {}), where="bad")


def gldas_file(day="2020-02-29", label=None, fill=-9999.0, lat=None, units="K"):
    lat = 20.125 + 0.25 * np.arange(8) if lat is None else lat
    lon = 100.125 + 0.25 * np.arange(8)
    values = np.full((1, 8, 8), 290.0, np.float32)
    values[0, 0, :] = -9999.0
    return netcdf4_file({
        "time": Variable(("time",), np.zeros(1), {"units": f"days since {label or day} 00:00:00"}),
        "lat": Variable(("lat",), lat.astype(np.float32), {"units": "degrees_north"}),
        "lon": Variable(("lon",), lon.astype(np.float32), {"units": "degrees_east"}),
        "AvgSurfT_tavg": Variable(("time", "lat", "lon"), values, {"units": units}, fill=fill),
    }, {}, compress=True)


NAME = "GLDAS_CLSM025_DA1_D.A20200229.022.nc4"


@pytest.mark.parametrize("fill", [-9999.0, None])
def test_gldas_fill_is_absent_with_or_without_the_attribute(fill):
    grid = read_gldas(gldas_file(fill=fill), NAME)
    assert np.isnan(grid["temperature_k"].values[0, 0]).all()
    assert (grid["temperature_k"].values[0, 1:] == 290).all()
    assert grid["time"].values.astype("datetime64[D]").astype(str).tolist() == ["2020-02-29"]
    assert grid["lat"].values[:2].tolist() == [20.125, 20.375]


def test_gldas_of_another_day_unit_or_name_is_refused():
    with pytest.raises(MalformedInputError, match="another day"):
        read_gldas(gldas_file(label="2020-03-01"), NAME)
    with pytest.raises(MalformedInputError, match="AvgSurfT"):
        read_gldas(gldas_file(units="degC"), NAME)
    for name in ("GLDAS_NOAH025_3H.A20200229.021.nc4", "GLDAS_CLSM025_DA1_D.A20200231.022.nc4"):
        with pytest.raises(MalformedInputError, match="not a daily file"):
            day_of(name)


# Any file, and decoding apart.


def zipped(**members):
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def test_the_zip_surprise_gives_its_instantaneous_member():
    content = zipped(**{"data_stream-oper_stepType-instant.nc": new_layout(),
                        "data_stream-oper_stepType-accum.nc": b"other"})
    assert read_grid(content, where="zip")["sp"].values[0, -1, 0] == pytest.approx(1e5)
    with pytest.raises(MalformedInputError, match="outside"):
        read_grid(zipped(**{"../a.grib": grib()}), where="zip")
    with pytest.raises(MalformedInputError, match="neither"):
        read_grid(zipped(**{"a.grib": zipped(**{"b.grib": grib()})}), where="zip")


@pytest.mark.parametrize("content", [b"", b"<html>login</html>", b"\x1f\x8b\x08\x00", b"CDF\x09"])
def test_other_files_are_refused(content):
    with pytest.raises(MalformedInputError, match="neither GRIB nor netCDF"):
        read_grid(content, where="odd")


@pytest.mark.parametrize("keep", [9, 100, 2000, -1])
def test_cut_netcdf_is_refused(keep):
    with pytest.raises(MalformedInputError):
        read_grid(new_layout()[:keep], where="cut")


def test_a_file_on_which_the_library_loops_or_crashes_is_refused_and_the_next_is_read():
    hanging = (DATA / "hanging.nc").read_bytes()
    reader = IsolatedReader(limit_s=30.0)
    assert read_of(reader, read_netcdf, new_layout()).sizes["time"] == 3
    reader._limit_s = 0.5
    with pytest.raises(MalformedInputError, match="does not end"):
        read_of(reader, read_netcdf, hanging)
    reader._limit_s = 30.0
    assert read_of(reader, read_netcdf, new_layout()).sizes["time"] == 3
    killer = threading.Timer(0.3, reader._child.kill)
    killer.start()
    with pytest.raises(MalformedInputError, match="crashes"):
        read_of(reader, read_netcdf, hanging)
    killer.join()
    reader.close()


def test_the_libraries_of_the_formats_stay_out_of_the_main_process():
    program = (
        "import pathlib, sys\n"
        "import dwlim_ops.sources.era5, dwlim_ops.sources.ecmwf_open, dwlim_ops.sources.gldas\n"
        "import dwlim_ops.sources.folder_grids\n"
        "from dwlim_ops.sources.formats.grids.read import read_grid\n"
        "read_grid(pathlib.Path(sys.argv[1]).read_bytes(), where='x')\n"
        "assert not {'eccodes', 'netCDF4'} & set(sys.modules)\n"
        "import pyproj\n")
    sample = str(DATA / "era5-single-level-scalar-time.grib")
    subprocess.run([sys.executable, "-c", program, sample], check=True)


def test_a_plain_script_decodes_and_runs_once(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import pathlib, sys\n"
        "from dwlim_ops.sources.formats.grids.read import read_grid\n"
        "print('begun')\n"
        "data = read_grid(pathlib.Path(sys.argv[1]).read_bytes(), where='x')\n"
        "print(sorted(data.data_vars))\n")
    done = subprocess.run([sys.executable, script, DATA / "era5-single-level-scalar-time.grib"],
                          check=True, capture_output=True, text=True, timeout=120)
    begun, variables = done.stdout.splitlines()
    assert begun == "begun"
    assert variables == "['2t']"
    assert done.stderr == ""


def test_the_child_ends_with_its_reader():
    reader = IsolatedReader()
    reader.read(read_netcdf, new_layout(), where="x")
    child = reader._child
    del reader
    gc.collect()
    assert child.poll() is not None


def read_of(reader, decode, content):
    return reader.read(decode, content, where="x")


# Daily means.


@pytest.mark.parametrize(("step", "tolerance"), [(1, 1e-4), (3, 1e-4), (6, 1e-4)])
def test_the_trapezoid_is_exact_for_a_daily_cycle_and_a_trend(step, tolerance):
    hour = np.arange(-24, 49, step)
    time = np.datetime64("2026-11-16T00", "h") + hour
    values = 280 + 5 * np.cos(2 * np.pi * (hour - 14) / 24) + 0.5 * hour
    grid = grid_of(values[:, None, None], time=time, name="skt", units="K")
    daily = daily_means(grid, where="x")
    assert daily["time"].values.astype("datetime64[D]").astype(str).tolist() == [
        "2026-11-15", "2026-11-16", "2026-11-17"]
    assert daily["skt"].values[1] == pytest.approx(280 + 0.5 * 12, abs=tolerance)
    plain = values[(hour >= 0) & (hour < 24)].mean()
    assert plain == pytest.approx(286 - 0.5 * step / 2, abs=1e-6)


@pytest.mark.parametrize("missing", [0, 7, 24])
def test_a_day_without_all_its_instants_is_absent(missing):
    time = np.delete(TIMES, missing)
    assert daily_means(grid_of(1e5, time=time), where="x", step_hours=1).sizes["time"] == 0
    values = np.full((25, 9, 13), 1e5)
    values[missing, 2, 3] = np.nan
    daily = daily_means(grid_of(values), where="x", step_hours=1)["sp"].values[0]
    assert np.isnan(daily[2, 3])
    assert np.isnan(daily).sum() == 1


def test_instants_that_do_not_divide_the_day_are_refused():
    for hours in ([0, 5, 10], [0], [0, 0.5, 1]):
        time = np.datetime64("2026-11-16T00", "m") + (np.array(hours) * 60).astype(int)
        with pytest.raises(MalformedInputError, match="divide the day"):
            daily_means(grid_of(1e5, time=time), where="x")


# Regridding.

GRIDS = {
    "era5 nodes": (np.arange(-180, 180, 0.25), np.arange(-90, 90.1, 0.25)),
    "gldas centres": (np.arange(-179.875, 180, 0.25), np.arange(-59.875, 90, 0.25)),
    "coarse": (np.arange(-180, 180, 2.5), np.arange(-90, 90.1, 2.5)),
    "odd": (np.arange(-180, 180, 0.7200001), np.linspace(-89.6, 89.6, 249)),
}
PLACES = st.tuples(st.sampled_from(sorted(GRIDS)), st.integers(-180, 179), st.integers(-58, 89))


@settings(LAW, max_examples=8)
@given(PLACES, st.floats(-1e5, 1e5))
def test_a_constant_stays_and_every_cell_is_covered(place, value):
    name, west, south = place
    lon, lat = GRIDS[name]
    shares = overlap_shares(lon, lat, cells([west + 0.5], [south + 0.5]), where=name)
    assert shares.sum() == pytest.approx(1.0, abs=2e-3 if name == "odd" else 1e-9)
    field = np.full((1, lat.size, lon.size), value)
    assert cell_means(field, shares)[0, 0] == pytest.approx(value)


@pytest.mark.parametrize("name", ["era5 nodes", "gldas centres", "coarse"])
def test_the_integral_over_the_region_is_kept(name):
    lon, lat = GRIDS[name]
    region = cells(np.arange(-180, 180, 4) + 2.0, np.arange(-56, 88, 4) + 2.0, cell_deg=4.0)
    values = np.random.default_rng(1).normal(size=(1, lat.size, lon.size))
    half = (lat[1] - lat[0]) / 2
    top, bottom = (np.clip(lat + side, -56, 88) for side in (half, -half))
    point_area = np.clip(np.sin(np.radians(top)) - np.sin(np.radians(bottom)), 0, None)
    expected = (values[0] * point_area[:, None]).sum() * np.radians(lon[1] - lon[0])
    band = [np.sin(np.radians(region.latitude_deg + side)) for side in (2, -2)]
    found = cell_means(values, overlap_shares(lon, lat, region, where=name))[0]
    total = (found * (band[0] - band[1])).sum() * np.radians(4.0)
    assert total == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("name", ["era5 nodes", "gldas centres"])
def test_a_field_linear_in_latitude_and_the_half_cell_shift(name):
    lon, lat = GRIDS[name]
    region = cells([30.5], [20.5, 60.5])
    field = np.broadcast_to(lat[:, None], (1, lat.size, lon.size))
    found = cell_means(field, overlap_shares(lon, lat, region, where=name))[0]
    for centre, value in zip((20.5, 60.5), found, strict=True):
        edges = np.radians([centre - 0.5, centre + 0.5])
        exact = np.degrees(np.diff(edges * np.sin(edges) + np.cos(edges))
                           / np.diff(np.sin(edges)))[0]
        assert value == pytest.approx(exact, abs=2e-3)


def test_the_shift_between_nodes_and_centres_would_be_seen():
    lon, lat = GRIDS["gldas centres"]
    region = cells([30.5], [20.5])
    field = np.broadcast_to(lat[:, None], (1, lat.size, lon.size))
    right, wrong = (cell_means(field, overlap_shares(lon, lat + shift, region, where="x"))[0, 0]
                    for shift in (0.0, 0.125))
    assert right - wrong == pytest.approx(0.125, abs=0.01)


def conventions():
    lon, lat = np.arange(0, 360, 1.0) + 0.5, np.arange(-89.5, 90)
    field = np.sin(np.radians(lon))[None, :] + 0.1 * np.radians(lat)[:, None]
    west = (lon + 180) % 360 - 180
    order = np.argsort(west)
    return {"0..360 S->N": (lon, lat, field), "0..360 N->S": (lon, lat[::-1], field[::-1]),
            "-180..180 S->N": (west[order], lat, field[:, order]),
            "-180..180 N->S": (west[order], lat[::-1], field[::-1][:, order]),
            "-360..0": (lon - 360, lat, field)}


@pytest.mark.parametrize("name", conventions())
def test_every_convention_of_axes_gives_the_same_cells(name):
    lon, lat, field = conventions()[name]
    content = netcdf4_file({
        "time": Variable(("time",), np.zeros(1), {"units": "hours since 2026-11-16"}),
        "latitude": Variable(("latitude",), lat, {}),
        "longitude": Variable(("longitude",), lon, {}),
        "sp": Variable(("time", "latitude", "longitude"), field[None], {"units": "Pa"})}, {})
    grid = read_netcdf(content, where=name)
    region = cells([-179.5, 0.5, 116.5, 179.5], [-30.5, 40.5])
    found = cell_means(grid["sp"].values, Regridder(region).weights(grid, where=name))[0]
    expected = (np.sin(np.radians(region.longitude_deg))
                + 0.1 * np.radians(region.latitude_deg))
    assert found == pytest.approx(expected, abs=1e-6)


def test_a_region_across_the_date_line_from_a_cut_grid():
    lon = np.arange(176, 184.1, 0.25)
    grid = read_grib(grib(np.broadcast_to(lon, (9, lon.size)), lon=lon), where="x")
    region = cells([178.5, -178.5], [49.5])
    found = cell_means(grid["sp"].values, Regridder(region).weights(grid, where="x"))[0]
    assert found == pytest.approx([178.5, 181.5], abs=1e-3)
    north, west, south, east = region.bounds_deg
    assert (north, west, south, east) == (50.0, 178.0, 49.0, 182.0)


def test_sea_is_left_out_down_to_a_least_share():
    region = cells([10.5], [49.5])
    lon, lat = 10.125 + 0.25 * np.arange(4), 49.125 + 0.25 * np.arange(4)
    field = np.full((1, 4, 4), 280.0)
    field[0, :, 2:] = np.nan
    shares = overlap_shares(lon, lat, region, where="x")
    assert cell_means(field, shares)[0, 0] == pytest.approx(280.0)
    assert np.isnan(cell_means(field, shares, minimum_share=0.51)[0, 0])
    assert np.isnan(cell_means(field * np.nan, shares, minimum_share=0.0)[0, 0])


def test_cells_outside_of_the_grid_are_absent():
    shares = overlap_shares(LON, LAT[::-1], cells([10.5, 60.5], [49.5]), where="x")
    found = cell_means(np.full((1, 9, 13), 1.0), shares)[0]
    assert found[0] == 1.0
    assert np.isnan(found[1])


def test_weights_are_computed_once_for_each_grid():
    regridder = Regridder(cells())
    first = regridder.weights(grid_of(1.0), where="x")
    assert regridder.weights(grid_of(2.0), where="x") is first
    assert regridder.weights(grid_of(1.0, lon=LON + 0.5), where="x") is not first


@pytest.mark.parametrize("axis", [[10.0], [10.0, 10.25, 11.0, 11.25, 12.0], [1.0, 2.0, 2.5, 3.5]])
def test_an_irregular_grid_is_refused(axis):
    with pytest.raises(MalformedInputError, match="not regular"):
        overlap_shares(np.array(axis), LAT[::-1], cells(), where="x")
    with pytest.raises(MalformedInputError, match="not regular"):
        overlap_shares(LON, np.array([40.0, 40.25, 40.5, 44.0]), cells(), where="x")


def test_cells_need_a_place_and_a_height():
    with pytest.raises(ConfigError, match="without place"):
        Cells(np.zeros(2), np.zeros(2), 1.0, np.array([0.0, np.nan]))


# Height of the pressure.


def test_reduction_follows_the_icao_standard_atmosphere():
    heights = np.array([0.0, 1000, 2000, 3000, 5000, 8000])
    pressure = np.array([101325.0, 89874.6, 79495.2, 70108.5, 54019.9, 35599.8])
    temperature = 288.15 - 0.0065 * heights
    assert reduce_pressure_pa(101325.0, 288.15, 0.0, heights) == pytest.approx(pressure, rel=1e-5)
    assert reduce_pressure_pa(pressure, temperature, heights, 0.0) == pytest.approx(
        np.full(6, 101325.0), rel=1e-5)


@LAW
@given(st.floats(0, 5000), st.floats(0, 5000), st.floats(230, 310))
def test_there_and_back_gives_the_same_pressure(height, target, temperature):
    up = reduce_pressure_pa(9e4, temperature, height, target)
    back = reduce_pressure_pa(up, temperature - 0.0065 * (target - height), target, height)
    assert float(back) == pytest.approx(9e4)


def test_a_standard_atmosphere_over_any_ground_gives_that_of_the_cell():
    rng = np.random.default_rng(2)
    ground = rng.uniform(0, 4000, (9, 13))
    pressure = reduce_pressure_pa(101325.0, 288.15, 0.0, ground)[None]
    region = cells(height=np.array([0.0, 500.0, 3000.0, 5000.0]))
    shares = overlap_shares(LON, LAT[::-1], region, where="x")
    found = cell_pressure_pa(pressure, (288.15 - 0.0065 * ground)[None], ground, shares,
                             region.height_m, minimum_share=0.5)[0]
    assert found == pytest.approx(
        reduce_pressure_pa(101325.0, 288.15, 0.0, region.height_m), rel=1e-9)
    assert abs(cell_means(pressure, shares)[0] - found).max() > 5000


def orography_file(height_m=2000.0):
    return grib(np.full((9, 13), height_m * 9.80665), paramId=129, expver="0001")


def weather_grid():
    both = grid_of(79495.2)
    both["skt"] = grid_of(275.15, name="skt", units="K")["skt"]
    return both


def test_pressure_says_to_which_height_it_belongs():
    regridder = Regridder(cells(height=np.full(4, 1000.0)))
    plain = daily_weather(weather_grid(), regridder, where="x")
    assert plain["pressure_pa"].attrs["height"] == "model ground"
    assert plain["pressure_pa"].values[0] == pytest.approx(np.full(4, 79495.2), rel=1e-6)
    ground = read_orography(orography_file(), where="z")
    reduced = daily_weather(weather_grid(), regridder, orography=ground, where="x")
    assert reduced["pressure_pa"].attrs["height"] == "cell"
    assert reduced["pressure_pa"].values[0] == pytest.approx(np.full(4, 89874.6), rel=1e-4)
    subset = Contract("gridded_weather", {name: GRIDDED_WEATHER.variables[name] for name in
                                          ("pressure_pa", "skin_temperature_k")}, CELL)
    assert check(reduced, subset, where="x") is reduced


def test_a_geopotential_in_the_file_goes_before_that_given():
    grid = weather_grid()
    grid["z"] = grid_of(2000 * 9.80665, name="z", units="m**2 s**-2")["z"]
    grid["z"][1:] = np.nan
    regridder = Regridder(cells(height=np.full(4, 1000.0)))
    other = read_orography(orography_file(500.0), where="z")
    found = daily_weather(grid, regridder, orography=other, where="x")
    assert found["pressure_pa"].values[0] == pytest.approx(np.full(4, 89874.6), rel=1e-4)


def test_an_orography_must_be_one():
    with pytest.raises(MalformedInputError, match="no geopotential"):
        read_orography(grib(), where="z")
    with pytest.raises(MalformedInputError, match="impossible height"):
        read_orography(orography_file(20_000.0), where="z")
    elsewhere = read_orography(grib(np.zeros((9, 13)), paramId=129, lon=LON + 90), where="z")
    with pytest.raises(MalformedInputError, match="another grid"):
        daily_weather(weather_grid(), Regridder(cells()), orography=elsewhere, where="x")


# Names, units and ranges.


@pytest.mark.parametrize(("name", "units", "value", "ours", "expected"), [
    ("sp", "Pa", 9e4, "surface_pressure_pa", 9e4), ("ps", "hPa", 900, "surface_pressure_pa", 9e4),
    ("t2m", "degC", 6.85, "temperature_k", 280), ("tas", "K", 280, "temperature_k", 280),
    ("skt", "K", 280, "skin_temperature_k", 280),
])
def test_names_and_units(name, units, value, ours, expected):
    named = name_fields(grid_of(value, name=name, units=units), where="x")
    assert list(named.data_vars) == [ours]
    assert float(named[ours].mean()) == pytest.approx(expected, rel=1e-6)


def test_standard_names_serve_where_names_are_unknown():
    grid = grid_of(9e4, name="var134")
    grid["var134"].attrs["standard_name"] = "surface_air_pressure"
    assert "surface_pressure_pa" in name_fields(grid, where="x")


def test_unknown_units_doubles_and_strangers_are_refused():
    with pytest.raises(MalformedInputError, match="unknown unit"):
        name_fields(grid_of(1, units="psi"), where="x")
    with pytest.raises(MalformedInputError, match="unknown unit"):
        name_fields(grid_of(1, units="K"), where="x")
    twice = grid_of(9e4)
    twice["ps"] = twice["sp"]
    with pytest.raises(MalformedInputError, match="two variables"):
        name_fields(twice, where="x")
    with pytest.raises(MalformedInputError, match="no field that we use"):
        daily_weather(grid_of(1, name="u10"), Regridder(cells()), where="x")


def test_wrong_values_and_empty_regions_are_refused():
    regridder = Regridder(cells())
    with pytest.raises(MalformedInputError, match="out of range"):
        daily_weather(grid_of(900.0), regridder, where="x")
    with pytest.raises(MalformedInputError, match="no value for any cell"):
        daily_weather(grid_of(9e4), Regridder(cells([100.5])), where="x")
    with pytest.raises(MalformedInputError, match="no whole day"):
        daily_weather(grid_of(9e4, time=TIMES[:-1]), regridder, where="x")
    named = name_fields(grid_of(9e4), where="x")
    assert to_cells(named, regridder, where="x")["pressure_pa"].dims == ("time", "cell")
