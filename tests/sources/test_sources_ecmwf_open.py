"""ECMWF open data against a replica."""

import datetime
from dataclasses import replace

import numpy as np
import pytest

from dwlim_ops.contracts import Source
from dwlim_ops.errors import MalformedInputError, SourceError
from dwlim_ops.sources.ecmwf_open import EcmwfOpen
from dwlim_ops.sources.formats.grids.regrid import Cells
from dwlim_ops.sources.http import Client, Endpoint, NotFoundError
from tests.replicas import ecmwf_open, fields
from tests.replicas.faults import EcmwfOpenFault, General
from tests.replicas.world import Box, World

NOW = datetime.datetime(2026, 11, 22, 21, tzinfo=datetime.UTC)
TODAY = NOW.date()
CELLS = Cells(np.array([12.5]), np.array([47.5]), 1.0, np.zeros(1))


@pytest.fixture(scope="module")
def running():
    with ecmwf_open.EcmwfOpen(World(Box(12.0, 47.0, 13.0, 48.0), now=NOW)) as service:
        yield service


@pytest.fixture
def service(running):
    yield running
    running.fault = None
    running.world.now = NOW
    running.forget_requests()


def source_of(service):
    endpoint = Endpoint(service.base_url, requests_per_second=1e4, attempts=2)
    return EcmwfOpen(Client(endpoint, user_agent="tests", sleep=lambda _: None), cells=CELLS)


def mean_of(field):
    """Mean of the day over the cell and at its points, from a finer grid than the provider's."""
    step = (np.arange(40) - 19.5) / 40
    lon, lat = (a.ravel() for a in np.meshgrid(12.5 + step, 47.5 + step))
    values = fields.daily_mean(field, np.array([TODAY], "datetime64[D]"), lon, lat)[0]
    return np.average(values, weights=np.cos(np.radians(lat))), values, lon, lat


def truth(*, at_sea_level):
    mean, pressure, lon, lat = mean_of(fields.pressure_pa)
    if not at_sea_level:
        return mean
    skin = mean_of(fields.skin_temperature_k)[1]
    reduced = pressure * (1 + 0.0065 * fields.orography_m(lon, lat) / skin) ** 5.25588
    return np.average(reduced, weights=np.cos(np.radians(lat)))


def test_the_days_of_the_window_are_offered_from_the_morning_on(service):
    source: Source = source_of(service)
    offers = source.offers(NOW)
    assert [o.key for o in offers] == [f"ifs_2026-11-{day}.grib2" for day in (19, 20, 21, 22)]
    assert {(o.source, o.stream) for o in offers} == {("weather", "ifs")}
    early = datetime.datetime(2026, 11, 22, 7, 59, tzinfo=datetime.UTC)
    assert source.offers(early)[-1].valid_to == datetime.date(2026, 11, 21)
    assert source.newest_visible_day(NOW) == TODAY


def test_a_day_is_the_trapezoid_over_the_steps_of_its_run(service):
    source = source_of(service)
    offer = source.offers(NOW)[-1]
    content = source.fetch(offer).content
    data = source.parse(content, offer.key, not_after=TODAY)
    assert data["time"].values.astype("datetime64[D]").tolist() == [TODAY]
    assert data["pressure_pa"].values[0, 0] == pytest.approx(truth(at_sea_level=True), abs=100)
    assert data["pressure_pa"].attrs["height"] == "cell"
    skin = data["skin_temperature_k"].values[0, 0]
    assert skin == pytest.approx(mean_of(fields.skin_temperature_k)[0] + 0.5, abs=0.3)
    ranges = [r for r in service.requests if "range" in r.headers]
    assert len(ranges) == 19
    assert {r.status for r in ranges} == {206}


def test_without_the_ground_in_the_index_pressure_is_that_of_the_models_ground(
        service, monkeypatch):
    whole = service._index

    def without_ground(*arguments):
        reply = whole(*arguments)
        lines = reply.body.splitlines(keepends=True)
        return replace(reply, body=b"".join(n for n in lines if b'"param": "z"' not in n))

    monkeypatch.setattr(service, "_index", without_ground)
    source = source_of(service)
    offer = source.offers(NOW)[-1]
    data = source.parse(source.fetch(offer).content, offer.key, not_after=TODAY)
    assert data["pressure_pa"].attrs["height"] == "model ground"
    assert data["pressure_pa"].values[0, 0] == pytest.approx(
        truth(at_sea_level=False) + 20, abs=60)


@pytest.mark.parametrize(("fault", "kind"), [
    (EcmwfOpenFault.RUN_LATE, SourceError), (EcmwfOpenFault.INDEX_MISSING, NotFoundError),
    (EcmwfOpenFault.INDEX_WRONG, SourceError), (EcmwfOpenFault.RANGES_IGNORED, SourceError),
    (General.HTML_PAGE, SourceError), (General.TRUNCATED, SourceError),
    (General.UNAVAILABLE, SourceError)])
def test_any_trouble_is_a_source_error(service, fault, kind):
    source = source_of(service)
    offer = source.offers(NOW)[-1]
    service.inject(fault)
    if fault is EcmwfOpenFault.RUN_LATE:
        service.world.now = NOW.replace(hour=8)
    with pytest.raises(kind):
        source.fetch(offer)


def test_a_run_that_has_left_the_window_is_not_found(service):
    source = source_of(service)
    offer = source.offers(NOW)[0]
    service.world.now = NOW + datetime.timedelta(days=1)
    with pytest.raises(NotFoundError):
        source.fetch(offer)


@pytest.mark.parametrize(("line", "what"), [
    (b"not json", "cannot be read"), (b"[1]", "cannot be read"), (b'{"param": "sp"}', "cannot"),
    (b'{"param": "sp", "levtype": "sfc", "_offset": 0, "_length": 9}', "without skt"),
    (b'{"param": "sp", "levtype": "sfc", "_offset": -1, "_length": 9}\n'
     b'{"param": "skt", "levtype": "sfc", "_offset": 0, "_length": 9}', "offset=-1"),
])
def test_an_index_that_does_not_fit_is_refused(service, monkeypatch, line, what):
    monkeypatch.setattr(service, "_index", lambda *_: ecmwf_open.static_file(
        line, NOW, "text/plain"))
    source = source_of(service)
    with pytest.raises(SourceError, match=what):
        source.fetch(source.offers(NOW)[-1])


def test_steps_of_another_day_or_too_few_are_malformed(service):
    source = source_of(service)
    offers = source.offers(NOW)
    content = source.fetch(offers[-1]).content
    with pytest.raises(MalformedInputError, match="other days"):
        source.parse(content, offers[0].key, not_after=TODAY)
    with pytest.raises(MalformedInputError, match="future"):
        source.parse(content, offers[-1].key, not_after=datetime.date(2026, 11, 21))
    last = content.rindex(b"GRIB")
    with pytest.raises(MalformedInputError, match=r"no value|no whole day"):
        source.parse(content[: content.rindex(b"GRIB", 0, last)], offers[-1].key, not_after=TODAY)
