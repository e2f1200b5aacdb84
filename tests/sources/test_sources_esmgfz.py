"""ESMGFZ against a small server: what is read, and every fault of its catalogue."""

import datetime
import re

import numpy as np
import pytest
from data.loading_formats import lookalikes as like
from werkzeug import Response

from dwlim_ops.contracts import LOADING, Source, check
from dwlim_ops.errors import MalformedInputError, SourceError
from dwlim_ops.sources.esmgfz import EsmgfzAnalysis, EsmgfzForecast, EsmgfzGrids
from dwlim_ops.sources.formats.loading.listing import parse_listing
from dwlim_ops.sources.formats.sites import Sites
from dwlim_ops.sources.http import Client, Endpoint
from dwlim_ops.sources.merge import merge_loading
from dwlim_ops.sources.ramadda import Layout

NOW = datetime.datetime(2026, 3, 10, 11, tzinfo=datetime.UTC)
TODAY = NOW.date()
STATIONS = Sites(np.array(["ALIC", "DARW"]), np.array([133.89, 131.13]), np.array([-23.67, -12.84]),
                 np.array([600.0, 125.0]))
OLD, NEW = "11111111-2222-3333-4444-555555555555", "99999999-2222-3333-4444-555555555555"
FORECAST = "ESMGFZ_{}_cf_v1.0_3h_2026_069F.nc"


def utc(hour, day=10):
    return datetime.datetime(2026, 3, day, hour, tzinfo=datetime.UTC)


class Server:
    """Point extraction, folder pages and files; `newest` is its last analysed instant."""

    def __init__(self, httpserver):
        self.newest = np.datetime64("2026-03-09T21:00:00", "s")
        self.files = {p: {FORECAST.format(p): OLD.replace("1", letter),
                          f"ESMGFZ_{p}_cf_v1.0_3h_2026.nc": OLD.replace("2", letter)}
                      for p, letter in (("NTAL", "a"), ("NTOL", "b"))}
        self.page, self.broken, self.shortened, self.content = like.folder_html, None, 0, b""
        self.requests = []
        everything = re.compile("/repository/.*")
        httpserver.expect_request(everything).respond_with_handler(self.answer)

    def answer(self, request):
        self.requests.append(request)
        if self.broken:
            return Response(self.broken, content_type="text/html")
        product = "NTAL" if "NTAL" in request.path else "NTOL"
        entry = request.args.get("entryid")
        if request.path.startswith("/repository/entry/get/"):
            if request.headers.get("If-None-Match") == "v1":
                return Response(status=304)
            return Response(self.content, headers={"ETag": "v1"})
        if entry is None and "output" not in request.args:
            return Response(self.page(self.files[product]), content_type="text/html")
        if entry is not None and entry not in [e for f in self.files.values() for e in f.values()]:
            return Response("no such entry", status=404)
        return Response(self.points(request.args, forecast=entry is not None))

    def points(self, query, *, forecast):
        times = like.between(query["fromdate"], query["todate"])
        times = times if forecast else times[times <= self.newest]
        since = (times - np.datetime64("2020-01-01", "s")) / np.timedelta64(1, "D")
        values = 3e-3 * np.sin(since) + (1e-3 if forecast else 0.0)
        content = like.point_csv(times, values, longitude=float(query["location.longitude"]) + 0.2,
                                 latitude=float(query["location.latitude"]) - 0.2)
        return content[:len(content) - self.shortened]


@pytest.fixture
def server(httpserver):
    return Server(httpserver)


@pytest.fixture
def client(httpserver):
    with client_of(httpserver.url_for("/repository")) as opened:
        yield opened


def client_of(url):
    return Client(Endpoint(url, attempts=1, requests_per_second=1e6, connect_timeout_s=2,
                           read_timeout_s=5, deadline_s=10), user_agent="test")


@pytest.fixture
def analysis(server, client):
    return EsmgfzAnalysis([client], STATIONS, layout=Layout("cf"),
                          first_day=datetime.date(2025, 12, 1))


def of_key(offers, key):
    return next(offer for offer in offers if offer.key == key)


