"""The replicas, asked by clients that know nothing of them; each fault does what its name says."""

import datetime as dt
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import requests
from ecmwf.datastores import Client
from ecmwf.datastores.processing import DownloadError, ProcessingFailedError
from ecmwf.opendata import Client as OpenDataClient

from tests.replicas import cds as cds_module
from tests.replicas import cmr, faults, fields, fixtures, gldasfiles
from tests.replicas import ecmwf_open as ecmwf_open_module
from tests.replicas import esmgfz as esmgfz_module
from tests.replicas import ngl as ngl_module
from tests.replicas.csr import FILE as CSR_FILE
from tests.replicas.csr import MASK as CSR_MASK
from tests.replicas.csr import NEW_FILE as CSR_NEW_FILE
from tests.replicas.earthdata import PASSWORD, USER, Earthdata
from tests.replicas.faults import (
    CdsFault,
    CsrFault,
    EarthdataFault,
    EcmwfOpenFault,
    EsmgfzFault,
    General,
    NglFault,
)
from tests.replicas.fields import Array
from tests.replicas.mascons import EPOCH, monthly_water_cm
from tests.replicas.ngl import FINAL, PAGES, RAPID
from tests.replicas.server import CONTROL_PATH, UNRESOLVABLE_URL, Replica
from tests.replicas.world import REGIONS, Latencies, World, next_month

import eccodes  # isort: skip  # after pyproj, see `gridfiles`

world, internet = fixtures.world, fixtures.internet
ngl, cds, earthdata = fixtures.ngl, fixtures.cds, fixtures.earthdata
ecmwf_open, esmgfz, csr = fixtures.ecmwf_open, fixtures.esmgfz, fixtures.csr

#: Seconds; only what never comes is waited for so short.
SOON = 0.5
NOW = dt.datetime(2026, 11, 22, 21, tzinfo=dt.UTC)
BODY_FAULTS = [General.TRUNCATED, General.CHUNKED_TRUNCATED, General.RESET_IN_BODY,
               General.STALL_IN_BODY]
STATUS_FAULTS = {General.RATE_LIMITED: 429, General.UNAVAILABLE: 503, General.SERVER_ERROR: 500,
                 General.FORBIDDEN: 403, General.NOT_FOUND: 404}


def get(replica: Replica, path: str, **options: object) -> requests.Response:
    """Without netrc and proxies; `path` below the base address."""
    with requests.Session() as session:
        session.trust_env = False
        return session.get(replica.base_url + path, timeout=10, **options)


def opened(content: bytes) -> netCDF4.Dataset:
    return netCDF4.Dataset("memory", memory=content)


def days_since(text: str, value: float) -> dt.date:
    return dt.date.fromisoformat(text.split()[2][:10]) + dt.timedelta(days=float(value))


# World.


@pytest.mark.parametrize(("now", "expected"), [
    ("2026-09-26T20:00", {"rapid_last_day": "2026-09-24", "final_last_day": "2026-09-12",
                          "era5_last_hour": "2026-09-22 07", "loading_last_day": "2026-09-25"}),
    ("2026-11-22T09:00", {"rapid_last_day": "2026-11-19", "loading_last_day": "2026-11-20",
                          "gldas_early_until": "2026-09-30", "gldas_main_until": "2026-07-31",
                          "era5_final_until": "2026-08-31", "mascon_last_month": "2026-07-01"}),
    ("2026-11-05T13:00", {"gldas_early_until": "2026-09-30"}),
    ("2026-11-05T11:00", {"gldas_early_until": "2026-08-31"}),
])
def test_what_is_out_follows_the_latencies(now, expected):
    world = World(now=dt.datetime.fromisoformat(now).replace(tzinfo=dt.UTC))
    for name, value in expected.items():
        assert str(getattr(world, name)()).startswith(value), name


def test_ages_stay_within_what_the_reference_tells():
    world = World()
    for hour in range(0, 24 * 40, 7):
        world.now = dt.datetime(2026, 10, 1, tzinfo=dt.UTC) + dt.timedelta(hours=hour)
        today = world.now.date()
        assert 2 <= (today - world.rapid_last_day()).days <= 3
        assert 10 <= (today - world.final_last_day()).days <= 17
        assert 4 <= (today - world.era5_last_hour().date()).days <= 5
        assert world.gldas_main_until() < world.gldas_early_until() < today
        assert len(world.open_data_runs()) == 16
    world.now = dt.datetime(2026, 10, 5, 12, tzinfo=dt.UTC)
    assert world.open_data_runs()[-1] == dt.datetime(2026, 10, 5, tzinfo=dt.UTC)
    with pytest.raises(ValueError, match="time zone"):
        world.now = dt.datetime(2026, 10, 5)  # noqa: DTZ001


def test_magnitudes_and_signs():
    world = World()
    day = np.arange("2026-01-01", "2026-07-01", dtype="datetime64[D]")
    place = (np.array([s.longitude_deg for s in world.stations]),
             np.array([s.latitude_deg for s in world.stations]))
    ntal = fields.daily_mean(fields.ntal_up_mm, day, *place)
    pressure = fields.daily_mean(fields.pressure_pa, day, *place)
    water = fields.daily_mean(fields.water_mm, day, *place)
    up = fields.daily_mean(fields.hydrology_up_mm, day, *place)
    assert ((ntal.std(axis=0) > 1.0) & (ntal.std(axis=0) < 3.0)).all()
    assert np.corrcoef(ntal[:, 0], pressure[:, 0])[0, 1] < -0.99
    assert np.corrcoef(up[:, 0], water[:, 0])[0, 1] < -0.99
    assert 85_000 < pressure.min() < pressure.max() < 106_000
    skin = fields.daily_mean(fields.skin_temperature_k, day, *place)[:, 3]
    gldas = fields.gldas_temperature_k(day, *place)[:, 3]
    gain, bias = np.polyfit(skin - 288.0, gldas - 288.0, 1)
    assert gain == pytest.approx(fields.bridge_gain(*place)[3], abs=0.03)
    assert bias == pytest.approx(fields.bridge_bias_k(*place)[3], abs=0.2)


def test_two_worlds_give_the_same_bytes_and_regions_their_own_places():
    first, second = World(), World()
    assert first.stations == second.stations
    assert np.array_equal(first.final_series(first.stations[4]).up_mm,
                          second.final_series(second.stations[4]).up_mm)
    day = dt.date(2026, 7, 5)
    whole = gldasfiles.whole_file.__wrapped__
    assert (whole(day, first.box, early=False, reprocessed=False)
            == whole(day, second.box, early=False, reprocessed=False))
    far = World(REGIONS["australia"], n_stations=5)
    assert all(-44 < s.latitude_deg < -10 and 113 < s.longitude_deg < 154 for s in far.stations)
    assert World(stations=far.stations[:2]).stations == far.stations[:2]
    assert World(latencies=Latencies(rapid=dt.timedelta(days=5))).rapid_last_day() == dt.date(
        2026, 11, 17)


# The server under all of them.


def test_requests_are_recorded_with_their_headers(ngl):
    get(ngl, PAGES + "llh.out?x=1", headers={"X-Mine": "yes"})
    request, = ngl.asked("llh.out")
    assert (request.method, request.path, request.status) == ("GET", PAGES + "llh.out", 200)
    assert request.headers["x-mine"] == "yes"
    assert request.parameter("x") == "1"
    ngl.forget_requests()
    assert ngl.requests == []


