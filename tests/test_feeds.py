"""Which sources a configuration names, in which order, and how their streams become one dataset."""

from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import pytest
import synthetic
import xarray as xr

from dwlim_ops import services as services_module
from dwlim_ops.config import parse_config
from dwlim_ops.contracts import CEILINGS, TIERS, Source
from dwlim_ops.errors import ConfigError, SourceError
from dwlim_ops.feeds import Feed, build_feeds
from dwlim_ops.inputs import OWN, PROXY
from dwlim_ops.region import load_region
from dwlim_ops.services import Services
from dwlim_ops.sources.datasets import gnss_dataset
from dwlim_ops.sources.ecmwf_open import EcmwfOpen
from dwlim_ops.sources.era5 import Era5
from dwlim_ops.sources.esmgfz import EsmgfzAnalysis, EsmgfzForecast, EsmgfzGrids
from dwlim_ops.sources.folder import FolderGnss, FolderLoading, FolderWeather
from dwlim_ops.sources.folder_grids import FolderGrids
from dwlim_ops.sources.folder_loading import FolderLoadingGrids, FolderLoadingStations
from dwlim_ops.sources.formats.gnss.registry import FORMATS
from dwlim_ops.sources.formats.grids.gldas import SHORT_NAME
from dwlim_ops.sources.formats.sites import Sites
from dwlim_ops.sources.gldas import Gldas
from dwlim_ops.sources.mascons import CsrMascons, JplMascons
from dwlim_ops.sources.merge import day_streams, merge_gnss, merge_gridded_weather
from dwlim_ops.sources.ngl import NglFinal, NglRapid
from dwlim_ops.sources.ngl_steps import NglSteps
from dwlim_ops.sources.sample import SampleGnss, SampleWeather
from dwlim_ops.sources.wide_pressure import WidePressure
from tests.replicas import ecmwf_open, era5files, gldasfiles
from tests.replicas.world import Box

FIRST_DAY = date(2026, 8, 1)
FOLDER = {"folder": "inbox/x", "latency_days": 2}
PLACES = {"sites": "region/stations.csv"}

GNSS = {
    "sample": {"kind": "sample"},
    "sample with rapid": {"kind": "sample", "latency_days": 14, "rapid_latency_days": 2},
    "ngl": {"kind": "ngl", **PLACES},
    "folder with rapid": {"kind": "folder", **FOLDER, **PLACES, "rapid_folder": "inbox/rapid",
                          "rapid_latency_days": 1},
    **{f"folder of {name}": {"kind": "folder", **FOLDER, **PLACES, "format": name, "unit": "mm"}
       for name in FORMATS},
}
WEATHER = {
    "sample": {"kind": "sample"},
    "sample with streams": {"kind": "sample", "preview_latency_days": 1, "era5t_latency_days": 5},
    "folder": {"kind": "folder", **FOLDER, "sites": "region/weather_sites.csv"},
    "grids": {"kind": "grids", **FOLDER},
    "services": {"kind": "services", "first_day": FIRST_DAY},
    "services with files": {"kind": "services", "first_day": FIRST_DAY, "gldas_access": "file"},
}
LOADING = {
    "folder": {"kind": "folder", **FOLDER, "frame": "cf"},
    "stations": {"kind": "stations", **FOLDER, "frame": "cm"},
    "grids": {"kind": "grids", **FOLDER, "frame": "ce", "variables": {"NTAL": "up"}},
    "esmgfz": {"kind": "esmgfz", "frame": "cf", "first_day": FIRST_DAY},
    "esmgfz alone": {"kind": "esmgfz", "frame": "cm", "first_day": FIRST_DAY,
                     "own_fallback": False},
    "esmgfz files": {"kind": "esmgfz", "frame": "cf", "first_day": FIRST_DAY, "access": "grids"},
}
GRACE = {"services": {"kind": "services"}}
KINDS = [(table, name) for table, kinds in (("gnss", GNSS), ("weather", WEATHER),
                                            ("loading", LOADING), ("grace", GRACE))
         for name in kinds]


def configuration(**sources):
    """`sources` by table; GNSS comes from a folder if nothing else is said. None: no table."""
    content = synthetic.configuration()
    content["sources"] = {"gnss": GNSS["folder of up"], **sources}
    content["sources"] = {name: table for name, table in content["sources"].items() if table}
    return parse_config(content, where="test")


