"""The services of a configuration: which are asked, where, as whom, and what is kept of them."""

import logging
from datetime import date

import numpy as np
import pytest
import synthetic

from dwlim_ops import services as services_module
from dwlim_ops.config import parse_config
from dwlim_ops.errors import ConfigError, SourceError
from dwlim_ops.feeds import build_feeds
from dwlim_ops.region import load_region
from dwlim_ops.services import Services, cells_of
from dwlim_ops.sources.endpoints import SERVICES
from tests.replicas import fields
from tests.replicas.gridfiles import grib_message

FIRST_DAY = date(2026, 8, 1)
SECRET = "5ecret-dddddddd"  # noqa: S105  # opens nothing
NGL = {"kind": "ngl", "sites": "region/stations.csv"}
WEATHER = {"kind": "services", "first_day": FIRST_DAY}
LOADING = {"kind": "esmgfz", "frame": "cf", "first_day": FIRST_DAY}
EVERYTHING = {"gnss": NGL, "weather": WEATHER, "loading": LOADING, "grace": {"kind": "services"}}


def configuration(**tables):
    content = synthetic.configuration()
    for name in ("endpoints", "http"):
        content[name] = tables.pop(name, {})
    content["sources"] = {"gnss": content["sources"]["gnss"], **tables}
    return parse_config(content, where="test")


@pytest.fixture(scope="module")
def region(tmp_path_factory):
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
def serve(region, tmp_path):
    """Services of a configuration, with a home that is `tmp_path / "home"`."""
    (tmp_path / "home").mkdir()
    made = []

    def make(config, **environment):
        made.append(Services(config, region[0], tmp_path / "kept", environment,
                             tmp_path / "home", Notes()))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def geometry(region):
    return region[1]


@pytest.mark.parametrize(("tables", "used"), [
    ({}, ()), ({"gnss": NGL}, ("ngl",)),
    ({"weather": WEATHER}, ("cds", "cmr", "opendap", "ecmwf_open")),
    ({"weather": {**WEATHER, "gldas_access": "file"}}, ("cds", "cmr", "gesdisc", "ecmwf_open")),
    ({"weather": {"kind": "grids", "folder": "x"}}, ()),
    ({"loading": LOADING}, ("esmgfz", "ecmwf_open")),
    ({"loading": {**LOADING, "own_fallback": False}}, ("esmgfz",)),
    ({"loading": {"kind": "folder", "folder": "x", "frame": "cf"}}, ()),
    ({"grace": {"kind": "services"}}, ("csr", "cmr", "podaac")),
    (EVERYTHING, ("ngl", "cds", "cmr", "opendap", "ecmwf_open", "esmgfz", "csr", "podaac"))])
def test_the_services_that_are_used_follow_from_the_sources(serve, tables, used):
    services = serve(configuration(**tables))
    assert services.used == used
    assert set(used) <= set(SERVICES)


@pytest.mark.parametrize("tables", [
    {}, {"gnss": NGL}, {"weather": WEATHER}, {"weather": {**WEATHER, "gldas_access": "file"}},
    {"loading": LOADING}, {"loading": {**LOADING, "own_fallback": False}},
    {"grace": {"kind": "services"}}, EVERYTHING])
def test_exactly_the_used_services_get_a_client(serve, geometry, tables, monkeypatch):
    monkeypatch.setattr(services_module, "fetch_orography", nobody)
    config = configuration(**tables)
    services = serve(config)
    build_feeds(config, services.root, services, lambda: geometry)
    assert set(services._clients) == set(services.used)


def nobody(*_):
    raise SourceError("nobody there", where="test")


def test_addresses_come_from_the_environment_before_the_configuration(serve):
    config = configuration(gnss=NGL, endpoints={"ngl": {"base_url": "https://a.example.org"}})
    assert serve(config).clients("ngl")[0].endpoint.base_url == "https://a.example.org"
    services = serve(config, DWLIM_NGL_BASE_URL="http://127.0.0.1:8",
                     DWLIM_ESMGFZ_BASE_URL="http://127.0.0.1:1,http://127.0.0.1:2",
                     DWLIM_GESDISC_LOGIN_HOST="127.0.0.1:3")
    assert [c.endpoint.base_url for c in services.clients("ngl")] == ["http://127.0.0.1:8"]
    assert [c.endpoint.host for c in services.clients("esmgfz")] == ["127.0.0.1:1", "127.0.0.1:2"]
    assert services.clients("gesdisc")[0].endpoint.login_host == "127.0.0.1:3"


