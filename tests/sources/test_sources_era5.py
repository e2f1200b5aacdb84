"""ERA5 and ERA5T against a replica of the Climate Data Store: every fault of its catalogue."""

import datetime
from dataclasses import replace

import numpy as np
import pytest
from pytest_httpserver import HTTPServer

from dwlim_ops.contracts import Source
from dwlim_ops.errors import MalformedInputError, SourceError
from dwlim_ops.sources.cds_jobs import CdsJobs
from dwlim_ops.sources.era5 import DATASET, Era5, area_of, fetch_orography
from dwlim_ops.sources.formats.grids.regrid import Cells
from dwlim_ops.sources.formats.grids.weather import read_orography
from dwlim_ops.sources.http import Client, Endpoint, NotFoundError, RefusedError, UnavailableError
from tests.replicas import era5files, fields
from tests.replicas.cds import Cds
from tests.replicas.faults import CdsFault, General
from tests.replicas.gridfiles import grib_message
from tests.replicas.world import World

NOW = datetime.datetime(2026, 11, 22, 21, tzinfo=datetime.UTC)
TODAY = NOW.date()
DAY = datetime.date(2026, 11, 15)
CELLS = Cells(np.array([12.5, 13.5]), np.array([47.5, 47.5]), 1.0, np.zeros(2))


class Notes(dict):
    """A memory that a new process finds again."""

    recall = dict.get
    remember = dict.__setitem__

    def forget(self, key):
        self.pop(key, None)


class Clock:
    def __init__(self):
        self.now_s = 0.0

    def __call__(self):
        return self.now_s

    def sleep(self, seconds):
        self.now_s += max(seconds, 0.001)


@pytest.fixture
def cds():
    with Cds(World(now=NOW)) as running:
        yield running


@pytest.fixture
def notes():
    return Notes()


def client_of(cds, **options):
    endpoint = Endpoint(cds.base_url, auth="private_token", token=cds.token, **{
        "requests_per_second": 1e4, "attempts": 2, "deadline_s": 20.0, "read_timeout_s": 5.0,
        **options})
    return Client(endpoint, user_agent="tests", sleep=lambda _: None)


def source_of(cds, notes, stream="era5t", *, jobs=None, first_day=DAY, cells=CELLS, **options):
    http = client_of(cds, **options)
    return Era5(http, jobs or jobs_of(http, notes), notes, stream=stream, cells=cells,
                first_day=first_day)


def jobs_of(http, notes, **options):
    clock = Clock()
    return CdsJobs(http, notes, clock=clock, sleep=clock.sleep,
                   **{"patience_s": 60.0, "retry_after_s": 0.0, **options})


def offer_of(source, day=DAY):
    return next(o for o in source.offers(NOW) if o.valid_from == day)


def truth(field, day=DAY):
    """Mean of a field over the first cell, from a finer grid than the provider's, hourly."""
    step = (np.arange(40) - 19.5) / 40
    lon, lat = (a.ravel() for a in np.meshgrid(12.5 + step, 47.5 + step))
    time = np.datetime64(day, "m") + 60 * np.arange(25)
    weight = np.ones(25)
    weight[[0, -1]] = 0.5
    area = np.cos(np.radians(lat))
    return float(weight @ field(time, lon, lat) @ area / weight.sum() / area.sum())


def test_days_of_the_catalogue_are_offered_one_by_one(cds, notes):
    source: Source = source_of(cds, notes)
    offers = source.offers(NOW)
    assert [(o.key, o.valid_from, o.valid_to) for o in offers] == [
        ("era5t_2026-11-15.grib", DAY, DAY),
        ("era5t_2026-11-16.grib", datetime.date(2026, 11, 16), datetime.date(2026, 11, 16)),
        ("era5t_2026-11-17.grib", datetime.date(2026, 11, 17), datetime.date(2026, 11, 17))]
    assert {(o.source, o.stream, o.available_at) for o in offers} == {("weather", "era5t", None)}
    assert source.newest_visible_day(NOW) == TODAY
    assert [o.version for o in source.offers(NOW + datetime.timedelta(hours=1))] == [
        o.version for o in offers]
    moved = source_of(cds, notes, cells=replace(CELLS, latitude_deg=CELLS.latitude_deg + 1))
    assert moved.offers(NOW)[0].version != offers[0].version