def of_kind(table, name):
    return configuration(**{table: {"gnss": GNSS, "weather": WEATHER, "loading": LOADING,
                                    "grace": GRACE}[table][name]})


@pytest.fixture(scope="module")
def region(tmp_path_factory):
    """A folder with the region's files, and its geometry."""
    root = tmp_path_factory.mktemp("region")
    (root / "region").mkdir()
    for name, text in synthetic.region_files().items():
        (root / "region" / name).write_text(text)
    return root, load_region(configuration().region, root)


class Notes(dict):
    recall = dict.get
    remember = dict.__setitem__

    def forget(self, key):
        self.pop(key, None)


@pytest.fixture
def build(region, tmp_path, monkeypatch):
    """Builds feeds; nothing is asked of any service."""
    root, geometry = region

    def refuse(*_):
        raise SourceError("nobody there", where="test")

    monkeypatch.setattr(services_module, "fetch_orography", refuse)
    made = []

    def build_one(config):
        made.append(Services(config, root, tmp_path / "kept", {"ECMWF_DATASTORES_KEY": "key"},
                             tmp_path, Notes()))
        return build_feeds(config, root, made[-1], lambda: geometry)

    yield build_one
    for one in made:
        one.close()


def described(feed):
    return [(type(source), source.name, source.stream) for source in feed.sources]


@pytest.mark.parametrize(("name", "expected"), [
    ("sample", [(SampleGnss, "final")]),
    ("sample with rapid", [(SampleGnss, "rapid"), (SampleGnss, "final")]),
    ("ngl", [(NglRapid, "rapid"), (NglFinal, "final")]),
    ("folder of up", [(FolderGnss, "final")]),
    ("folder with rapid", [(FolderGnss, "rapid"), (FolderGnss, "final")])])
def test_displacement_has_its_streams_from_the_weakest(build, name, expected):
    content = GNSS[name]
    if content["kind"] == "sample":
        feeds = build(australia(gnss=content))
    else:
        feeds = build(configuration(gnss=content))
    assert list(feeds) == (["gnss", "steps"] if name == "ngl" else ["gnss"])
    assert described(feeds["gnss"]) == [(kind, "gnss", stream) for kind, stream in expected]
    assert feeds["gnss"].quantities == ("up_mm",)
    assert feeds["gnss"].streams == tuple(stream for _, stream in expected)


def australia(**sources):
    content = synthetic.configuration()
    content["region"]["name"] = "australia"
    content["sources"] = {"gnss": GNSS["sample"], **sources}
    return parse_config(content, where="test")


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_every_format_of_a_folder_is_a_source(build, name):
    (source,) = build(of_kind("gnss", f"folder of {name}"))["gnss"].sources
    assert isinstance(source, FolderGnss)
    assert source._format is FORMATS[name]


SERVICES = [(EcmwfOpen, "ifs"), (Era5, "era5t"), (Era5, "era5"), (Gldas, "gldas_ep"),
            (Gldas, "gldas_da")]


@pytest.mark.parametrize(("name", "expected"), [
    ("sample", [(SampleWeather, "final")]),
    ("sample with streams", [(SampleWeather, "preview"), (SampleWeather, "era5t"),
                             (SampleWeather, "final")]),
    ("folder", [(FolderWeather, "final")]),
    ("grids", [(FolderGrids, "final")]),
    ("services", SERVICES), ("services with files", SERVICES)])
def test_weather_has_its_streams_from_the_weakest(build, name, expected):
    config = australia(weather=WEATHER[name]) if "sample" in name else of_kind("weather", name)
    feed = build(config)["weather"]
    assert described(feed) == [(kind, "weather", stream) for kind, stream in expected]
    assert feed.quantities == ("temperature_k", "pressure_pa")
    gridded = name == "grids" or name.startswith("services")
    assert (feed.merge is merge_gridded_weather) == gridded


@pytest.mark.parametrize(("name", "expected"), [
    ("folder", [(FolderLoading, "final")]), ("stations", [(FolderLoadingStations, "analysis")]),
    ("grids", [(FolderLoadingGrids, "analysis")]),
    ("esmgfz", [(EsmgfzForecast, "forecast"), (EsmgfzAnalysis, "analysis")]),
    ("esmgfz alone", [(EsmgfzForecast, "forecast"), (EsmgfzAnalysis, "analysis")]),
    ("esmgfz files", [(EsmgfzGrids, "forecast"), (EsmgfzGrids, "analysis")])])