def test_conditional_get(ngl, world):
    whole = get(ngl, PAGES + "steps.txt")
    etag, stamp = whole.headers["ETag"], whole.headers["Last-Modified"]
    assert stamp == "Tue, 17 Nov 2026 12:00:00 GMT"
    assert whole.headers["Date"] == "Sun, 22 Nov 2026 21:00:00 GMT"
    path = FINAL + "S000.tenv3"
    for headers in ({"If-None-Match": etag}, {"If-Modified-Since": stamp}):
        same = get(ngl, PAGES + "steps.txt", headers=headers)
        assert (same.status_code, same.content) == (304, b"")
    old = get(ngl, path)
    world.now += dt.timedelta(days=7)
    known = {"If-None-Match": old.headers["ETag"],
             "If-Modified-Since": old.headers["Last-Modified"]}
    new = get(ngl, path, headers=known)
    assert new.status_code == 200
    assert len(new.content) > len(old.content)
    assert new.headers["Last-Modified"] == "Tue, 24 Nov 2026 12:00:00 GMT"


def test_faults_of_validators(ngl):
    etag = get(ngl, PAGES + "steps.txt").headers["ETag"]
    ngl.fault = General.IGNORES_VALIDATORS
    assert get(ngl, PAGES + "steps.txt", headers={"If-None-Match": etag}).status_code == 200
    ngl.fault = General.NO_VALIDATORS
    bare = get(ngl, PAGES + "steps.txt", headers={"If-None-Match": etag})
    assert bare.status_code == 200
    assert {"ETag", "Last-Modified"}.isdisjoint(bare.headers)


def test_byte_ranges(ngl):
    path = PAGES + "llh.out"
    whole = get(ngl, path).content
    for asked, expected in (("0-9", whole[:10]), ("-7", whole[-7:]), ("20-", whole[20:])):
        part = get(ngl, path, headers={"Range": f"bytes={asked}"})
        assert (part.status_code, part.content) == (206, expected)
        assert part.headers["Content-Range"].endswith(f"/{len(whole)}")
    several = get(ngl, path, headers={"Range": "bytes=0-4,10-14"})
    assert several.headers["Content-Type"].startswith("multipart/byteranges; boundary=")
    assert several.content.count(b"Content-Range: bytes ") == 2
    assert get(ngl, path, headers={"Range": "bytes=9999999-"}).status_code == 416
    head = requests.head(ngl.base_url + path, timeout=5)
    assert int(head.headers["Content-Length"]) == len(whole)


@pytest.mark.parametrize(("fault", "status"), STATUS_FAULTS.items())
def test_faults_of_status(ngl, fault, status):
    ngl.fail_next(fault)
    broken = get(ngl, PAGES + "llh.out")
    assert broken.status_code == status
    assert ("Retry-After" in broken.headers) == (fault is General.RATE_LIMITED)
    assert get(ngl, PAGES + "llh.out").status_code == 200


@pytest.mark.parametrize("fault", BODY_FAULTS)
def test_faults_in_the_body(ngl, fault):
    whole = get(ngl, PAGES + "llh.out").content
    ngl.fault = fault
    pieces: list[bytes] = []
    timeout = SOON if fault is General.STALL_IN_BODY else 10
    with requests.get(ngl.base_url + PAGES + "llh.out", stream=True, timeout=timeout) as answer:
        length = answer.headers.get("Content-Length")
        with pytest.raises(requests.RequestException) as broken:
            pieces.extend(answer.iter_content(64))
    received = b"".join(pieces)
    assert whole.startswith(received)
    assert 0 < len(received) <= len(whole) // 2
    assert length == (None if fault is General.CHUNKED_TRUNCATED else str(len(whole)))
    kind = (requests.ConnectionError if fault is General.STALL_IN_BODY
            else requests.exceptions.ChunkedEncodingError)
    assert type(broken.value) is kind


@pytest.mark.parametrize(("fault", "outcome"), [
    (General.HANG, TimeoutError), (General.RESET, ConnectionResetError), (General.CLOSED, b"")])
def test_faults_before_the_answer(ngl, fault, outcome):
    ngl.fault = fault
    address = ngl.origin.removeprefix("http://").split(":")
    timeout = SOON if fault is General.HANG else 10
    with socket.create_connection((address[0], int(address[1])), timeout=timeout) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        if isinstance(outcome, bytes):
            assert connection.recv(100) == outcome
        else:
            with pytest.raises(outcome):
                connection.recv(100)
    assert ngl.requests[-1].status == 0