def test_months_are_offered_again_when_they_are_final(cds, notes):
    first = datetime.date(2026, 6, 10)
    final = source_of(cds, notes, "era5", first_day=first).offers(NOW)
    assert [(o.key, o.valid_from, o.valid_to) for o in final] == [
        ("era5_2026-06.grib", first, datetime.date(2026, 6, 30)),
        ("era5_2026-07.grib", datetime.date(2026, 7, 1), datetime.date(2026, 7, 31))]
    early = source_of(cds, notes, first_day=first).offers(NOW)
    assert early[0].valid_from == datetime.date(2026, 8, 1)
    assert len(early) == 109


def test_a_day_comes_as_daily_means_of_the_cells(cds, notes):
    source = source_of(cds, notes)
    offer = offer_of(source)
    received = source.fetch(offer)
    data = source.parse(received.content, offer.key, not_after=TODAY)
    assert data["time"].values.astype("datetime64[D]").tolist() == [DAY]
    assert data["pressure_pa"].values[0, 0] == pytest.approx(truth(fields.pressure_pa), abs=20)
    assert data["skin_temperature_k"].values[0, 0] == pytest.approx(
        truth(fields.skin_temperature_k), abs=0.02)
    assert data.attrs["expver"] == "0005"
    assert data["pressure_pa"].attrs["height"] == "model ground"
    request = cds.asked("/execution", "POST")[0].json()["inputs"]
    assert request["date"] == ["2026-11-15/2026-11-16"]
    assert request["variable"] == ["surface_pressure", "skin_temperature"]
    assert request["area"] == [48.0, 12.0, 47.0, 14.0]
    assert len(request["time"]) == 24
    assert notes == {}
    assert len(cds.jobs) == 1


def test_a_final_month_is_taken_though_the_instant_after_it_is_preliminary(cds, notes):
    cds.world.now = datetime.datetime(2026, 11, 10, 13, tzinfo=datetime.UTC)
    first = datetime.date(2026, 7, 30)
    source = source_of(cds, notes, "era5", first_day=first)
    cds.fail_next(CdsFault.EXPVER_MIX)
    offer = source.offers(cds.world.now)[-1]
    with pytest.raises(SourceError, match="not final"):
        source.fetch(offer)
    again = source_of(cds, notes, "era5", first_day=first)
    again.offers(cds.world.now)
    n_jobs = len(cds.jobs)
    with pytest.raises(SourceError, match="asked again on 2026-11-17"):
        again.fetch(offer)
    assert len(cds.jobs) == n_jobs
    offer = again.offers(cds.world.now + datetime.timedelta(days=7))[-1]
    content = again.fetch(offer).content
    assert notes == {}
    data = again.parse(content, offer.key, not_after=TODAY)
    assert data.sizes["time"] == 2
    assert data.attrs["expver"] == "0001"


def parsed(asked, expver, key, *services):
    stream = key.partition("_")[0]
    return source_of(*services, stream).parse(era5files.encode(asked, expver), key, not_after=TODAY)


def asked_for(hours, layout="grib"):
    start = datetime.datetime(2026, 7, 31, tzinfo=datetime.UTC)
    return era5files.Asked(
        ("surface_pressure", "skin_temperature"),
        tuple(start + datetime.timedelta(hours=h) for h in hours),
        np.arange(12, 14.1, 0.25), np.arange(48, 46.9, -0.25), layout, False)