def test_loading_has_its_streams_from_the_weakest(build, name, expected):
    feeds = build(of_kind("loading", name))
    assert described(feeds["loading"]) == [(kind, "loading", stream) for kind, stream in expected]
    assert feeds["loading"].quantities == ("ntal_up_mm",)
    assert ("wide_pressure" in feeds) == (name in ("esmgfz", "esmgfz files"))
    if "wide_pressure" in feeds:
        assert described(feeds["wide_pressure"]) == [(WidePressure, "wide_pressure", "ifs")]
        assert feeds["wide_pressure"].quantities == ()


def test_the_possible_steps_are_those_of_the_provider_of_the_displacement(build):
    feeds = build(of_kind("gnss", "ngl"))
    assert described(feeds["steps"]) == [(NglSteps, "steps", "ngl")]
    assert feeds["steps"].quantities == ()


def test_both_centres_of_mascons_are_compared(build):
    feeds = build(of_kind("grace", "services"))
    assert described(feeds["grace"]) == [(CsrMascons, "grace", "csr"), (JplMascons, "grace", "jpl")]
    assert feeds["grace"].quantities == ()


def test_the_inputs_come_in_one_order(build):
    config = configuration(gnss=GNSS["ngl"], weather=WEATHER["services"],
                           loading=LOADING["esmgfz"], grace=GRACE["services"])
    assert list(build(config)) == ["gnss", "steps", "weather", "loading", "wide_pressure", "grace"]


def test_sources_of_a_provider_share_a_client(build):
    config = configuration(gnss=GNSS["ngl"], weather=WEATHER["services"],
                           loading=LOADING["esmgfz"], grace=GRACE["services"])
    feeds = build(config)
    ifs, era5t, era5, early, final = feeds["weather"].sources
    assert ifs._http is feeds["wide_pressure"].sources[0]._http
    assert era5t._http is era5._http
    assert era5t._jobs is era5._jobs
    assert early._cmr is final._cmr is feeds["grace"].sources[1]._catalogue
    assert early._data is final._data


#: What each source of the services gives; the others give every quantity of their feed.
CARRIED = {EcmwfOpen: {"pressure_pa"}, Era5: {"pressure_pa"}, Gldas: {"temperature_k"}}
BOX = Box(14.0, 43.0, 18.0, 47.0)


def file_of(source):
    """A small file of the provider, as its replica makes it, under the key of its offer."""
    if isinstance(source, EcmwfOpen):
        run = datetime.combine(FIRST_DAY, time(), UTC)
        parts = [ecmwf_open._messages(run, step, BOX) for step in range(0, 25, 3)]
        content = b"".join(part[name] for part in parts for name in ("sp", "skt"))
        return content, f"ifs_{FIRST_DAY}.grib2"
    if isinstance(source, Era5):
        asked = era5files.understand(source._request(FIRST_DAY, FIRST_DAY))
        content = era5files.encode(asked, ["0001"] * len(asked.hours))
        return content, f"era5t_{FIRST_DAY}.grib" if source.stream == "era5t" else (
            f"era5_{FIRST_DAY:%Y-%m}.grib")
    early = source.stream == "gldas_ep"
    name = f"{SHORT_NAME[source.stream]}.A{FIRST_DAY:%Y%m%d}.022.nc4"
    return gldasfiles.whole_file(FIRST_DAY, BOX, early=early, reprocessed=False), name


def test_each_service_gives_the_quantities_that_it_is_said_to(build):
    feed = build(of_kind("weather", "services"))["weather"]
    for source in feed.sources:
        content, key = file_of(source)
        data = source.parse(content, key, not_after=FIRST_DAY + timedelta(days=1))
        assert set(data.data_vars) & set(feed.quantities) == CARRIED[type(source)], source.stream