def test_a_year_of_a_station_becomes_daily_means_up_to_the_last_complete_day(analysis):
    source: Source = analysis
    offers = source.offers(NOW)
    assert [o.key for o in offers[:3]] == [
        "NTAL_cf_ALIC_2025.csv", "NTAL_cf_DARW_2025.csv", "NTOL_cf_ALIC_2025.csv"]
    offer = of_key(offers, "NTAL_cf_ALIC_2026.csv")
    assert (offer.valid_from, offer.valid_to) == (datetime.date(2026, 1, 1),
                                                  datetime.date(2026, 3, 8))
    content = source.fetch(offer).content
    data = check(source.parse(content, offer.key, not_after=TODAY), LOADING, where="esmgfz")
    assert data["time"].values[-1] == np.datetime64("2026-03-08", "ns")
    since = (data["time"].values - np.datetime64("2020-01-01")) / np.timedelta64(1, "D")
    exact = 3.0 * (np.cos(since) - np.cos(since + 1.0))
    assert data["ntal_up_mm"].values[:, 0] == pytest.approx(exact, abs=0.005)
    assert np.isnan(data["ntol_up_mm"].values).all()


def test_the_last_day_of_a_year_needs_the_midnight_of_the_next(analysis, server):
    offer = of_key(analysis.offers(NOW), "NTAL_cf_ALIC_2025.csv")
    data = analysis.parse(analysis.fetch(offer).content, offer.key, not_after=TODAY)
    assert data["time"].values[[0, -1]].tolist() == np.array(
        ["2025-12-01", "2025-12-31"], "M8[ns]").tolist()
    query = server.requests[-1].args
    assert query["location.latitude"] == "-23.6700"
    assert query["variable"] == "duV"
    assert server.requests[-1].path.endswith("/NTAL/CF/2000-now")


def test_both_products_of_a_station_are_joined_by_the_merge(analysis):
    parts = [analysis.parse(analysis.fetch(o).content, o.key, not_after=TODAY)
             for o in analysis.offers(NOW)]
    merged = check(merge_loading(parts), LOADING, where="merge")
    assert merged["station"].values.tolist() == ["ALIC", "DARW"]
    assert merged.sizes["time"] == 31 + 67
    assert np.isfinite(merged["ntal_up_mm"].values).all()
    assert np.isfinite(merged["ntol_up_mm"].values).all()


def test_html_with_status_200_is_not_stored(analysis, server):
    offers = analysis.offers(NOW)
    server.broken = "<html><body>Error: no such entry</body></html>"
    with pytest.raises(SourceError, match="web page"):
        analysis.fetch(offers[0])
    with pytest.raises(SourceError, match="web page"):
        analysis.offers(NOW)


def test_a_dead_host_gives_way_to_the_second_and_rests_for_the_pass(server, client, httpserver):
    dead = client_of("http://127.0.0.1:9/repository")
    tried = []
    dead.get = lambda path, original=dead.get, **rest: tried.append(path) or original(path, **rest)
    source = EsmgfzAnalysis([dead, client], STATIONS, layout=Layout("cf"),
                            first_day=datetime.date(2026, 1, 1))
    offers = source.offers(NOW)
    assert source.fetch(offers[0]).content.startswith(b"time,")
    assert len(tried) == 1
    source.offers(NOW)
    assert len(tried) == 2
    alone = EsmgfzAnalysis([dead], STATIONS, layout=Layout("cf"),
                           first_day=datetime.date(2026, 1, 1))
    with pytest.raises(SourceError, match="no host"):
        alone.offers(NOW)


def test_todays_steps_may_be_missing_until_the_evening(analysis, server):
    server.newest = np.datetime64("2026-03-08T21:00:00", "s")
    morning = of_key(analysis.offers(utc(9)), "NTAL_cf_ALIC_2026.csv")
    again = of_key(analysis.offers(utc(15)), "NTAL_cf_ALIC_2026.csv")
    assert morning == again
    assert morning.valid_to == datetime.date(2026, 3, 7)
    server.newest = np.datetime64("2026-03-09T21:00:00", "s")
    evening = of_key(analysis.offers(utc(22)), "NTAL_cf_ALIC_2026.csv")
    assert evening.version != morning.version
    past = [of_key(offers, "NTAL_cf_ALIC_2025.csv").version
            for offers in (analysis.offers(utc(9)), analysis.offers(utc(22)))]
    assert past[0] == past[1]


@pytest.mark.parametrize("n_bytes", [2, 17, 60, 4000, 100000])
def test_a_short_csv_is_asked_for_again(analysis, server, n_bytes):
    offer = of_key(analysis.offers(NOW), "NTAL_cf_ALIC_2026.csv")
    server.newest -= np.timedelta64(21, "h")
    server.shortened = n_bytes
    with pytest.raises(SourceError, match=r"not complete|cut off|columns|empty|header"):
        analysis.fetch(offer)