@pytest.mark.parametrize("layout", ["grib", "netcdf", "old_expver_netcdf"])
def test_the_version_in_the_content_decides_in_every_layout(cds, notes, layout):
    asked = asked_for(range(25), layout)
    month, day = "era5_2026-07.grib", "era5t_2026-07-31.grib"
    closing = ["0001"] * 24 + ["0005"]
    assert parsed(asked, closing, month, cds, notes).sizes["time"] == 1
    assert parsed(asked, closing, day, cds, notes).sizes["time"] == 1
    with pytest.raises(MalformedInputError, match="not of stream era5"):
        parsed(asked, ["0001"] * 23 + ["0005"] * 2, month, cds, notes)


def test_a_file_without_a_version_is_of_no_stream(cds, notes):
    asked = asked_for(range(25), "old_netcdf")
    with pytest.raises(MalformedInputError, match="got none"):
        parsed(asked, [], "era5_2026-07.grib", cds, notes)


def test_partial_days_are_absent_and_other_days_refused(cds, notes):
    asked = asked_for([*range(30)])
    data = parsed(asked, ["0005"] * 30, "era5t_2026-07-31.grib", cds, notes)
    assert data.sizes["time"] == 1
    with pytest.raises(MalformedInputError, match="no whole day"):
        parsed(asked_for(range(24)), ["0005"] * 24, "era5t_2026-07-31.grib", cds, notes)
    with pytest.raises(MalformedInputError, match="other days"):
        parsed(asked, ["0005"] * 30, "era5t_2026-08-05.grib", cds, notes)
    with pytest.raises(MalformedInputError, match="unknown file"):
        parsed(asked, ["0005"] * 30, "era5t_2026-13-05.grib", cds, notes)
    with pytest.raises(MalformedInputError, match="future"):
        source_of(cds, notes).parse(era5files.encode(asked, ["0005"] * 30),
                                    "era5t_2026-07-31.grib", not_after=datetime.date(2026, 7, 30))


# The fault catalogue, CDS (a) to (n).


@pytest.mark.parametrize("fault", [CdsFault.RATE_LIMITED, CdsFault.UNAVAILABLE])
def test_a_b_short_troubles_are_outlasted_and_long_ones_reported(cds, notes, fault):
    source = source_of(cds, notes)
    offer = offer_of(source)
    cds.fail_next(fault, where="/execution")
    assert source.fetch(offer).content
    cds.inject(fault, where="/execution")
    with pytest.raises(UnavailableError, match=r"429.*17 seconds|503"):
        source.fetch(offer)
    assert notes == {}


@pytest.mark.parametrize("fault", [CdsFault.JOB_FAILED, CdsFault.JOB_REJECTED])
def test_c_a_failed_job_is_reported_and_submitted_anew(cds, notes, fault):
    source = source_of(cds, notes)
    offer = offer_of(source)
    cds.fail_next(fault)
    with pytest.raises(SourceError, match="The job has failed"):
        source.fetch(offer)
    assert notes == {}
    assert source.fetch(offer).content
    assert len(cds.jobs) == 2


def test_d_m_a_slow_job_goes_on_and_is_resumed_by_a_new_process(cds, notes):
    source = source_of(cds, notes)
    offer = offer_of(source)
    cds.polls_until_done = 1000
    with pytest.raises(SourceError, match="not ready yet"):
        source.fetch(offer)
    assert list(notes.values()) == [f"{job} {NOW.date()}" for job in cds.jobs]
    cds.polls_until_done = 0
    assert source_of(cds, notes).fetch(offer).content
    assert len(cds.asked("/execution", "POST")) == 1
    assert notes == {}


def test_d_a_job_that_never_ends_is_given_up_after_a_day_and_submitted_anew(cds, notes):
    source = source_of(cds, notes)
    offer = offer_of(source)
    cds.inject(CdsFault.ACCEPTED_FOREVER)
    with pytest.raises(SourceError, match="not ready yet"):
        source.fetch(offer)
    cds.fault = None
    for days, n_jobs in ((1, 1), (2, 2)):
        later = source_of(cds, notes)
        later.offers(NOW + datetime.timedelta(days=days))
        if days == 1:
            with pytest.raises(SourceError, match="not ready yet"):
                later.fetch(offer)
        else:
            assert later.fetch(offer).content
        assert len(cds.jobs) == n_jobs
    assert notes == {}