@pytest.mark.parametrize(("table", "name"), KINDS, ids=lambda value: value)
def test_every_stream_has_a_ceiling_for_each_quantity_that_it_carries(build, table, name):
    config = of_kind(table, name)
    if config.sources.gnss.kind == "sample" or (
            config.sources.weather and config.sources.weather.kind == "sample"):
        config = australia(**{table: {"gnss": GNSS, "weather": WEATHER}[table][name]})
    for feed in build(config).values():
        assert len(set(feed.streams)) == len(feed.streams)
        for quantity in feed.quantities:
            tiers = [CEILINGS[quantity][source.stream] for source in feed.sources
                     if quantity in CARRIED.get(type(source), feed.quantities)]
            assert tiers, quantity
            assert tiers == sorted(tiers, key=TIERS.index)
            assert set(tiers) <= set(TIERS)
            assert max(tiers, key=TIERS.index) == "definitive"


def test_what_we_make_up_for_has_a_ceiling_too():
    assert CEILINGS["temperature_k"][PROXY] == CEILINGS["ntal_up_mm"][OWN] == "final_gnss"


SITES = Sites(np.array(["AAAA", "BBBB"]), np.array([11.0, 12.0]), np.array([41.0, 42.0]),
              np.array([100.0, 200.0]))
DAYS = np.arange("2026-01-01", "2026-02-10", dtype="M8[D]")


def up(values, days=DAYS):
    values = np.asarray(values, float)
    return gnss_dataset(days, SITES, values, np.where(np.isnan(values), np.nan, 2.0),
                        np.zeros(values.shape, bool))


class Stream:
    """A source of which the name of its stream is all that counts."""

    name = "any"

    def __init__(self, stream):
        self.stream = stream


def feed_of(merge, quantity, *streams):
    sources: tuple[Source, ...] = tuple(map(Stream, streams))
    return Feed(sources, merge, (quantity,))


def test_rapid_solutions_are_brought_to_the_level_of_the_final_ones():
    truth = np.random.default_rng(1).normal(0.0, 4.0, (DAYS.size, 2))
    feed = feed_of(merge_gnss, "up_mm", "rapid", "final")
    both = feed.combine({"rapid": up((truth - 7.0)[10:], DAYS[10:]),
                         "final": up(truth[:30], DAYS[:30])})
    np.testing.assert_allclose(both["up_mm"], truth, atol=0.05 + 1e-9)
    np.testing.assert_array_equal(both["up_mm"][:30], truth[:30])
    assert (both["up_mm_stream"][:30] == 1).all()
    assert (both["up_mm_stream"][30:] == 0).all()
    assert both["up_mm_stream"].dtype == np.uint16
    assert "stream" not in both
    named = day_streams(both, "up_mm", feed.streams)
    assert named.tolist() == ["final"] * 30 + ["rapid"] * 10


@pytest.mark.parametrize(("stream", "number"), [("rapid", 0), ("final", 1)])
def test_one_stream_alone_is_taken_as_it_is(stream, number):
    values = np.random.default_rng(2).normal(0.0, 4.0, (DAYS.size, 2))
    feed = feed_of(merge_gnss, "up_mm", "rapid", "final")
    alone = feed.combine({stream: up(values)})
    np.testing.assert_array_equal(alone["up_mm"], values)
    assert (alone["up_mm_stream"] == number).all()
    assert set(day_streams(alone, "up_mm", feed.streams)) == {stream}


def test_without_any_stream_there_is_nothing():
    feed = feed_of(merge_gnss, "up_mm", "rapid", "final")
    assert feed.combine({}) is None
    assert feed.combine({"other": up(np.zeros((DAYS.size, 2)))}) is None


def gridded(first, n_days, value, name="pressure_pa"):
    days = np.datetime64("2026-01-01", "ns") + first * np.timedelta64(1, "D") + np.arange(
        n_days) * np.timedelta64(1, "D")
    return xr.Dataset({name: (("time", "cell"), np.full((n_days, 2), value))},
                      {"time": days, "cell": [0, 1], "longitude_deg": ("cell", [10.5, 11.5]),
                       "latitude_deg": ("cell", [40.5, 40.5])})


def test_other_streams_lie_over_each_other_in_their_order():
    feed = feed_of(merge_gridded_weather, "pressure_pa", "ifs", "era5t", "era5", "gldas_da")
    given = {"era5": gridded(0, 3, 9.3e4), "ifs": gridded(3, 4, 9.1e4),
             "era5t": gridded(2, 3, 9.2e4), "gldas_da": gridded(0, 2, 290.0, "temperature_k")}
    both = feed.combine(given)
    assert both["pressure_pa"].values[:, 0].tolist() == [9.3e4] * 3 + [9.2e4] * 2 + [9.1e4] * 2
    assert both["pressure_pa_stream"].values[:, 0].tolist() == [2, 2, 2, 1, 1, 0, 0]
    assert both["temperature_k_stream"].values[:2, 0].tolist() == [3, 3]
    again = feed.combine(dict(reversed(given.items())))
    xr.testing.assert_identical(both, again)