def test_a_series_with_many_rows_lost_is_asked_for_again(analysis, server, monkeypatch):
    offer = of_key(analysis.offers(NOW), "NTAL_cf_ALIC_2026.csv")
    whole = server.points
    monkeypatch.setattr(server, "points", lambda query, forecast: b"".join(
        line for number, line in enumerate(whole(query, forecast=forecast).splitlines(True))
        if number == 0 or number % 4))
    with pytest.raises(SourceError, match="not complete"):
        analysis.fetch(offer)


def test_a_day_without_its_nine_instants_is_absent(analysis):
    times = like.instants("2026-01-01", 40)
    content = like.point_csv(np.delete(times, [10, 80]), np.delete(like.up_m(times.size), [10, 80]))
    data = analysis.parse(content, "NTAL_cf_ALIC_2026.csv", not_after=TODAY)
    gone = {"2026-01-02", "2026-01-10", "2026-01-11"}
    days = set(data["time"].values.astype("datetime64[D]").astype(str))
    assert days == {str(day) for day in np.arange("2026-01-01", "2026-02-10", dtype="M8[D]")} - gone


@pytest.mark.parametrize(("declared", "words"), [
    ("mm", "looks like m, not mm"), ("", "no known unit"), ("hPa", "no known unit"),
])
def test_a_wrong_or_absent_unit_is_named(analysis, declared, words):
    times = like.instants("2026-01-01", 40)
    content = like.point_csv(times, like.up_m(times.size), unit=declared)
    with pytest.raises(MalformedInputError, match=words):
        analysis.parse(content, "NTAL_cf_ALIC_2026.csv", not_after=TODAY)


def test_the_declared_unit_is_converted_in_any_order_of_columns(analysis):
    times = like.instants("2026-01-01", 40)
    metres = analysis.parse(like.point_csv(times, like.up_m(times.size)),
                            "NTAL_cf_ALIC_2026.csv", not_after=TODAY)
    millimetres = analysis.parse(
        like.point_csv(times, like.up_m(times.size) * 1000.0, unit="mm",
                       columns=("value", "longitude", "time", "latitude")),
        "NTAL_cf_ALIC_2026.csv", not_after=TODAY)
    np.testing.assert_allclose(metres["ntal_up_mm"], millimetres["ntal_up_mm"], rtol=1e-8)
    assert float(metres["ntal_up_mm"].std()) == pytest.approx(2.0, rel=0.2)


@pytest.mark.parametrize(("place", "year", "words"), [
    ({"longitude": -23.75, "latitude": 133.75}, 2026, "another place"),
    ({"longitude": 130.0}, 2026, "another place"),
    ({}, 2025, "another year"),
])
def test_the_series_of_another_place_or_year_is_refused(analysis, place, year, words):
    times = like.instants("2026-01-01", 40)
    with pytest.raises(MalformedInputError, match=words):
        analysis.parse(like.point_csv(times, like.up_m(times.size), **place),
                       f"NTAL_cf_ALIC_{year}.csv", not_after=TODAY)


def test_a_station_is_offered_anew_when_its_place_changes(server, client):
    moved = Sites(STATIONS.name, STATIONS.longitude_deg + np.array([0.5, 0.0]),
                  STATIONS.latitude_deg, STATIONS.height_m)
    both = [EsmgfzAnalysis([client], sites, layout=Layout("cf"),
                           first_day=datetime.date(2026, 1, 1)).offers(NOW)
            for sites in (STATIONS, moved)]
    changed = {a.key for a, b in zip(*both, strict=True) if a.version != b.version}
    assert changed == {"NTAL_cf_ALIC_2026.csv", "NTOL_cf_ALIC_2026.csv"}


@pytest.fixture
def forecast(server, client):
    return EsmgfzForecast([client], STATIONS, layout=Layout("cf"))


def test_the_forecast_reaches_beyond_today_and_is_replaced(forecast, server):
    source: Source = forecast
    offer = of_key(source.offers(NOW), "NTAL_cf_ALIC_forecast_2.csv")
    assert (offer.valid_from, offer.valid_to) == (TODAY, datetime.date(2026, 3, 15))
    data = source.parse(source.fetch(offer).content, offer.key, not_after=TODAY)
    check(data, LOADING, where="forecast")
    assert data["time"].values[-1] == np.datetime64("2026-03-15")
    with pytest.raises(MalformedInputError, match="future"):
        source.parse(source.fetch(offer).content, offer.key,
                     not_after=TODAY - datetime.timedelta(days=2))
    for product, files in server.files.items():
        files.clear()
        files[FORECAST.format(product).replace("069F", "070F")] = NEW
    replaced = source.offers(utc(11, day=11))
    assert {o.key for o in replaced} == {f"{p}_cf_{s}_forecast_3.csv" for p in ("NTAL", "NTOL")
                                         for s in ("ALIC", "DARW")}
    with pytest.raises(SourceError, match="gone"):
        source.fetch(offer)


