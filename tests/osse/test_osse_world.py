"""A synthetic Earth of a small region: the truth, and its files read by our own sources."""

from datetime import UTC, date, datetime
from functools import cache

import numpy as np
import pytest
import synthetic
import xarray as xr

from dwlim_ops.config import read_config
from dwlim_ops.errors import ConfigError
from dwlim_ops.geometry import read_outline
from dwlim_ops.invert.design import design_matrix
from dwlim_ops.osse import world as osse_world
from dwlim_ops.region import load_region
from dwlim_ops.regions import built_in_regions, region_folder
from dwlim_ops.services import cells_of
from dwlim_ops.sources.folder import FolderGnss, FolderLoading
from dwlim_ops.sources.folder_grids import FolderGrids
from dwlim_ops.sources.formats.steps import read_steps
from dwlim_ops.synthetic.settings import EarthSettings

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SMALL = EarthSettings(storms_per_year=40.0, droughts_per_year=2.0, steps_per_year=0.3)


@pytest.fixture(scope="session")
def region(tmp_path_factory):
    """The region file of the tests' small region."""
    return str(synthetic.build_workspace(tmp_path_factory.mktemp("toyland")).config_file)


@cache
def make(region, seed=1, *, thermal=False):
    settings = SMALL if seed == 1 else EarthSettings(seed=seed)
    return osse_world.make_world(region, n_years=4, settings=settings, quick=True,
                                 thermal=thermal)


@pytest.fixture(scope="session")
def world(region):
    return make(region)


@pytest.fixture(scope="session")
def written(world, region, tmp_path_factory):
    return osse_world.write_workspace(tmp_path_factory.mktemp("earth") / "ws", region, world)


def test_displacement_is_the_design_times_the_load(world):
    earth, fine = world.earth, world.fine
    load = earth.nature.water_series_mm[::100] @ earth.nature.water_patterns(*fine.cells)
    design = design_matrix(earth.stations.longitude_deg, earth.stations.latitude_deg, fine,
                           frame="cf")
    np.testing.assert_allclose(earth.hydrological_mm[::100], load @ design.T, rtol=0, atol=1e-10)
    assert earth.hydrological_mm.std() > 0.5


def test_the_true_load_lies_on_another_grid_than_the_inversion(world):
    assert world.fine.spacing_deg == world.geometry.grid.spacing_deg / 2
    share = world.share.sum(axis=1)
    land = world.geometry.grid.land_fraction[world.geometry.grid.domain]
    np.testing.assert_allclose(share[land == 1.0], 1.0, atol=1e-3)
    np.testing.assert_allclose(share[land == 0.0], 0.0, atol=0.3)


def test_cells_hold_the_mean_of_the_load_within_them(world):
    ones = world.on_cells(lambda lon, lat: np.stack([np.ones_like(lon), lat]))
    inside = world.geometry.grid.land_fraction[world.geometry.grid.domain] == 1.0
    latitude = world.geometry.grid.cells[1]
    np.testing.assert_allclose(ones[1, inside] / ones[0, inside], latitude[inside], atol=0.01)


def test_truth_has_no_mean_over_the_reference_period_and_no_trend_before_the_last_year(world):
    spans = world.spans
    days = world.earth.nature.time.tolist()
    basins = world.basins_mm(days)
    inside = [spans.first <= day <= spans.training_last for day in days]
    np.testing.assert_allclose(basins[inside].mean(axis=0), 0.0, atol=1e-9)
    again = osse_world.without_trend(world.earth.nature.time, basins)
    np.testing.assert_allclose(again, basins, atol=1e-9)
    assert basins.std() > 10.0
    cells = world.cells_mm(days[::50])
    np.testing.assert_allclose(world.geometry.basins.mean(cells), basins[::50], atol=1e-9)


def test_thermal_expansion_is_in_the_observed_series_only_if_asked_for(region, world):
    heated = make(region, thermal=True).earth
    np.testing.assert_allclose(heated.observed_mm - world.earth.observed_mm,
                               world.earth.thermal_mm, atol=1e-9)
    assert 0.0 < world.earth.thermal_mm.std() < 4.0


def test_loading_follows_the_pressure(world):
    pressure = world.earth.nature.weather(world.earth.stations.longitude_deg,
                                          world.earth.stations.latitude_deg)[1]
    loading = world.earth.loading.ntal_up_mm
    correlation = [np.corrcoef(pressure[:, n], loading[:, n])[0, 1]
                   for n in range(loading.shape[1])]
    assert max(correlation) < -0.8
    np.testing.assert_allclose(world.earth.modelled_loading.ntal_up_mm, 0.95 * loading)


@pytest.mark.parametrize("n_years", [4, 6])
def test_spans_follow_each_other(n_years):
    spans = osse_world.spans_of(n_years)
    assert spans.first == date(2011, 1, 1)
    assert spans.first < spans.training_last < spans.validation_last < spans.test_first
    assert spans.last.year == 2010 + n_years


def test_a_short_record_is_refused():
    with pytest.raises(ConfigError, match="too short a record"):
        osse_world.spans_of(3)