def test_preview_pressure_at_another_height_is_left_out_across_streams():
    """Better no preview than a step of some hPa at its seam."""
    feed = feed_of(merge_gridded_weather, "pressure_pa", "ifs", "era5")
    ground, cell = gridded(3, 4, 8e4), gridded(0, 3, 1e5)
    ground["pressure_pa"].attrs["height"] = "model ground"
    cell["pressure_pa"].attrs["height"] = "cell"
    both = feed.combine({"ifs": ground, "era5": cell})
    np.testing.assert_array_equal(both["pressure_pa"][:3], 1e5)
    assert np.isnan(both["pressure_pa"][3:]).all()
    assert both["pressure_pa"].attrs["height"] == "cell"
    assert day_streams(both, "pressure_pa", feed.streams).tolist() == ["era5"] * 3 + [""] * 4


@pytest.mark.parametrize(("content", "says"), [
    ({"gnss": {"kind": "ngl"}}, "sites"),
    ({"gnss": {"kind": "folder", "folder": "x"}}, "sites"),
    ({"gnss": {**GNSS["folder of up"], "rapid_folder": "y"}}, "rapid_latency_days"),
    ({"weather": {"kind": "services"}}, "first_day"),
    ({"weather": {"kind": "grids"}}, "folder"),
    ({"weather": {"kind": "folder", "folder": "x"}}, "sites"),
    ({"weather": {"kind": "grids", "folder": "x", "era5t_latency_days": 5}}, "sample"),
    ({"loading": {"kind": "esmgfz", "frame": "cf"}}, "first_day"),
    ({"loading": {"kind": "esmgfz", "frame": "ce", "first_day": FIRST_DAY}}, "frame"),
    ({"loading": {"kind": "grids", **FOLDER, "frame": "cf"}}, "variables"),
    ({"loading": {"kind": "stations", "frame": "cf"}}, "folder"),
    ({"grace": {"kind": "folder"}}, "grace")])
def test_what_is_missing_is_said_when_the_configuration_is_read(content, says):
    with pytest.raises(ConfigError, match=says):
        configuration(**content)


@pytest.mark.parametrize("name", ["folder", "stations", "grids", "esmgfz"])
def test_loading_needs_the_places_of_the_stations(build, name):
    config = australia(loading=LOADING[name])
    with pytest.raises(ConfigError) as caught:
        build(config)
    assert caught.value.where == "sources.gnss.sites"
    assert caught.value.expected


def test_the_unit_of_neu_must_be_given(build):
    content = {**GNSS["folder of neu"]}
    del content["unit"]
    with pytest.raises(ConfigError, match="unit is not given") as caught:
        build(configuration(gnss=content))
    assert "mm" in caught.value.expected


def test_an_unknown_format_is_named_with_those_that_there_are(build):
    with pytest.raises(ConfigError, match="no such format") as caught:
        build(configuration(gnss={**GNSS["folder of up"], "format": "tenv4"}))
    assert "tenv3" in caught.value.expected


def test_geometry_is_built_only_where_it_is_needed(region, tmp_path):
    root, _ = region

    def refuse():
        raise AssertionError("not needed")

    config = configuration(weather=WEATHER["folder"], loading=LOADING["grids"])
    services = Services(config, root, tmp_path, {}, tmp_path, Notes())
    assert list(build_feeds(config, root, services, refuse)) == ["gnss", "weather", "loading"]


def test_relative_folders_start_at_the_workspace(build, region):
    root, _ = region
    for table in ("gnss", "weather", "loading"):
        config = of_kind(table, "folder of up" if table == "gnss" else "grids")
        (source,) = build(config)[table].sources
        assert source._folder == root / "inbox/x"
        now = synthetic.AS_OF
        with pytest.raises(ConfigError, match="folder is not there"):
            source.offers(now)
        expected = (now - timedelta(days=2)).date()
        assert source.newest_visible_day(now) == expected