def test_the_analysis_takes_the_place_of_the_forecast(analysis, forecast, server):
    early = of_key(forecast.offers(NOW), "NTAL_cf_ALIC_forecast_2.csv")
    weak = forecast.parse(forecast.fetch(early).content, early.key, not_after=TODAY)
    server.newest = np.datetime64("2026-03-12T21:00:00", "s")
    late = of_key(analysis.offers(utc(11, day=13)), "NTAL_cf_ALIC_2026.csv")
    best = analysis.parse(analysis.fetch(late).content, late.key,
                          not_after=datetime.date(2026, 3, 13))
    merged = merge_loading([weak, best])["ntal_up_mm"].sel(station="ALIC")
    from_forecast = weak["ntal_up_mm"].sel(station="ALIC")
    both = merged.sel(time="2026-03-11") - from_forecast.sel(time="2026-03-11")
    assert float(both) == pytest.approx(-1.0, abs=1e-6)
    assert float(merged.sel(time="2026-03-14")) == float(from_forecast.sel(time="2026-03-14"))


def test_an_identifier_that_changes_is_looked_up_again(forecast, server):
    offer = of_key(forecast.offers(NOW), "NTOL_cf_DARW_forecast_2.csv")
    server.files["NTOL"][FORECAST.format("NTOL")] = NEW
    assert forecast.fetch(offer).content.startswith(b"time,")
    assert server.requests[-1].args["entryid"] == NEW


@pytest.mark.parametrize("page", [like.folder_html, like.folder_json])
def test_folder_pages_are_read_as_html_and_json(page):
    files = {f"ESMGFZ_NTAL_cf_v1.0_3h_{year}.nc": OLD.replace("1", str(year % 10))
             for year in range(2020, 2027)}
    assert parse_listing(page(files), where="page") == files


@pytest.mark.parametrize("content", [b"", b"<html>Error</html>", b"[]", b'{"id": 3}', b"[" * 10**5])
def test_a_page_without_files_is_refused(content):
    with pytest.raises(MalformedInputError, match="no netCDF file"):
        parse_listing(content, where="page")


def grids(client, stream):
    return EsmgfzGrids([client], STATIONS, stream=stream, first_year=2026, layout=Layout("cf"))


def test_whole_files_are_found_by_their_names(server, client):
    offers = grids(client, "forecast").offers(NOW)
    assert {o.key for o in offers} == {FORECAST.format("NTAL"), FORECAST.format("NTOL")}
    offers = grids(client, "analysis").offers(NOW)
    assert {o.key for o in offers} == {"ESMGFZ_NTAL_cf_v1.0_3h_2026.nc",
                                       "ESMGFZ_NTOL_cf_v1.0_3h_2026.nc"}
    tomorrow = grids(client, "analysis").offers(utc(11, day=11))
    assert {o.version for o in offers}.isdisjoint({o.version for o in tomorrow})
    files = server.files["NTAL"]
    files["ESMGFZ_NTAL_cf_v1.0_3h_2026.nc"] = NEW
    renewed = grids(client, "analysis").offers(NOW)
    assert {o.key for o in set(renewed) - set(offers)} == {"ESMGFZ_NTAL_cf_v1.0_3h_2026.nc"}


def test_a_whole_file_is_fetched_if_it_has_changed_and_is_netcdf(server, client):
    source = grids(client, "analysis")
    offer = source.offers(NOW)[0]
    server.content = b"\x89HDF\r\n\x1a\n" + bytes(100)
    received = source.fetch(offer)
    assert received.content == server.content
    assert source.fetch(offer, received.validators).content is None
    server.content = b"<html>Error</html>"
    with pytest.raises(SourceError):
        source.fetch(offer)


def field(step, lat, lon):
    """Linear in the coordinates, so that bilinear values are exact; metres."""
    return 1e-3 * (3.0 * np.sin(step / 9.0) + lat / 90.0 + lon / 180.0)