def test_faults_that_leave_the_content_whole(ngl):
    path = PAGES + "llh.out"
    whole = get(ngl, path)
    assert int(whole.headers["Content-Length"]) == len(whole.content)
    ngl.fault = General.CHUNKED
    chunked = get(ngl, path)
    assert "Content-Length" not in chunked.headers
    ngl.fault = General.GZIP
    packed = get(ngl, path, headers={"Accept-Encoding": "identity"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert int(packed.headers["Content-Length"]) < len(whole.content)
    ngl.fault, ngl.drip_s = General.DRIP, 0.005
    dripped = get(ngl, path)
    with requests.get(ngl.base_url + path, stream=True, timeout=10) as answer:
        assert 0 < len(answer.raw.read1()) < len(whole.content) / 2
    assert whole.content == chunked.content == packed.content == dripped.content


def test_faults_that_replace_the_content(ngl):
    path = PAGES + "llh.out"
    ngl.fault = General.EMPTY
    assert (get(ngl, path).status_code, get(ngl, path).content) == (200, b"")
    ngl.fault = General.HTML_PAGE
    page = get(ngl, path)
    assert page.status_code == 200
    assert page.headers["Content-Type"].startswith("text/html")
    ngl.fault = General.WRONG_DATE
    assert get(ngl, path).headers["Date"] == "Wed, 25 Nov 2026 21:00:00 GMT"
    ngl.fault = General.ENDLESS
    n_bytes = 0
    with requests.get(ngl.base_url + path, stream=True, timeout=5) as answer:
        for piece in answer.iter_content(2**16):
            n_bytes += len(piece)
            if n_bytes > 3_000_000:
                break
    assert n_bytes > 3_000_000


def test_redirects(ngl):
    secret = {"Authorization": "Bearer secret"}
    ngl.fault = General.FOREIGN_REDIRECT
    answer = get(ngl, PAGES + "llh.out", headers=secret)
    assert answer.url.startswith("http://localhost")
    assert answer.content.startswith(b"S000 ")
    assert ngl.foreign.secrets == []
    requests.get(answer.url, headers=secret, timeout=5)
    assert ngl.foreign.secrets == [("authorization", "Bearer secret")]
    ngl.fault = General.REDIRECT_LOOP
    with pytest.raises(requests.TooManyRedirects):
        get(ngl, PAGES + "llh.out")


def test_faults_by_number_and_place(ngl, cds):
    ngl.fail_next(General.UNAVAILABLE, times=2, where="llh")
    assert [get(ngl, PAGES + name).status_code
            for name in ("steps.txt", "llh.out", "llh.out", "llh.out")] == [200, 503, 503, 200]
    assert ngl.requests[1].fault == "UNAVAILABLE"
    ngl.fault = General.NOT_FOUND
    assert ngl.fault is General.NOT_FOUND
    ngl.fault = None
    assert ngl.fault is None
    assert get(ngl, PAGES + "llh.out").status_code == 200
    with pytest.raises(TypeError):
        cds.fault = NglFault.MOVED


def test_a_stopped_host_is_dead_and_comes_back_on_its_port(world):
    with ngl_module.Ngl(world) as host:
        address = host.base_url
        host.fault = General.HANG
        host.stop()
        with pytest.raises(requests.ConnectionError):
            get(host, PAGES + "llh.out")
        host.start()
        host.fault = None
        assert host.base_url == address
        assert get(host, PAGES + "llh.out").status_code == 200
    with pytest.raises(requests.ConnectionError):
        requests.get(UNRESOLVABLE_URL, timeout=5)


def test_a_replica_that_breaks_is_not_silent(world):
    class Broken(Replica):
        def answer(self, request):
            raise RuntimeError("bug")

    def ask():
        with Broken(world) as replica, pytest.raises(requests.ConnectionError):
            get(replica, "/")

    with pytest.raises(AssertionError, match="Broken broke"):
        ask()


def test_control_from_another_process(ngl):
    control = ngl.origin + CONTROL_PATH
    assert requests.post(control, params={"fault": "MOVED"}, timeout=5).status_code == 204
    assert get(ngl, FINAL + "S000.tenv3").status_code == 404
    requests.post(control, params={"fault": "none", "now": "2026-12-01T08:00"}, timeout=5)
    assert get(ngl, FINAL + "S000.tenv3").headers["Date"].startswith("Tue, 01 Dec 2026 08")
    assert requests.post(control, params={"fault": "NO"}, timeout=5).status_code == 404


@pytest.mark.slow
def test_by_hand(tmp_path):
    ports = tmp_path / "ports.json"
    root = Path(__file__).parents[1]
    with subprocess.Popen(
            [sys.executable, "-m", "tests.replicas", "--region-like", "australia", "--port-file",
             str(ports), "--stations", "3"], cwd=root, stdout=subprocess.PIPE,
            text=True) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        while not ports.exists():
            assert process.poll() is None
            time.sleep(0.05)
        told = json.loads(ports.read_text())
        answer = requests.get(told["base_urls"]["ngl"] + PAGES + "llh.out", timeout=10)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert first == f"export DWLIM_NGL_BASE_URL={told['environment']['DWLIM_NGL_BASE_URL']}\n"
    assert len(answer.text.splitlines()) == 3


# NGL.


def tenv3(answer: requests.Response) -> list[list[str]]:
    return [line.split() for line in answer.text.splitlines()[1:]]


def test_tenv3_holds_the_series_in_every_column(ngl, world):
    answer = get(ngl, FINAL + "S002.tenv3")
    station = world.station("S002")
    series = world.final_series(station)
    assert answer.text.splitlines()[0] == ngl_module.HEADER
    rows = tenv3(answer)
    assert {len(row) for row in rows} == {23}
    assert len(rows) == series.day.size
    table = np.array([[float(value) for value in row[2:]] for row in rows])
    mjd = table[:, 1].astype(int)
    assert np.array_equal(mjd - 40_587, series.day.astype(int))
    assert [row[1] for row in rows[:2]] == ["25JAN01", "25JAN02"]
    assert np.allclose(table[:, 0], 2000 + (mjd - 51_544) / 365.25, atol=6e-5)
    assert np.array_equal(table[:, 2] * 7 + table[:, 3], mjd - 44_244)
    height = table[:, 9] + table[:, 10]
    assert np.allclose(height, station.height_m + series.up_mm / 1000, atol=1.1e-6)
    assert np.allclose(height, table[:, 20], atol=1.1e-5)
    assert np.allclose(table[:, 14] * 1000, series.sigma_mm, atol=1e-3)
    assert table[0, 18] == station.latitude_deg
    assert np.unique(table[:, 19]) == pytest.approx(station.longitude_deg - 360)
    assert float(tenv3(get(ngl, FINAL + "S003.tenv3"))[0][21]) > 0
    assert (mjd[-1] - 40_587) == np.datetime64("2026-11-07").astype(int)


def test_rapid_is_a_window_off_by_a_constant(ngl, world):
    rapid = {row[3]: float(row[12]) for row in tenv3(get(ngl, RAPID + "S005.tenv3"))}
    final = {row[3]: float(row[12]) for row in tenv3(get(ngl, FINAL + "S005.tenv3"))}
    assert max(rapid) == str(40_587 + np.datetime64("2026-11-20").astype(int))
    assert int(max(rapid)) - int(min(rapid)) <= 59
    common = rapid.keys() & final.keys()
    assert len(common) >= 30
    offset = np.median([rapid[day] - final[day] for day in common])
    assert offset * 1000 == pytest.approx(world.rapid_offset_mm(world.station("S005")), abs=0.3)


def test_lists_of_ngl(ngl, world):
    holdings = get(ngl, PAGES + "DataHoldings.txt").text.splitlines()
    rows = [line.split() for line in holdings[1:]]
    assert holdings[0].split()[:4] == ["Sta", "Lat(deg)", "Long(deg)", "Hgt(m)"]
    assert {len(row) for row in rows} == {11, 12}
    assert rows[0][7:10] == ["2025-01-01", "2026-11-07", "2026-11-17"]
    assert np.hypot(*map(float, rows[0][4:6])) > 4e6
    assert all(0 <= float(row[2]) < 360 for row in rows)
    rapid = get(ngl, PAGES + "DataHoldingsRapid24hr.txt").text.splitlines()[1].split()
    assert rapid[8:10] == ["2026-11-20", "2026-11-22"]
    places = [line.split() for line in get(ngl, PAGES + "llh.out").text.splitlines()]
    assert len(places) == len(rows) == len(world.stations)
    assert all(-360 <= float(place[2]) < 0 for place in places)
    steps = [line.split() for line in get(ngl, PAGES + "steps.txt").text.splitlines()]
    assert {row[2] for row in steps} == {"1", "2", "3"}
    assert {len(row) for row in steps if row[2] == "2"} == {7}


def test_the_step_of_the_list_is_in_the_series(world):
    station = world.station("S003")
    series = world.final_series(station)
    clean = world.clean_up_mm(station, series.day)
    after = series.day >= np.datetime64(world.step_day)
    near = np.abs(series.day - np.datetime64(world.step_day)) < np.timedelta64(90, "D")
    residual = series.up_mm - clean
    step = residual[after & near].mean() - residual[~after & near].mean()
    assert step == pytest.approx(world.step_mm(station), abs=2)


@pytest.mark.parametrize("path", [
    FINAL + "s000.tenv3", "/gps_timeseries/tenv3/IGS14/S000.tenv3", FINAL + "NONE.tenv3",
    "/gps_timeseries/igs20/tenv3/IGS20/S000.tenv3", PAGES + "dataholdings.txt"])
def test_paths_of_ngl_are_exact(ngl, path):
    assert get(ngl, path).status_code == 404


def test_faults_of_ngl_files(ngl):
    path = FINAL + "S001.tenv3"
    good = tenv3(get(ngl, path))
    ngl.fault = NglFault.TRUNCATED_LINE
    cut = get(ngl, path)
    assert len(cut.text.splitlines()[-1]) < len(cut.text.splitlines()[-2])
    assert int(cut.headers["Content-Length"]) == len(cut.content)
    ngl.fault = NglFault.FILE_SHRUNK
    assert tenv3(get(ngl, path)) == good[:len(good) * 2 // 3]
    ngl.fault = NglFault.INTEGER_JUMP
    assert len({row[9] for row in good}) == 1
    assert len({row[9] for row in tenv3(get(ngl, path))}) == 2
    ngl.fault = NglFault.SIGMA_OUT_OF_RANGE
    assert [row[16] for row in tenv3(get(ngl, path))].count("9.999990") == 3
    ngl.fault = NglFault.YEAR_PIVOT
    assert [row[1] for row in tenv3(get(ngl, path))][2:4] == ["99DEC31", "00JAN01"]
    ngl.fault = NglFault.TWENTY_COLUMNS
    assert {len(row) for row in tenv3(get(ngl, path))} == {20}
    ngl.fault = NglFault.RAPID_ONE_DAY
    assert len(tenv3(get(ngl, RAPID + "S001.tenv3"))) == 1
    ngl.fault = NglFault.RAPID_MISSING
    assert get(ngl, RAPID + "S001.tenv3").status_code == 404
    assert tenv3(get(ngl, path)) == good
    ngl.fault = NglFault.MOVED
    assert {get(ngl, start + "S001.tenv3").status_code for start in (FINAL, RAPID)} == {404}


def test_faults_of_ngl_lists(ngl):
    def row(name: str) -> list[str]:
        text = get(ngl, PAGES + "DataHoldings.txt").text
        return next(line.split() for line in text.splitlines() if line.startswith(name))

    before = row("S000")
    ngl.fault = NglFault.COORDINATES_MOVED
    assert float(row("S000")[1]) - float(before[1]) == pytest.approx(0.02, abs=1e-3)
    moved = np.array(row("S000")[4:7], float) - np.array(before[4:7], float)
    assert 2000 < np.linalg.norm(moved) < 2500
    ngl.fault = NglFault.STATION_RENAMED
    assert row("S00_")[1] == before[1]
    assert get(ngl, FINAL + "S000.tenv3").status_code == 404
    assert tenv3(get(ngl, FINAL + "S00_.tenv3"))[0][0] == "S00_"


# CDS.

REQUEST = {
    "product_type": ["reanalysis"], "variable": ["surface_pressure", "skin_temperature"],
    "date": "2026-11-16/2026-11-17", "time": [f"{hour:02d}:00" for hour in range(24)],
    "area": [45, 12, 43, 15], "data_format": "grib", "download_format": "unarchived"}


@pytest.fixture
def store(cds, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cds.polls_until_done = 0
    return Client(url=cds.base_url, key=cds.token, progress=False, sleep_max=0.1,
                  retry_after=0.01, maximum_tries=3, timeout=5)


def fetched(store: Client, **changes: object) -> bytes:
    request = {name: value for name, value in {**REQUEST, **changes}.items() if value is not None}
    remote = store.submit(cds_module.DATASET, request)
    return Path(remote.download("asset")).read_bytes()


def messages(content: bytes) -> list[tuple[dict[str, object], Array]]:
    """Keys and values (latitude, longitude) of every message."""
    found, names = [], ("edition", "shortName", "dataDate", "dataTime", "expver", "step", "Ni",
                        "Nj", "latitudeOfFirstGridPointInDegrees", "units",
                        "longitudeOfFirstGridPointInDegrees", "longitudeOfLastGridPointInDegrees")
    start = 0
    while start < len(content):
        message = eccodes.codes_new_from_message(content[start:])
        keys = {name: eccodes.codes_get(message, name) for name in names
                if eccodes.codes_is_defined(message, name)}
        values = eccodes.codes_get_values(message).reshape(keys["Nj"], keys["Ni"])
        start += eccodes.codes_get(message, "totalLength")
        found.append((keys, values))
        eccodes.codes_release(message)
    return found


def test_the_client_of_cds_goes_through_the_states(cds, store):
    cds.polls_until_done = 2
    assert store.get_collection(cds_module.DATASET).end_datetime.date() == dt.date(2026, 11, 18)
    remote = store.submit(cds_module.DATASET, REQUEST)
    assert cds.asked("execution")[0].json()["inputs"] == REQUEST
    assert [remote.status, remote.status] == ["running", "successful"]
    assert store.get_remote(remote.request_id).request == REQUEST
    remote.download("asset")
    made = [(r.method, r.path.rpartition("/")[2]) for r in cds.requests]
    assert made[-3][1] == "results"
    assert [method for method, _ in made[-2:]] == ["HEAD", "GET"]
    assert "private-token" not in cds.requests[-1].headers
    assert all("private-token" in r.headers for r in cds.asked("/api/retrieve"))


def test_grib_of_cds(store):
    found = messages(fetched(store))
    assert len(found) == 96
    keys, values = found[0]
    assert keys == {
        "edition": 1, "shortName": "sp", "dataDate": 20261116, "dataTime": 0, "expver": "0005",
        "step": 0, "Ni": 13, "Nj": 9, "latitudeOfFirstGridPointInDegrees": 45.0, "units": "Pa",
        "longitudeOfFirstGridPointInDegrees": 12.0, "longitudeOfLastGridPointInDegrees": 15.0}
    assert {(k["shortName"], k["dataDate"], k["dataTime"]) for k, _ in found} == {
        (name, day, 100 * hour) for name in ("sp", "skt") for day in (20261116, 20261117)
        for hour in range(24)}
    corner = np.array([12.0]), np.array([45.0])
    when = np.array(["2026-11-16T00:00"], "datetime64[m]")
    assert values[0, 0] == pytest.approx(fields.pressure_pa(when, *corner)[0, 0], abs=0.5)
    assert found[1][1][0, 0] == pytest.approx(
        fields.skin_temperature_k(when, *corner)[0, 0], abs=0.01)


def test_the_height_of_the_ground(store, ecmwf_open):
    (keys, values), = messages(fetched(store, variable=["geopotential"], date="2020-01-01",
                                       time=["00:00"]))
    corner = np.array([12.0]), np.array([45.0])
    assert (keys["shortName"], keys["units"]) == ("z", "m**2 s**-2")
    assert values[0, 0] / 9.80665 == pytest.approx(fields.orography_m(*corner)[0], abs=0.1)
    first, second = (get(ecmwf_open, run_path("2026112200", step)).text for step in (0, 3))
    assert ('"z"' in first, '"z"' in second) == (True, False)
    assert messages(get(ecmwf_open, run_path("2026112200", ending="grib2")).content)[-1][0][
        "shortName"] == "z"


def test_layouts_of_netcdf(cds, store):
    asked = {"data_format": "netcdf", "date": "2026-08-31/2026-09-01", "time": ["00:00", "12:00"]}
    with opened(fetched(store, **asked)) as new:
        assert new["sp"].dimensions == ("valid_time", "latitude", "longitude")
        assert list(new["expver"][:]) == ["0001", "0001", "0005", "0005"]
        assert new["valid_time"].units == "seconds since 1970-01-01"
        assert new["latitude"][0] == 45.0
        reference = new["sp"][:]
    cds.fault = CdsFault.OLD_NETCDF
    with opened(fetched(store, **asked)) as old:
        assert old.data_model == "NETCDF3_CLASSIC"
        assert old["time"].units.startswith("hours since 1900")
        assert old["sp"].dtype == np.int16
        assert np.abs(old["sp"][:] - reference).max() < 1.0
        assert netCDF4.num2date(old["time"][1], old["time"].units).isoformat().startswith(
            "2026-08-31T12")
    cds.fault = CdsFault.OLD_EXPVER_NETCDF
    with opened(fetched(store, **asked)) as mixed:
        assert mixed["sp"].dimensions == ("time", "expver", "latitude", "longitude")
        assert list(mixed["expver"][:]) == [1, 5]
        values = mixed["sp"][:]
        assert values.mask[2:, 0].all()
        assert values.mask[:2, 1].all()
        joined = np.ma.where(values.mask[:, 0], values[:, 1], values[:, 0])
        assert np.abs(joined - reference).max() < 1.0


def test_cds_gives_what_is_out(world, store):
    times = {k["dataTime"] for k, _ in messages(fetched(store, date="2026-11-18"))}
    assert max(times) == 800
    with pytest.raises(requests.HTTPError, match="None of the data you have requested"):
        fetched(store, date="2026-11-20")
    with pytest.raises(requests.HTTPError, match="deprecated and no longer supported"):
        fetched(store, data_format="netcdf_legacy")
    with pytest.raises(requests.HTTPError, match="too large"):
        fetched(store, area=[90, -180, -90, 179.75])
    assert {k["expver"] for k, _ in messages(fetched(store, date="2026-08-30"))} == {"0001"}
    listed = fetched(store, date=None, year="2026", month="08", day=["01"], time="00:00")
    with pytest.raises(requests.HTTPError, match="selects nothing"):
        fetched(store, date=[])
    assert listed[:4] == b"GRIB"


@pytest.mark.parametrize(("fault", "text"), [
    (CdsFault.LICENCE, "403.*\n.*licences"), (CdsFault.TOO_LARGE, "403.*\n.*cost limits"),
    (CdsFault.NOT_AVAILABLE_YET, "400.*\n.*\n?.*not|available yet"), (CdsFault.BAD_TOKEN, "401"),
    (CdsFault.JOB_GONE, "404.*\n.*job not found"), (CdsFault.ASSET_GONE, "404"),
    (CdsFault.RATE_LIMITED, "429.*\n(.*\n)*.*wait 17 seconds"), (CdsFault.UNAVAILABLE, "503")])
def test_refusals_of_cds(cds, store, fault, text):
    cds.fault = fault
    with pytest.raises((requests.HTTPError, DownloadError, FileNotFoundError)) as refused:
        fetched(store)
    if fault is CdsFault.ASSET_GONE:
        assert cds.requests[-1].status == 404
    else:
        assert refused.match(text)


def test_the_client_of_cds_outlasts_a_short_outage(cds, store):
    cds.fail_next(CdsFault.UNAVAILABLE, times=2)
    cds.fail_next(CdsFault.RATE_LIMITED, where="execution")
    assert fetched(store)[:4] == b"GRIB"
    assert [r.status for r in cds.asked("execution")] == [429, 201]
    assert cds.asked("execution")[0].status == 429


@pytest.mark.parametrize(("fault", "state"), [
    (CdsFault.JOB_FAILED, "failed"), (CdsFault.JOB_REJECTED, "rejected")])
def test_jobs_that_end_badly(cds, store, fault, state):
    cds.fault = fault
    remote = store.submit(cds_module.DATASET, REQUEST)
    assert remote.status == state
    with pytest.raises((ProcessingFailedError, requests.HTTPError), match=f"job {state}"):
        remote.download("asset")


def test_jobs_outlive_the_client_and_the_server(cds, store):
    cds.fault = CdsFault.ACCEPTED_FOREVER
    remote = store.submit(cds_module.DATASET, REQUEST)
    assert {remote.status for _ in range(5)} == {"accepted"}
    cds.fault = None
    good = store.submit(cds_module.DATASET, REQUEST)
    cds.stop()
    cds.start()
    again = Client(url=cds.base_url, key=cds.token, progress=False)
    assert Path(again.get_remote(good.request_id).download("asset")).stat().st_size > 0
    good.delete()
    with pytest.raises(requests.HTTPError, match="404"):
        again.get_remote(good.request_id)


def test_spoilt_assets(cds, store):
    alone = {"variable": ["surface_pressure"], "date": "2026-11-17"}
    good = fetched(store, **alone)
    cds.fault = CdsFault.RELATIVE_HREF
    assert fetched(store, **alone) == good
    cds.fault = CdsFault.SHORT_CONTENT
    with pytest.raises(DownloadError):
        fetched(store, **alone)
    cds.fault = CdsFault.ZIP_ANSWER
    archive = fetched(store, **alone)
    with zipfile.ZipFile(io.BytesIO(archive)) as members:
        assert members.read("data.grib") == good
    cds.fault = CdsFault.EXPVER_MIX
    mixed = messages(fetched(store, date="2026-08-01/2026-08-04", time=["12:00"]))
    assert {(k["dataDate"], k["expver"]) for k, _ in mixed} == {
        (20260801, "0001"), (20260802, "0001"), (20260803, "0005"), (20260804, "0005")}
    cds.fault = CdsFault.HOURS_MISSING
    assert len(messages(fetched(store, **alone))) == 24 - 6
    cds.fault = CdsFault.HTML
    assert fetched(store, **alone).startswith(b"<!DOCTYPE html>")
    cds.fault = CdsFault.CORRUPT_GRIB
    with pytest.raises(eccodes.CodesInternalError):
        messages(fetched(store, **alone))


# NASA.

ASKED = {"short_name": cmr.MAIN, "version": "2.2", "page_size": "20",
         "temporal[]": "2026-07-01T00:00:00Z,2026-07-31T23:59:59Z"}
CMR_PATH = "/search/granules.umm_json"


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", "Accept-Encoding": "identity"}


def items(earthdata: Earthdata, **changes: str) -> list[dict]:
    return get(earthdata, CMR_PATH, params={**ASKED, **changes}).json()["items"]


def data_path(earthdata: Earthdata, item: dict) -> str:
    found = [u["URL"] for u in item["umm"]["RelatedUrls"] if u["Type"] == "GET DATA"]
    return found[0].removeprefix(earthdata.base_url)


def test_cmr_pages_and_filters(earthdata):
    first = get(earthdata, CMR_PATH, params=ASKED)
    assert first.headers["CMR-Hits"] == "31"
    assert first.json()["hits"] == 31
    after = {"CMR-Search-After": first.headers["CMR-Search-After"]}
    second = get(earthdata, CMR_PATH, params=ASKED, headers=after)
    names = [i["umm"]["GranuleUR"] for page in (first, second) for i in page.json()["items"]]
    assert len(set(names)) == 31
    assert names[0] == f"{cmr.MAIN}.2.2:{cmr.MAIN}.A20260701.022.nc4"
    after = {"CMR-Search-After": second.headers["CMR-Search-After"]}
    last = get(earthdata, CMR_PATH, params=ASKED, headers=after)
    assert last.json()["items"] == []
    assert "CMR-Search-After" not in last.headers
    assert items(earthdata, version="2.1") == []
    assert items(earthdata, updated_since="2026-11-01T00:00:00Z") == []
    assert items(earthdata, sort_key="-start_date")[0]["umm"]["GranuleUR"].endswith("31.022.nc4")
    assert items(earthdata)[0]["meta"]["revision-date"] == "2026-10-30T12:00:00.000Z"
    found = get(earthdata, "/search/collections.umm_json", params={"short_name": cmr.MAIN})
    assert found.json()["items"][0]["meta"]["concept-id"] == "C1700900796-GES_DISC"


def test_the_early_product_gives_way_to_the_main_one(earthdata, world):
    def months(name: str) -> set[str]:
        found = items(earthdata, short_name=name, page_size="2000", **{
            "temporal[]": "2026-06-01T00:00:00Z,"})
        return {i["umm"]["TemporalExtent"]["RangeDateTime"]["BeginningDateTime"][:7] for i in found}

    assert (months(cmr.MAIN), months(cmr.EARLY)) == (
        {"2026-06", "2026-07"}, {"2026-08", "2026-09"})
    early = data_path(earthdata, items(earthdata, short_name=cmr.EARLY, **{
        "temporal[]": "2026-08-01T00:00:00Z,2026-08-01T12:00:00Z"})[0])
    content = get(earthdata, early, headers=bearer(earthdata.token)).content
    world.now = dt.datetime(2026, 11, 30, 13, tzinfo=dt.UTC)
    assert (months(cmr.MAIN), months(cmr.EARLY)) == ({"2026-06", "2026-07", "2026-08"}, {"2026-09"})
    assert get(earthdata, early, headers=bearer(earthdata.token)).status_code == 404
    main = get(earthdata, early.replace(cmr.EARLY, cmr.MAIN),
               headers=bearer(earthdata.token)).content
    with opened(content) as ep, opened(main) as da:
        level = (ep["TWS_tavg"][:] - da["TWS_tavg"][:]).compressed()
        assert level == pytest.approx(gldasfiles.EARLY_MINUS_MAIN_MM, abs=1e-2)
        assert np.array_equal(ep["AvgSurfT_tavg"][:], da["AvgSurfT_tavg"][:])


def test_gldas_file_and_its_subset(earthdata):
    item = items(earthdata)[3]
    answer = get(earthdata, data_path(earthdata, item), headers=bearer(earthdata.token))
    size = item["umm"]["DataGranule"]["ArchiveAndDistributionInformation"][0]["SizeInBytes"]
    assert len(answer.content) == size
    with opened(answer.content) as whole:
        assert whole["AvgSurfT_tavg"].shape == (1, 600, 1440)
        assert whole["lat"][0] == pytest.approx(-59.875)
        assert whole["lon"][0] == pytest.approx(-179.875)
        assert whole["AvgSurfT_tavg"]._FillValue == -9999
        assert days_since(whole["time"].units, whole["time"][0]) == dt.date(2026, 7, 4)
        y, x = round((44.125 + 59.875) / 0.25), round((12.125 + 179.875) / 0.25)
        block = whole["AvgSurfT_tavg"][0, y:y + 4, x:x + 3]
        assert whole["AvgSurfT_tavg"][0, 0, 0] is np.ma.masked
        truth = fields.gldas_temperature_k(np.array(["2026-07-04"], "datetime64[D]"),
                                           np.array([12.125]), np.array([44.125]))
    assert block[0, 0] == pytest.approx(truth[0, 0], abs=1e-3)
    opendap = next(u["URL"] for u in item["umm"]["RelatedUrls"]
                   if u.get("Subtype") == "OPENDAP DATA")
    path = opendap.removeprefix(earthdata.base_url) + ".dap.nc4"
    constraint = (f"/AvgSurfT_tavg[0:1:0][{y}:1:{y + 3}][{x}:1:{x + 2}];/lat[{y}:1:{y + 3}];"
                  f"/lon[{x}:1:{x + 2}];/time[0:1:0]")
    token = bearer(earthdata.token)
    with opened(get(earthdata, f"{path}?dap4.ce={constraint}", headers=token).content) as part:
        assert np.array_equal(part["AvgSurfT_tavg"][0], block)
        assert part["lat"][:].tolist() == [44.125, 44.375, 44.625, 44.875]
    for wrong in ("/Tair[0:1:0]", "/lat[0:1:600]", "/AvgSurfT_tavg[0:1:0]", ""):
        refused = get(earthdata, f"{path}?dap4.ce={wrong}", headers=token)
        assert (refused.status_code, b"<Error" in refused.content) == (400, True)
    for fault, status in ((EarthdataFault.DAP_ERROR_200, 200), (EarthdataFault.DAP_ERROR_500, 500)):
        earthdata.fault = fault
        refused = get(earthdata, f"{path}?dap4.ce={constraint}", headers=token)
        assert (refused.status_code, b"<Error" in refused.content) == (status, True)


def test_earthdata_login_as_requests_sees_it(earthdata, tmp_path, monkeypatch):
    """The table of UPSTREAMS 4.4."""
    path = data_path(earthdata, items(earthdata)[0])
    url = earthdata.base_url + path

    def netrc(machine: str) -> None:
        file = tmp_path / "netrc"
        file.write_text(f"machine {machine} login {USER} password {PASSWORD}\n")
        file.chmod(0o600)
        monkeypatch.setenv("NETRC", str(file))

    def seen(answer: requests.Response) -> tuple[str, int]:
        return answer.content[:4].decode("latin-1"), len(answer.history)

    monkeypatch.setenv("NETRC", os.devnull)
    data, page = "\x89HDF", "<!DO"
    good, expired = bearer(earthdata.token), bearer(earthdata.expired_token)
    assert seen(requests.get(url, timeout=5)) == (page, 1)
    assert seen(requests.get(url, auth=(USER, PASSWORD), timeout=5)) == (page, 1)
    assert seen(requests.get(url, headers=good, timeout=5)) == (data, 0)
    assert seen(requests.get(url, headers=expired, timeout=5)) == (page, 1)
    netrc("localhost")
    with requests.Session() as session:
        assert seen(session.get(url, timeout=5)) == (data, 3)
        assert seen(session.get(url, timeout=5)) == (data, 0)
    assert seen(requests.get(url, headers=expired, timeout=5)) == (data, 3)
    netrc("127.0.0.1")
    earthdata.forget_requests()
    requests.get(url, headers=good, timeout=5)
    assert earthdata.requests[0].headers["authorization"].startswith("Basic ")
    assert seen(get(earthdata, path, headers=good)) == (data, 0)
    assert earthdata.login.requests


def test_tokens_end_with_the_worlds_clock(earthdata, world):
    address = earthdata.login.origin + "/api/users/find_or_create_token"
    given = requests.post(address, auth=(USER, PASSWORD), timeout=5).json()
    assert given == {"access_token": earthdata.token, "token_type": "Bearer",
                     "expiration_date": "01/21/2027"}
    assert requests.post(address, auth=(USER, "wrong"), timeout=5).status_code == 401
    path = data_path(earthdata, items(earthdata)[0])
    assert get(earthdata, path, headers=bearer(earthdata.token)).content[:4] == b"\x89HDF"
    world.now += dt.timedelta(days=61)
    assert get(earthdata, path, headers=bearer(earthdata.token)).content[:4] == b"<!DO"


@pytest.mark.parametrize(("fault", "status", "start"), [
    (EarthdataFault.LOGIN_HTML, 200, b"<!DO"), (EarthdataFault.EXPIRED_TOKEN, 200, b"<!DO"),
    (EarthdataFault.TOKEN_REFUSED, 401, b'{"er'), (EarthdataFault.GONE, 410, b"<!DO"),
    (EarthdataFault.TRUNCATED_HDF, 200, b"\x89HDF"), (EarthdataFault.NEW_VERSION, 404, b"<!DO")])
def test_faults_of_gesdisc_files(earthdata, fault, status, start):
    path = data_path(earthdata, items(earthdata)[0])
    whole = get(earthdata, path, headers=bearer(earthdata.token)).content
    earthdata.fault = fault
    answer = get(earthdata, path, headers=bearer(earthdata.token))
    assert (answer.status_code, answer.content[:4]) == (status, start)
    if fault is EarthdataFault.TRUNCATED_HDF:
        assert len(answer.content) == len(whole) // 2 == int(answer.headers["Content-Length"])
        with pytest.raises(OSError, match="HDF"):
            opened(answer.content)


def test_faults_of_the_login(earthdata):
    path = data_path(earthdata, items(earthdata)[0])
    earthdata.fault = EarthdataFault.REDIRECT_LOOP
    with pytest.raises(requests.TooManyRedirects):
        get(earthdata, path, headers=bearer(earthdata.token))
    earthdata.fault = EarthdataFault.NOT_APPROVED
    start = get(earthdata, path, allow_redirects=False).headers["Location"]
    refused = requests.get(start, auth=(USER, PASSWORD), timeout=5)
    assert refused.status_code == 403
    assert requests.get(start, auth=(USER, "wrong"), timeout=5).status_code == 401


def test_faults_of_cmr(earthdata):
    good = items(earthdata)[0]
    path = data_path(earthdata, good)
    values = get(earthdata, path, headers=bearer(earthdata.token)).content
    earthdata.fault = EarthdataFault.NO_HITS
    assert items(earthdata) == []
    earthdata.fault = EarthdataFault.NEW_VERSION
    assert items(earthdata) == []
    newer = items(earthdata, version="2.3")[0]
    assert newer["umm"]["GranuleUR"].endswith(".023.nc4")
    assert get(earthdata, data_path(earthdata, newer),
               headers=bearer(earthdata.token)).status_code == 200
    earthdata.fault = EarthdataFault.REPROCESSED
    again = items(earthdata)[0]
    assert again["meta"]["revision-date"] > good["meta"]["revision-date"]
    assert again["meta"]["native-id"] == good["meta"]["native-id"]
    changed = get(earthdata, path, headers=bearer(earthdata.token)).content
    with opened(values) as old, opened(changed) as new:
        assert (new["AvgSurfT_tavg"][:] - old["AvgSurfT_tavg"][:]).mean() == pytest.approx(
            gldasfiles.REPROCESSED_K, abs=1e-3)
    earthdata.fault = EarthdataFault.CMR_WRONG_SIZE
    told = items(earthdata)[0]["umm"]["DataGranule"]["ArchiveAndDistributionInformation"][0]
    assert told["SizeInBytes"] == len(values) + 4096


def test_jpl_mascons_change_their_name(earthdata, world):
    token = bearer(earthdata.token)

    def path() -> str:
        asked = {"short_name": cmr.JPL}
        return data_path(earthdata, get(earthdata, CMR_PATH, params=asked).json()["items"][0])

    old = path()
    assert old.endswith("GRCTellus.JPL.200204_202607.GLO.RL06.3M.MSCNv04CRI.nc")
    with opened(get(earthdata, old, headers=token).content) as file:
        assert 0 <= file["lon"][0] < file["lon"][-1] < 360
        assert file["lwe_thickness"].units == "cm"
        assert file["lwe_thickness"]._FillValue == -99_999
        n_months = file["time"].size
        assert days_since(file["time"].units, file["time"][-1]).isoformat()[:7] == "2026-07"
    earthdata.fault = EarthdataFault.DUPLICATE_MONTH
    with opened(get(earthdata, old, headers=token).content) as file:
        assert file["time"].size == n_months + 1
        months = [days_since(file["time"].units, t).isoformat()[:7] for t in file["time"][:]]
        assert len(set(months)) == n_months
    earthdata.fault = EarthdataFault.RENAMED
    assert get(earthdata, path(), headers=token).status_code == 404
    earthdata.fault = None
    world.now += dt.timedelta(days=31)
    assert get(earthdata, old, headers=token).status_code == 404
    assert get(earthdata, path(), headers=token).status_code == 200


# ECMWF open data.


@pytest.mark.parametrize("several", [True, False])
def test_the_client_of_open_data(ecmwf_open, tmp_path, several):
    client = OpenDataClient(source=ecmwf_open.base_url, source_accept_ranges=True,
                            source_accept_multiple_ranges=several, maximum_retries=2,
                            retry_after=0.01)
    target = tmp_path / "steps.grib2"
    client.retrieve(date=20261122, time=0, step=[0, 24], type="fc", param=["2t", "sp"],
                    target=str(target))
    found = messages(target.read_bytes())
    assert [(k["edition"], k["shortName"], k["step"]) for k, _ in found] == [
        (2, "2t", 0), (2, "sp", 0), (2, "2t", 24), (2, "sp", 24)]
    keys, values = found[1]
    corner = (np.array([keys["longitudeOfFirstGridPointInDegrees"]]),
              np.array([keys["latitudeOfFirstGridPointInDegrees"]]))
    truth = fields.pressure_pa(np.array(["2026-11-22T00:00"], "datetime64[m]"), *corner)
    assert values[0, 0] == pytest.approx(truth[0, 0] + ecmwf_open_module.BIAS["sp"], abs=1.0)
    ranged = [r.headers["range"] for r in ecmwf_open.asked("grib2")]
    assert all("," in asked for asked in ranged) == several
    assert client.latest(type="fc", step=0, param="sp") == dt.datetime(2026, 11, 22, 12)  # noqa: DTZ001


def run_path(moment: str, step: int = 0, ending: str = "index") -> str:
    return f"/{moment[:8]}/{moment[8:]}z/ifs/0p25/oper/{moment}0000-{step}h-oper-fc.{ending}"


def test_the_window_of_open_data_rolls(ecmwf_open, world):
    def status(moment: str, step: int = 0) -> int:
        return get(ecmwf_open, run_path(moment, step)).status_code

    assert [status(m) for m in ("2026111812", "2026111818", "2026112212", "2026112218")] == [
        404, 200, 200, 404]
    assert [status("2026112206", step) for step in (144, 150)] == [200, 404]
    assert [status("2026112200", step) for step in (150, 360, 363)] == [200, 200, 404]
    world.now += dt.timedelta(hours=6)
    assert [status(m) for m in ("2026111818", "2026112218")] == [404, 200]


def test_faults_of_open_data(ecmwf_open):
    path = run_path("2026112200", ending="grib2")
    index = [json.loads(line)
             for line in get(ecmwf_open, run_path("2026112200")).text.splitlines()]
    sp = next(line for line in index if line["param"] == "sp")
    end = sp["_offset"] + sp["_length"] - 1
    single = {"Range": f"bytes={sp['_offset']}-{end}"}
    several = {"Range": f"bytes=0-9,{sp['_offset']}-{end}"}
    assert get(ecmwf_open, path, headers=single).content[:4] == b"GRIB"
    ecmwf_open.fault = EcmwfOpenFault.RANGES_IGNORED
    assert get(ecmwf_open, path, headers=single).status_code == 200
    ecmwf_open.fault = EcmwfOpenFault.MULTIPLE_RANGES_IGNORED
    assert [get(ecmwf_open, path, headers=headers).status_code
            for headers in (single, several)] == [206, 200]
    ecmwf_open.fault = EcmwfOpenFault.INDEX_MISSING
    assert get(ecmwf_open, run_path("2026112200")).status_code == 404
    assert get(ecmwf_open, path).status_code == 200
    ecmwf_open.fault = EcmwfOpenFault.INDEX_WRONG
    wrong = json.loads(get(ecmwf_open, run_path("2026112200")).text.splitlines()[0])
    assert wrong["_offset"] == 7
    ecmwf_open.fault = EcmwfOpenFault.RUN_LATE
    assert [get(ecmwf_open, run_path(m)).status_code
            for m in ("2026112206", "2026112212")] == [200, 404]
    ecmwf_open.fault = EcmwfOpenFault.STEP_MISSING
    assert [get(ecmwf_open, run_path("2026112206", step)).status_code
            for step in (141, 144)] == [200, 404]


# ESMGFZ.

POINT = {"submit": "Get Point", "output": "data.gridaspoint", "location.latitude": "45.1",
         "location.longitude": "12.3", "format": "csv", "calendar": "proleptic_gregorian",
         "fromdate": "2026-11-20 00:00:00 UTC", "todate": "2026-11-24 00:00:00 UTC",
         "variable": "duNS,duEW,duV"}
SHOW = "/entry/show/Home/Elastic+Surface+Loading/NTAL/CF/2000-now"


def point(replica: esmgfz_module.Esmgfz, path: str = SHOW, **changes: str) -> list[list[str]]:
    text = get(replica, path, params={**POINT, **changes}).text
    return [line.split(",") for line in text.splitlines()]


def listed(replica: esmgfz_module.Esmgfz) -> dict[str, str]:
    """Name and identifier from the page, as a scraper finds them: 11 characters apart."""
    text = get(replica, SHOW).text
    names = [part.partition("<")[0] for part in text.split(" class=xx>")[1:]]
    return {name: text[text.index(f">{name}<") + 1 - 47:][:36] for name in names}


def test_point_series_of_loading(esmgfz):
    rows = point(esmgfz)
    assert rows[0] == ["time", "latitude", "longitude", 'duNS[unit="m"]', 'duEW[unit="m"]',
                       'duV[unit="m"]']
    assert (rows[1][:3], rows[-1][0]) == (["2026-11-20T00:00:00Z", "45.0", "12.5"],
                                          "2026-11-21T21:00:00Z")
    assert len(rows) == 17
    node = np.array([12.5]), np.array([45.0])
    truth = fields.ntal_up_mm(np.array(["2026-11-20T03:00"], "datetime64[m]"), *node)
    assert float(rows[2][5]) * 1000 == pytest.approx(truth[0, 0], abs=1e-4)
    whole = np.array([float(r[3]) for r in point(esmgfz, variable="duV", fromdate="2026-01-01"
                                                 " 00:00:00 UTC")[1:]])
    assert 1.0 < 1000 * whole.std() < 3.0
    answer = get(esmgfz, SHOW, params=POINT)
    assert "Content-Length" not in answer.headers
    assert "repositoryd81c9f0asession" in answer.headers["Set-Cookie"]
    centre_of_mass = point(esmgfz, SHOW.replace("CF", "CM"))
    assert centre_of_mass[1][5] != rows[1][5]


def test_the_forecast_is_replaced_by_the_analysis(esmgfz, world):
    folder = listed(esmgfz)
    assert list(folder) == [f"ESMGFZ_NTAL_cf_v1.0_3h_{end}.nc"
                            for end in ("2025", "2026", "2026_326F")]
    name, identifier = list(folder.items())[-1]
    rows = point(esmgfz, "/entry/show", entryid=identifier, todate="2027-01-01 00:00:00 UTC")
    assert (rows[1][0], rows[-1][0]) == ("2026-11-22T00:00:00Z", "2026-11-27T21:00:00Z")
    answer = get(esmgfz, f"/entry/get/{name}", params={"entryid": identifier})
    with opened(answer.content) as file:
        assert file["lat"][0] > file["lat"][-1]
        assert days_since(file["time"].units, file["time"][0]) == dt.date(2026, 11, 22)
        y, x = (int(np.flatnonzero(file[axis][:] == value)[0])
                for axis, value in (("lat", 45.0), ("lon", 12.5)))
        assert file["duV"].units == "m"
        assert file["duV"][0, y, x] == pytest.approx(float(rows[1][5]), abs=2e-6)
    world.now += dt.timedelta(days=1)
    assert list(listed(esmgfz))[-1].endswith("2026_327F.nc")
    assert get(esmgfz, f"/entry/get/{name}",
               params={"entryid": identifier}).content.startswith(b"<!DOCTYPE")
    analysis = {row[0]: float(row[5]) for row in point(esmgfz)[1:]}
    difference = [1000 * (float(row[5]) - analysis[row[0]]) for row in rows[1:9]]
    assert 0.02 < np.std(difference) < 1.0


def test_faults_of_esmgfz(esmgfz):
    good, folder = point(esmgfz), listed(esmgfz)
    name, identifier = list(folder.items())[-1]
    path = f"/entry/get/{name}?entryid={identifier}"
    esmgfz.fault = EsmgfzFault.UUID_CHANGED
    assert get(esmgfz, path).content.startswith(b"<!DOCTYPE")
    moved = listed(esmgfz)[name]
    assert moved != identifier
    assert get(esmgfz, f"/entry/get/{name}?entryid={moved}").content[:4] == b"\x89HDF"
    esmgfz.fault = EsmgfzFault.HTML_ERROR
    answer = get(esmgfz, SHOW, params=POINT)
    assert (answer.status_code, answer.content[:9]) == (200, b"<!DOCTYPE")
    esmgfz.fault = EsmgfzFault.COLUMNS_REORDERED
    turned = point(esmgfz)
    assert turned[0][3:] == good[0][:2:-1]
    assert turned[1][3:] == good[1][:2:-1]
    esmgfz.fault = EsmgfzFault.SHORT_CSV
    short = point(esmgfz)
    assert len(short) < len(good)
    assert len(short[-1]) < 6 or short[-1] != good[len(short) - 1]
    esmgfz.fault = EsmgfzFault.MILLIMETRES
    assert float(point(esmgfz)[1][5]) == pytest.approx(1000 * float(good[1][5]), abs=1e-4)
    esmgfz.fault = EsmgfzFault.REVERSED_LATITUDE
    with opened(get(esmgfz, path).content) as file:
        assert file["lat"][0] < file["lat"][-1]
    assert get(esmgfz, "/entry/show?entryid=none").content.startswith(b"<!DOCTYPE")


def test_a_late_day_of_esmgfz_comes_in_the_evening(esmgfz, world):
    world.now = NOW.replace(hour=12)
    assert point(esmgfz)[-1][0] == "2026-11-21T21:00:00Z"
    esmgfz.fault = EsmgfzFault.DAY_MISSING
    assert point(esmgfz)[-1][0] == "2026-11-20T21:00:00Z"
    assert list(listed(esmgfz))[-1].endswith("2026_325F.nc")
    world.now = NOW.replace(hour=20)
    assert point(esmgfz)[-1][0] == "2026-11-21T21:00:00Z"


def test_station_text_in_both_orders(world):
    day = dt.date(2026, 11, 3)
    first, second = (
        esmgfz_module.station_text(world.stations[0], day, day, order=order).splitlines()
        for order in ("R NS EW", "R EW NS"))
    assert first[-1].split()[0] == "2026-11-03"
    assert second[-1].split()[:4] == ["2026", "11", "03", "00"]
    assert first[-1].split()[-2:] == second[-1].split()[:-3:-1]


# CSR.


def test_csr_file(csr, world):
    answer = get(csr, f"/{CSR_FILE}")
    again = get(csr, f"/{CSR_FILE}",
                headers={"If-Modified-Since": answer.headers["Last-Modified"]})
    assert again.status_code == 304
    with opened(answer.content) as file:
        assert file["time"].ncattrs() == ["Units", "Bounds", "Axis", "Calendar", "Long_Name"]
        assert file["lat"][1] > file["lat"][0]
        assert file["lwe_thickness"].units == "cm"
        months = world.mascon_months()
        assert file["time"].size == len(months)
        bounds = file["time_bounds"][:]
        start = [EPOCH + dt.timedelta(days=float(value)) for value in bounds[:, 0]]
        assert [(day.year, day.month) for day in start] == [(m.year, m.month) for m in months]
        value = file["lwe_thickness"][-1, 10, 10]
        node = np.array([float(file["lon"][10])]), np.array([float(file["lat"][10])])
        assert value == pytest.approx(monthly_water_cm(tuple(months), *node)[-1, 0], abs=1e-4)
        assert (dt.date(2017, 12, 1) in months, next_month(months[0])) == (False, months[1])
    world.now += dt.timedelta(days=31)
    assert get(csr, f"/{CSR_FILE}", headers={
        "If-Modified-Since": answer.headers["Last-Modified"]}).status_code == 200
    with opened(get(csr, f"/{CSR_MASK}").content) as mask:
        assert set(np.unique(mask["LO_val"][:])) == {0.0, 1.0}
    west = World(REGIONS["toyland"].__class__(-60, -20, -50, -10))
    csr.world = west
    with opened(get(csr, f"/{CSR_FILE}").content) as file:
        assert 297 <= file["lon"][0] < file["lon"][-1] <= 313


def test_faults_of_csr(csr, world):
    n_months = len(world.mascon_months())
    csr.fault = CsrFault.RENAMED
    assert get(csr, f"/{CSR_FILE}").status_code == 404
    assert get(csr, f"/{CSR_NEW_FILE}").status_code == 200
    csr.fault = CsrFault.DUPLICATE_MONTH
    with opened(get(csr, f"/{CSR_FILE}").content) as file:
        assert file["time"].size == n_months + 1
        assert abs(float(np.diff(file["time"][4:6])[0])) < 5
    csr.fault = CsrFault.MONTHS_LOST
    with opened(get(csr, f"/{CSR_FILE}").content) as file:
        assert file["time"].size == n_months - 12


# All together.


def test_the_internet_names_every_service(internet):
    assert set(internet.base_urls) == {
        "ngl", "cds", "cmr", "gesdisc", "opendap", "podaac", "earthdata_login", "ecmwf_open",
        "esmgfz", "esmgfz_second", "csr"}
    assert internet.environment["DWLIM_ESMGFZ_BASE_URL"].endswith("/repository")
    internet.inject("ngl", General.UNAVAILABLE)
    internet.esmgfz.stop()
    assert point(internet.esmgfz_second)[0][0] == "time"
    internet.clear_faults()
    assert point(internet.esmgfz)[0][0] == "time"
    assert get(internet.ngl, PAGES + "llh.out").status_code == 200
    assert internet.advance() == NOW + dt.timedelta(days=1)
    internet.forget_requests()
    assert internet.esmgfz.requests == []


def test_every_fault_is_shown_above():
    text = Path(__file__).read_text()
    kinds = faults.Enum.__subclasses__()
    kinds = [kind for kind in kinds if kind.__module__ == faults.__name__]
    absent = [f"{kind.__name__}.{member.name}" for kind in kinds for member in kind
              if f"{kind.__name__}.{member.name}" not in text]
    assert len(kinds) == 7
    assert absent == []