def test_d_no_more_jobs_than_allowed_are_in_the_queue(cds, notes):
    http = client_of(cds)
    source = source_of(cds, notes, jobs=jobs_of(http, notes, jobs_in_flight=2))
    cds.inject(CdsFault.ACCEPTED_FOREVER)
    reasons = []
    for offer in source.offers(NOW):
        with pytest.raises(SourceError) as refused:
            source.fetch(offer)
        reasons.append(refused.value.what)
    assert reasons == ["not ready yet", "not ready yet", "waits for its turn"]
    assert len(cds.jobs) == 2


def test_e_relative_addresses_and_g_zips_are_read(cds, notes):
    source = source_of(cds, notes)
    for fault in (CdsFault.RELATIVE_HREF, CdsFault.ZIP_ANSWER):
        cds.fail_next(fault)
        offer = offer_of(source)
        content = source.fetch(offer).content
        assert source.parse(content, offer.key, not_after=TODAY).sizes["time"] == 1


@pytest.mark.parametrize("fault", [CdsFault.SHORT_CONTENT, CdsFault.HTML, CdsFault.CORRUPT_GRIB,
                                   CdsFault.ASSET_GONE])
def test_f_l_a_wrong_file_is_refused_and_its_job_forgotten(cds, notes, fault):
    source = source_of(cds, notes)
    offer = offer_of(source)
    cds.fail_next(fault)
    with pytest.raises(SourceError):
        source.fetch(offer)
    assert notes == {}
    assert source.fetch(offer).content


def test_h_the_licence_has_to_be_accepted(cds, notes):
    source = source_of(cds, notes)
    cds.inject(CdsFault.LICENCE)
    with pytest.raises(RefusedError, match=r"licences.*accept the licence"):
        source.fetch(offer_of(source))
    cds.fault = CdsFault.TOO_LARGE
    with pytest.raises(RefusedError, match=r"too large.*smaller area"):
        source.fetch(offer_of(source))


def test_i_not_available_yet(cds, notes):
    source = source_of(cds, notes)
    cds.inject(CdsFault.NOT_AVAILABLE_YET)
    with pytest.raises(SourceError, match="None of the data you have requested is available yet"):
        source.fetch(offer_of(source))


def test_k_missing_hours_are_asked_for_again(cds, notes):
    source = source_of(cds, notes)
    offer = source.offers(NOW)[-1]
    cds.world.now = NOW - datetime.timedelta(hours=30)
    with pytest.raises(SourceError, match="hours are missing"):
        source.fetch(offer)
    cds.world.now = NOW
    content = source.fetch(offer).content
    assert source.parse(content, offer.key, not_after=TODAY).sizes["time"] == 1


def test_n_a_job_that_is_gone_is_submitted_anew(cds, notes):
    source = source_of(cds, notes)
    offer = offer_of(source)
    cds.polls_until_done = 1000
    with pytest.raises(SourceError, match="not ready yet"):
        source.fetch(offer)
    cds.jobs.clear()
    cds.polls_until_done = 0
    assert source.fetch(offer).content
    assert len(cds.asked("/execution", "POST")) == 2


def test_a_job_that_goes_while_it_is_waited_for_is_submitted_next_time(cds, notes):
    source = source_of(cds, notes)
    offer = offer_of(source)
    cds.fail_next(CdsFault.JOB_GONE, where="log=True")
    with pytest.raises(NotFoundError):
        source.fetch(offer)
    cds.jobs.clear()
    assert source.fetch(offer).content