AXES = {
    "north to south": (np.arange(-5.25, -30.0, -0.5), np.arange(120.25, 140.0, 0.5)),
    "south to north": (np.arange(-29.75, -5.0, 0.5), np.arange(120.25, 140.0, 0.5)),
    "global, 0 to 360": (np.arange(89.75, -90.0, -2.5), np.arange(0.25, 360.0, 2.5)),
    "global, -180 to 180": (np.arange(-89.75, 90.0, 2.5), np.arange(-179.75, 180.0, 2.5)),
}


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("options", [{}, {"kind": "NETCDF3_CLASSIC"}, {"packed": True}],
                         ids=["netcdf4", "classic", "packed"])
def test_grids_are_read_by_their_coordinates_only(server, client, axes, options):
    latitude, longitude = AXES[axes]
    times = like.instants("2026-01-01", 3)

    def wrapped(step, lat, lon):
        return field(step, lat, (lon + 180.0) % 360.0 - 180.0)

    content = like.grid_netcdf(times, wrapped, latitude=latitude, longitude=longitude, **options)
    source = grids(client, "analysis")
    data = source.parse(content, "ESMGFZ_NTAL_cf_v1.0_3h_2026.nc", not_after=TODAY)
    check(data, LOADING, where="grid")
    at = like.grid_netcdf(times, field, latitude=STATIONS.latitude_deg,
                          longitude=STATIONS.longitude_deg)
    assert len(at) > 0
    weights = np.full(9, 1 / 8)
    weights[[0, -1]] /= 2
    for column in range(2):
        lat, lon = STATIONS.latitude_deg[column], STATIONS.longitude_deg[column]
        means = [weights @ [field(d * 8 + s, lat, lon) for s in range(9)] for d in range(3)]
        assert data["ntal_up_mm"].values[:, column] == pytest.approx(
            1000 * np.array(means), abs=2e-3 if options.get("packed") else 1e-5)
    assert np.isnan(data["ntol_up_mm"].values).all()


def test_a_global_grid_is_closed_over_its_seam(server, client):
    pacific = Sites(np.array(["FIJI"]), np.array([179.99]), np.array([-17.6]), np.array([10.0]))
    source = EsmgfzGrids([client], pacific, stream="analysis", first_year=2026, layout=Layout("cf"))
    content = like.grid_netcdf(
        like.instants("2026-01-01", 2), lambda step, lat, lon: 1e-3 * (lon % 360.0 - 180.0),
        latitude=np.arange(89.75, -90.0, -0.5), longitude=np.arange(-179.75, 180.0, 0.5))
    data = source.parse(content, "ESMGFZ_NTAL_cf_v1.0_3h_2026.nc", not_after=TODAY)
    assert data["ntal_up_mm"].values[:, 0] == pytest.approx(-0.01, abs=1e-4)


@pytest.mark.parametrize(("options", "words"), [
    ({"units": ""}, "no known unit"),
    ({"variables": {"dv": 1.0}}, "no variable"),
    ({"time_units": "hours since 2026-01-01"}, "no complete day|do not fit"),
    ({"time_units": "days"}, "time axis without"),
    ({"names": ("y", "x")}, "no axis"),
])
def test_a_grid_that_cannot_be_right_is_refused(server, client, options, words):
    latitude, longitude = AXES["north to south"]
    content = like.grid_netcdf(like.instants("2026-01-01", 2), field, latitude=latitude,
                               longitude=longitude, **options)
    with pytest.raises(MalformedInputError, match=words):
        grids(client, "analysis").parse(content, "ESMGFZ_NTAL_cf_v1.0_3h_2026.nc", not_after=TODAY)


def test_a_time_axis_that_counts_steps_is_refused(server, client):
    latitude, longitude = AXES["north to south"]
    times = np.datetime64("2026-01-01", "s") + np.arange(320) * np.timedelta64(1, "D")
    content = like.grid_netcdf(times, field, latitude=latitude[:3], longitude=longitude[:3])
    with pytest.raises(MalformedInputError, match="count steps"):
        grids(client, "analysis").parse(content, "ESMGFZ_NTAL_cf_v1.0_3h_2026.nc", not_after=TODAY)


def test_a_station_off_the_grid_is_named(server, client):
    content = like.grid_netcdf(like.instants("2026-01-01", 2), field,
                               latitude=np.arange(-5.25, -20.0, -0.5),
                               longitude=AXES["north to south"][1])
    with pytest.raises(MalformedInputError, match="ALIC"):
        grids(client, "analysis").parse(content, "ESMGFZ_NTAL_cf_v1.0_3h_2026.nc", not_after=TODAY)


def test_keys_of_others_are_refused(analysis):
    with pytest.raises(MalformedInputError, match="unknown file"):
        analysis.parse(b"", "../etc/passwd", not_after=TODAY)