def test_the_same_seed_gives_the_same_files(region, world, written, tmp_path):
    again = osse_world.write_workspace(tmp_path / "ws", region, osse_world.make_world(
        region, n_years=4, settings=SMALL, quick=True))
    names = [path.relative_to(written.root) for path in sorted(written.root.rglob("*"))
             if path.is_file()]
    assert len(names) > synthetic.N_STATIONS
    for name in names:
        assert (again.root / name).read_bytes() == (written.root / name).read_bytes(), name


def test_another_seed_is_another_earth(region, world):
    assert not np.allclose(make(region, seed=2).earth.observed_mm, world.earth.observed_mm)


def test_station_files_give_back_displacement_errors_and_gaps(world, written):
    config = read_config(written.config_file)
    source = FolderGnss(written.root / config.sources.gnss.folder, format_name="tenv3",
                        sites_file=written.root / config.sources.gnss.sites)
    offers = source.offers(NOW)
    assert len(offers) == len(world.earth.stations.name)
    offer = offers[4]
    read = source.parse(source.fetch(offer).content, offer.key, not_after=NOW.date())
    column = world.earth.stations.name.index(str(read["station"].values[0]))
    rows = world.rows(read["time"].values.astype("datetime64[D]").tolist())
    absent = world.earth.disturbance.absent[:, column]
    np.testing.assert_array_equal(np.flatnonzero(~absent), rows)
    np.testing.assert_allclose(read["up_mm"].values[:, 0], world.earth.observed_mm[rows, column],
                               atol=6e-4)
    np.testing.assert_allclose(read["up_sigma_mm"].values[:, 0],
                               world.earth.disturbance.sigma_mm[rows, column], atol=6e-4)


def test_weather_files_give_back_the_weather_of_the_cells(world, written):
    source = FolderGrids(written.root / "inbox/weather", cells=cells_of(world.geometry),
                         holding="daily_means")
    offer = source.offers(NOW)[1]
    read = source.parse(source.fetch(offer).content, offer.key, not_after=NOW.date())
    rows = world.rows(read["time"].values.astype("datetime64[D]").tolist())
    temperature, pressure = world.earth.nature.weather(*world.geometry.cells)
    np.testing.assert_allclose(read["temperature_k"], temperature[rows], rtol=1e-6)
    np.testing.assert_allclose(read["pressure_pa"], pressure[rows], rtol=1e-6)


def test_loading_tables_give_back_the_modelled_loading(world, written):
    source = FolderLoading(written.root / "inbox/loading",
                           sites_file=written.root / "region/stations.csv")
    offer = source.offers(NOW)[0]
    read = source.parse(source.fetch(offer).content, offer.key, not_after=NOW.date())
    rows = world.rows(read["time"].values.astype("datetime64[D]").tolist())
    order = [world.earth.stations.name.index(name) for name in read["station"].values.tolist()]
    for name in ("ntal_up_mm", "ntol_up_mm"):
        told = getattr(world.earth.modelled_loading, name)
        np.testing.assert_allclose(read[name], told[rows][:, order], atol=6e-5)


def test_steps_are_listed(world, written):
    listed = read_steps(written.root / "region/steps.csv")
    time, names = world.earth.nature.time, world.earth.stations.name
    assert set(listed) == {(time[row].item(), names[column])
                           for row, column in world.earth.disturbance.steps}
    assert listed


def test_the_workspace_says_that_it_is_synthetic(world, written):
    region = read_config(written.config_file).region
    assert region.synthetic
    assert region.name == f"synthetic_{synthetic.REGION}"
    assert "synthetic Earth" in region.title


def test_a_workspace_is_not_overwritten(world, written, region):
    with pytest.raises(ConfigError, match="exists already"):
        osse_world.write_workspace(written.root, region, world)


def test_surroundings_reach_beyond_the_outline_where_there_is_land():
    folder = region_folder("china")
    around = read_outline(folder / osse_world.SURROUNDINGS)
    outline = read_outline(folder / "outline.geojson")
    assert around.area > 1.3 * outline.area
    assert around.buffer(0.01).contains(outline)


def test_china_has_ten_basins_and_every_site_but_those_abroad():
    assert "china" in built_in_regions()
    folder = region_folder("china")
    config = read_config(folder / "region.toml")
    geometry = load_region(config.region, folder)
    assert len(geometry.basins.identifier) == 10
    assert all("draft" in name for name in geometry.basins.name)
    stations = osse_world._stations(config, folder)
    assert len(stations.name) == 293
    outside = geometry.distance_outside_deg(stations.longitude_deg, stations.latitude_deg)
    assert (outside < config.region.widen_deg).mean() > 0.98
    assert not config.region.synthetic


def test_weather_grids_open_as_cf(written):
    with xr.open_dataset(written.root / "inbox/weather/weather_2012.nc") as opened:
        assert opened.sizes["time"] == 366
        assert opened["ps"].attrs["standard_name"] == "surface_air_pressure"
        assert "synthetic" in opened.attrs["title"]