@pytest.mark.parametrize(("fault", "where"), [
    (General.HTML_PAGE, "/execution"), (General.EMPTY, "/results"),
    (General.FOREIGN_REDIRECT, "/execution"), (General.FOREIGN_REDIRECT, "/retrieve/v1/jobs"),
    (General.REDIRECT_LOOP, "/results"), (General.RESET, "/retrieve/v1/jobs"),
    (General.CLOSED, "/execution"), (General.TRUNCATED, "/results"),
    (General.NOT_FOUND, "/results"), (General.FORBIDDEN, "/execution"),
    (CdsFault.BAD_TOKEN, "/execution")])
def test_any_trouble_with_the_service_is_a_source_error(cds, notes, fault, where):
    source = source_of(cds, notes)
    offer = offer_of(source)
    cds.inject(fault, where=where)
    with pytest.raises(SourceError) as refused:
        source.fetch(offer)
    assert cds.token not in str(refused.value)
    assert not any(cds.token in repr(secret) for secret in cds.foreign.secrets)
    cds.fault = None
    assert source.fetch(offer).content


def test_the_catalogue_must_name_its_newest_day(notes):
    with HTTPServer() as server:
        server.expect_request(f"/catalogue/v1/collections/{DATASET}").respond_with_json({"a": 1})
        endpoint = Endpoint(server.url_for("/"), auth="private_token", token="t")  # noqa: S106
        http = Client(endpoint, user_agent="tests")
        source = Era5(http, jobs_of(http, notes), notes, stream="era5t", cells=CELLS,
                      first_day=DAY)
        with pytest.raises(SourceError, match="newest day"):
            source.offers(NOW)


def test_a_dead_host_is_a_source_error(cds, notes):
    source = source_of(cds, notes, attempts=1)
    offer = offer_of(source)
    cds.stop()
    with pytest.raises(SourceError):
        source.offers(NOW)
    with pytest.raises(UnavailableError):
        source.fetch(offer)
    cds.start()
    assert source.fetch(offer).content


def test_the_orography_is_one_more_job(cds, notes):
    jobs = jobs_of(client_of(cds), notes)
    ground = read_orography(fetch_orography(jobs, CELLS), where="z")
    lon, lat = (a.ravel() for a in np.meshgrid(ground.grid["lon"], ground.grid["lat"]))
    assert ground.grid["height_m"].values.ravel() == pytest.approx(
        fields.orography_m(lon, lat), abs=0.1)


def test_the_area_lies_on_the_nodes_of_the_provider_and_may_cross_the_date_line():
    assert area_of(CELLS) == (48.0, 12.0, 47.0, 14.0)
    narrow = Cells(np.array([12.4]), np.array([89.6]), 0.9, np.zeros(1))
    assert area_of(narrow) == (90.0, 11.75, 89.0, 13.0)
    pacific = Cells(np.array([179.5, -179.5]), np.array([0.5, 0.5]), 1.0, np.zeros(2))
    assert area_of(pacific) == (1.0, 179.0, 0.0, 181.0)


def test_pressure_is_brought_to_the_cells_where_the_ground_is_known(cds, notes):
    nodes = np.arange(12, 14.1, 0.25), np.arange(48, 46.9, -0.25)
    height = np.full((5, 9), 9.80665 * 1000.0)
    content = grib_message(height, *nodes, {"paramId": 129, "dataDate": 20200101}, edition=1)
    http = client_of(cds)
    source = Era5(http, jobs_of(http, notes), notes, stream="era5t", cells=CELLS, first_day=DAY,
                  orography=read_orography(content, where="z"))
    data = source.parse(era5files.encode(asked_for(range(25)), ["0005"] * 25),
                        "era5t_2026-07-31.grib", not_after=TODAY)
    assert data["pressure_pa"].attrs["height"] == "cell"
    day = datetime.date(2026, 7, 31)
    ratio = data["pressure_pa"].values[0, 0] / truth(fields.pressure_pa, day)
    warm = truth(fields.skin_temperature_k, day)
    assert ratio == pytest.approx((1 + 6.5 / warm) ** 5.25588, rel=1e-3)
