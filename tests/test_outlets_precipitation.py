"""Rain of the basins beside the water: from the sample's gauges, for the published days alone."""

import json
from datetime import date, timedelta
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from dwlim_ops.config import read_config
from dwlim_ops.outlets import precipitation
from dwlim_ops.region import load_region
from dwlim_ops.regions import region_folder
from dwlim_ops.workspace import Workspace

FIRST = date(2017, 6, 11)


@pytest.fixture(scope="module")
def sample():
    folder = region_folder("australia")
    config = read_config(folder / "region.toml")
    return config, load_region(config.region, folder)


@pytest.fixture
def session(sample, tmp_path):
    config, geometry = sample
    return SimpleNamespace(config=config, geometry=geometry, workspace=Workspace(tmp_path))


def published(session, basin):
    path = session.workspace.published / precipitation.path_of(basin)
    return json.loads(path.read_text())


def test_a_basin_has_the_rain_of_the_gauges_nearest_to_its_cells(session):
    days = [FIRST + timedelta(days=number) for number in range(5)]
    assert precipitation.refresh(session, dict.fromkeys(days), as_of=None) == []
    with xr.open_dataset(region_folder("australia") / "weather.nc") as data:
        of_day = data.sel(time=str(days[2]))
        rain, longitude, latitude = (of_day[name].values for name in (
            "rain_mm", "longitude_deg", "latitude_deg"))
    there, basins = np.isfinite(rain), session.geometry.basins
    cell_longitude, cell_latitude = map(np.radians, session.geometry.grid.cells)
    cosine = (np.sin(cell_latitude)[:, None] * np.sin(np.radians(latitude[there]))
              + np.cos(cell_latitude)[:, None] * np.cos(np.radians(latitude[there]))
              * np.cos(cell_longitude[:, None] - np.radians(longitude[there])))
    expected = basins.weight @ rain[there][cosine.argmax(axis=1)]
    for basin, value in zip(basins.identifier, expected, strict=True):
        content = published(session, basin)
        assert content["date"] == [str(day) for day in days]
        assert content["precipitation_mm"][2] == pytest.approx(value, abs=0.051)


def test_only_published_days_have_rain_and_the_file_follows_them(session):
    precipitation.refresh(session, dict.fromkeys([FIRST]), as_of=None)
    (basin, *_) = session.geometry.basins.identifier
    path = session.workspace.published / precipitation.path_of(basin)
    before = path.stat().st_mtime_ns
    precipitation.refresh(session, dict.fromkeys([FIRST]), as_of=None)
    assert path.stat().st_mtime_ns == before
    precipitation.refresh(session, dict.fromkeys([FIRST, FIRST + timedelta(days=1)]), as_of=None)
    assert published(session, basin)["date"] == [str(FIRST), str(FIRST + timedelta(days=1))]
    path.write_text("{")
    precipitation.refresh(session, dict.fromkeys([FIRST]), as_of=None)
    assert published(session, basin)["date"] == [str(FIRST)]


def test_a_region_without_gauges_has_no_such_file(session):
    gnss = session.config.sources.gnss.model_copy(update={"kind": "folder"})
    sources = session.config.sources.model_copy(update={"gnss": gnss})
    session.config = session.config.model_copy(update={"sources": sources})
    assert precipitation.refresh(session, {FIRST: None}, as_of=None) == []
    assert precipitation.refresh(session, {}, as_of=None) == []
    assert not session.workspace.published.exists()
