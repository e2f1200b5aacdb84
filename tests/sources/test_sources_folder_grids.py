"""A folder of gridded files."""

import datetime
import os

import numpy as np
import pytest

from dwlim_ops.contracts import Source
from dwlim_ops.errors import ConfigError, MalformedInputError, SourceError
from dwlim_ops.sources.folder_grids import FolderGrids
from dwlim_ops.sources.formats.grids.regrid import Cells
from dwlim_ops.sources.formats.grids.weather import read_orography
from tests.replicas.gridfiles import Variable, grib_message, netcdf4_file

NOW = datetime.datetime(2026, 11, 22, 21, tzinfo=datetime.UTC)
TODAY = NOW.date()
CELLS = Cells(np.array([10.5, 11.5]), np.array([48.5, 48.5]), 1.0, np.array([0.0, 1000.0]))
LAT, LON = 50 - 0.25 * np.arange(9), 10 + 0.25 * np.arange(13)


def netcdf(hours, *, pressure_hpa=900.0, day="2026-11-10"):
    shape = (len(hours), 9, 13)
    grid = ("time", "lat", "lon")
    return netcdf4_file({
        "time": Variable(("time",), np.asarray(hours, float), {"units": f"hours since {day}"}),
        "lat": Variable(("lat",), LAT, {}), "lon": Variable(("lon",), LON, {}),
        "ps": Variable(grid, np.full(shape, pressure_hpa), {"units": "hPa"}),
        "tas": Variable(grid, np.full(shape, 6.85), {"units": "degC"})}, {})


def grib(hours):
    messages = []
    for hour in hours:
        stamp = NOW.replace(day=10, hour=0) + datetime.timedelta(hours=int(hour))
        keys = {"paramId": 235, "dataDate": int(f"{stamp:%Y%m%d}"), "dataTime": stamp.hour * 100,
                "bitsPerValue": 16}
        messages.append(grib_message(np.full((9, 13), 280.0 + hour), LON, LAT, keys, edition=1))
    return b"".join(messages)


@pytest.fixture
def inbox(tmp_path):
    (tmp_path / "a.nc").write_bytes(netcdf(range(0, 49, 3)))
    (tmp_path / "b.grib").write_bytes(grib(range(25)))
    (tmp_path / "notes.txt").write_text("no grid")
    (tmp_path / ".a.nc.part").write_bytes(b"half")
    return tmp_path


def source_of(inbox, **options):
    return FolderGrids(inbox, cells=CELLS, **options)


def test_files_are_offered_with_the_days_that_they_show(inbox):
    source: Source = source_of(inbox)
    offers = source.offers(NOW)
    assert [(o.key, o.valid_from.day, o.valid_to.day) for o in offers] == [
        ("a.nc", 10, 12), ("b.grib", 10, 11)]
    assert {(o.source, o.stream, o.available_at) for o in offers} == {("weather", "final", None)}
    os.utime(inbox / "a.nc", ns=(1, 1))
    assert source.offers(NOW)[0].version != offers[0].version
    assert source.offers(NOW)[1] == offers[1]


def test_instants_give_whole_days(inbox):
    source = source_of(inbox)
    netcdf_offer, grib_offer = source.offers(NOW)
    data = source.parse(source.fetch(netcdf_offer).content, "a.nc", not_after=TODAY)
    assert data.sizes == {"time": 2, "cell": 2}
    assert data["pressure_pa"].values == pytest.approx(np.full((2, 2), 9e4))
    assert data["temperature_k"].values == pytest.approx(np.full((2, 2), 280.0))
    skin = source.parse(source.fetch(grib_offer).content, "b.grib", not_after=TODAY)
    assert skin["skin_temperature_k"].values == pytest.approx(np.full((1, 2), 292.0), abs=1e-3)


def test_daily_means_have_to_be_declared(inbox):
    (inbox / "a.nc").write_bytes(netcdf([12, 36, 60]))
    with pytest.raises(MalformedInputError, match="daily means, say so"):
        source_of(inbox).parse((inbox / "a.nc").read_bytes(), "a.nc", not_after=TODAY)
    source = source_of(inbox, holding="daily_means")
    data = source.parse((inbox / "a.nc").read_bytes(), "a.nc", not_after=TODAY)
    assert data["time"].values.astype("datetime64[D]").astype(str).tolist() == [
        "2026-11-10", "2026-11-11", "2026-11-12"]
    with pytest.raises(MalformedInputError, match="several values a day"):
        source.parse(netcdf(range(0, 49, 3)), "a.nc", not_after=TODAY)


def test_pressure_is_brought_to_the_cells_if_the_ground_is_given(inbox):
    ground = read_orography(grib_message(
        np.full((9, 13), 9806.65), LON, LAT, {"paramId": 129, "dataDate": 20200101}, edition=1),
        where="z")
    for holding, hours in (("instants", range(0, 25, 6)), ("daily_means", [0])):
        source = source_of(inbox, holding=holding, orography=ground)
        data = source.parse(netcdf(hours), "a.nc", not_after=TODAY)
        assert data["pressure_pa"].values[0] == pytest.approx([9e4 * (1 + 6.5 / 280) ** 5.25588,
                                                               9e4], rel=1e-5)
        assert data["pressure_pa"].attrs["height"] == "cell"


def test_damaged_files_are_offered_so_that_they_are_reported(inbox):
    (inbox / "a.nc").write_bytes(b"<html>503</html>")
    source = source_of(inbox)
    offer = source.offers(NOW)[0]
    assert offer.key == "a.nc"
    with pytest.raises(MalformedInputError, match="neither GRIB nor netCDF"):
        source.parse(source.fetch(offer).content, offer.key, not_after=TODAY)


def test_days_to_come_wrong_units_and_lost_files_are_refused(inbox):
    source = source_of(inbox)
    offer = source.offers(NOW)[0]
    with pytest.raises(MalformedInputError, match="future"):
        source.parse((inbox / "a.nc").read_bytes(), "a.nc", not_after=datetime.date(2026, 11, 10))
    with pytest.raises(MalformedInputError, match="out of range"):
        source.parse(netcdf(range(0, 25, 3), pressure_hpa=90_000.0), "a.nc", not_after=TODAY)
    (inbox / "a.nc").unlink()
    with pytest.raises(SourceError, match="cannot be read"):
        source.fetch(offer)
    with pytest.raises(ConfigError, match="folder is not there"):
        source_of(inbox / "none").offers(NOW)


def test_a_replay_sees_each_day_when_it_would_have_come(inbox):
    source = source_of(inbox, latency_days=5)
    noon = datetime.datetime(2026, 11, 15, 12, tzinfo=datetime.UTC)
    assert [o.key for o in source.offers(noon)] == ["a.nc", "b.grib"]
    assert source.offers(noon - datetime.timedelta(seconds=1)) == []
    assert source.newest_visible_day(noon) == datetime.date(2026, 11, 10)
    assert source_of(inbox).newest_visible_day(noon) == datetime.date(2026, 11, 15)