def test_what_we_say_of_ourselves_comes_from_the_configuration(serve):
    http = {"contact": "me@example.org", "proxies": {"https": "http://proxy.example.org:3128"}}
    (client,) = serve(configuration(gnss=NGL, http=http)).clients("ngl")
    assert "me@example.org" in client._user_agent
    assert client._proxies == http["proxies"]
    (client,) = serve(configuration(gnss=NGL)).clients("ngl")
    assert client._user_agent.startswith("dwlim-ops/")
    assert "no contact given" in client._user_agent


def test_a_missing_file_of_certificates_is_named(serve):
    services = serve(configuration(gnss=NGL, http={"ca_file": "region/ca.pem"}))
    with pytest.raises(ConfigError, match="certificates") as caught:
        services.clients("ngl")
    assert caught.value.where.endswith("region/ca.pem")


def private(path, text, mode=0o600):
    path.write_text(text)
    path.chmod(mode)


def test_secrets_are_used_but_never_shown(serve, geometry, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(services_module, "fetch_orography", nobody)
    caplog.set_level(logging.DEBUG)
    private(tmp_path / "home/.netrc", f"machine urs.earthdata.nasa.gov login me password {SECRET}1")
    private(tmp_path / "home/.ecmwfdatastoresrc", f"key: {SECRET}2\n")
    config = configuration(**EVERYTHING, endpoints={"csr": {"token_env": "MY_MIRROR"}})
    services = serve(config, MY_MIRROR=f"{SECRET}3")
    feeds = build_feeds(config, services.root, services, lambda: geometry)
    assert services.endpoints["opendap"][0].password == f"{SECRET}1"
    assert services.endpoints["cds"][0].token == f"{SECRET}2"
    assert services.endpoints["csr"][0].token == f"{SECRET}3"
    shown = [repr(services.endpoints), repr(services._clients), repr(feeds), caplog.text,
             *(repr(vars(source)) for feed in feeds.values() for source in feed.sources)]
    assert not [text for text in shown if SECRET in text]


def test_the_home_is_not_looked_at_unless_a_service_is_used(serve, geometry, tmp_path):
    """Files that would be refused if they were opened."""
    for name in (".netrc", ".ecmwfdatastoresrc"):
        private(tmp_path / "home" / name, "not a netrc", mode=0o644)
    config = configuration(weather={"kind": "grids", "folder": "x"})
    services = serve(config)
    build_feeds(config, services.root, services, lambda: geometry)
    assert services.used == ()
    services.close()
    assert "endpoints" not in vars(services)
    with pytest.raises(ConfigError, match="others can read"):
        serve(configuration(gnss=NGL)).gnss()


def orography(height_m=None):
    """Geopotential of the region and a degree around, as ERA5 gives it."""
    longitude, latitude = np.arange(8.0, 24.1, 0.25), np.arange(52.0, 37.9, -0.25)
    x, y = np.meshgrid(longitude, latitude)
    height = fields.orography_m(x, y) if height_m is None else np.full(x.shape, height_m)
    return grib_message(height * 9.80665, longitude, latitude,
                        {"paramId": 129, "dataDate": 20200101}, edition=1)


@pytest.fixture
def fake_jobs(monkeypatch):
    """Stands for the queue: counts the calls and answers with `answer`."""
    class Jobs:
        def __init__(self):
            self.n_calls, self.answer = 0, orography()

        def __call__(self, jobs, cells):
            self.n_calls += 1
            if isinstance(self.answer, Exception):
                raise self.answer
            return self.answer

    jobs = Jobs()
    monkeypatch.setattr(services_module, "fetch_orography", jobs)
    monkeypatch.setattr("os.fsync", lambda _: None)
    return jobs


def cells_and_ground(services, geometry):
    """What every source of the weather was given."""
    sources = services.weather(geometry)
    given = {id(source._regridder.cells): source._regridder.cells for source in sources}
    assert len(given) == 1
    grounds = {id(source._orography): source._orography for source in sources
               if hasattr(source, "_orography")}
    assert len(grounds) == 1
    return (*given.values(), *grounds.values())


def test_the_height_of_the_ground_is_fetched_once_and_kept(serve, geometry, fake_jobs, tmp_path):
    config = configuration(weather=WEATHER)
    cells, ground = cells_and_ground(serve(config), geometry)
    assert fake_jobs.n_calls == 1
    (kept,) = (tmp_path / "kept").glob("toyland_era5_orography_*.grib")
    assert kept.read_bytes() == fake_jobs.answer
    assert [path.name for path in kept.parent.iterdir()] == [kept.name]
    expected = fields.orography_m(cells.longitude_deg, cells.latitude_deg)
    assert np.corrcoef(cells.height_m, expected)[0, 1] > 0.9
    assert np.abs(cells.height_m - expected).max() < 0.3 * np.ptp(expected)
    assert ground is not None
    again, _ = cells_and_ground(serve(config), geometry)
    assert fake_jobs.n_calls == 1
    np.testing.assert_array_equal(again.height_m, cells.height_m)


def test_a_plateau_gives_cells_of_its_height(serve, geometry, fake_jobs):
    fake_jobs.answer = orography(700.0)
    cells, _ = cells_and_ground(serve(configuration(weather=WEATHER)), geometry)
    np.testing.assert_allclose(cells.height_m, 700.0, atol=0.1)
    flat = cells_of(geometry)
    np.testing.assert_array_equal(cells.longitude_deg, flat.longitude_deg)
    assert cells.cell_deg == flat.cell_deg == synthetic.CELL_DEG


def test_without_the_height_of_the_ground_cells_are_flat_until_it_comes(serve, geometry,
                                                                       fake_jobs, tmp_path):
    config, answer = configuration(weather=WEATHER), fake_jobs.answer
    fake_jobs.answer = SourceError("not ready yet", where="era5_orography")
    cells, ground = cells_and_ground(serve(config), geometry)
    assert not cells.height_m.any()
    assert ground is None
    assert not (tmp_path / "kept").exists()
    fake_jobs.answer = answer
    cells, ground = cells_and_ground(serve(config), geometry)
    assert cells.height_m.any()
    assert ground is not None
    assert fake_jobs.n_calls == 2


def test_clients_are_made_once_and_all_are_closed(serve, monkeypatch):
    services = serve(configuration(**EVERYTHING))
    closed = []
    first = services.clients("esmgfz")
    assert services.clients("esmgfz") is first
    assert len(first) == 3
    others = services.clients("ngl")
    for client in (*first, *others):
        monkeypatch.setattr(client, "close", lambda client=client: closed.append(client))
    services.close()
    assert closed == [*first, *others]


def test_an_unused_set_of_services_closes_without_having_opened_anything(serve):
    services = serve(configuration())
    services.close()
    assert services._clients == {}


def test_stations_need_their_list(serve):
    services = serve(configuration(gnss=NGL))
    assert services.stations.name.tolist() == sorted(synthetic.truth().station)
    for one in services.gnss():
        assert one.name == "gnss"
    content = configuration(gnss=NGL).model_copy()
    sources = content.sources.model_copy(
        update={"gnss": content.sources.gnss.model_copy(update={"sites": None})})
    with pytest.raises(ConfigError) as caught:
        _ = serve(content.model_copy(update={"sources": sources})).stations
    assert caught.value.where == "sources.gnss.sites"


@pytest.mark.parametrize(("tables", "call", "where"), [
    ({}, lambda services, geometry: services.weather(geometry), "sources.weather.first_day"),
    ({"weather": {"kind": "grids", "folder": "x"}},
     lambda services, geometry: services.weather(geometry), "sources.weather.first_day"),
    ({}, lambda services, geometry: services.loading(), "sources.loading"),
    ({"loading": {"kind": "folder", "folder": "x", "frame": "ce"}},
     lambda services, geometry: services.loading(), "sources.loading")])
def test_what_a_service_needs_and_has_not_got_is_a_configuration_error(serve, geometry, tables,
                                                                      call, where):
    with pytest.raises(ConfigError) as caught:
        call(serve(configuration(**tables)), geometry)
    assert caught.value.where == where
    assert caught.value.expected


def test_mascons_are_asked_for_the_regions_area(serve, geometry):
    csr, jpl = serve(configuration(grace={"kind": "services"})).mascons(geometry)
    west, south, east, north = csr._bounds_deg
    assert csr._bounds_deg == jpl._bounds_deg
    longitude, latitude = geometry.cells
    assert west < longitude.min() < longitude.max() < east
    assert south < latitude.min() < latitude.max() < north
