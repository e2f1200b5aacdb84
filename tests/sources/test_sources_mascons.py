"""CSR and JPL mascons: parsing of look-alikes, and the sources against a small server."""

import datetime
import json
from datetime import date

import numpy as np
import pytest
from data.mascons import lookalikes as like
from shapely.geometry import box
from werkzeug import Response

from dwlim_ops.contracts import GRACE, Source, check
from dwlim_ops.errors import MalformedInputError, SourceError
from dwlim_ops.geometry import Basins, make_grid
from dwlim_ops.sources.formats.mascons import parse_mascons
from dwlim_ops.sources.http import Client, Endpoint
from dwlim_ops.sources.mascons import CSR_FILE, CsrMascons, JplMascons
from dwlim_ops.verify.grace import grace_of_basins

NOW = datetime.datetime(2018, 9, 1, 6, tzinfo=datetime.UTC)
TODAY = NOW.date()
AUSTRALIA = (112.0, -44.0, 154.0, -10.0)


def parse(content, bounds=AUSTRALIA, **options):
    return parse_mascons(content, bounds_deg=bounds, not_after=TODAY, where="m.nc", **options)


@pytest.mark.parametrize("provider", ["csr", "jpl"])
@pytest.mark.parametrize("options", [{}, {"descending": True}, {"kind": "NETCDF4_CLASSIC"}])
def test_both_providers_give_millimetres_on_a_normalised_grid(provider, options):
    data = check(parse(like.mascons(provider, **options)), GRACE, where="mascons")
    assert (np.diff(data["lat"]) > 0).all()
    assert float(data["lon"].min()) == pytest.approx(111.0)
    assert float(data["lon"].max()) == pytest.approx(155.0)
    lat, lon = np.meshgrid(data["lat"], data["lon"], indexing="ij")
    for month in range(len(like.SPANS)):
        np.testing.assert_allclose(data["twsa_mm"][month], 10 * like.storage_cm(month, lat, lon),
                                   rtol=1e-5, atol=1e-4)
    assert data.attrs["baseline"] == "2004-01-01/2009-12-31"
    assert ("land" in data) == (provider == "jpl")


def test_months_are_those_of_the_bounds_also_when_a_label_comes_twice():
    data = parse(like.mascons("csr"))
    spans = data["time_bounds"].values.astype("datetime64[D]").astype(str).tolist()
    assert [tuple(span) for span in spans] == like.SPANS
    assert data["time"].values.astype("datetime64[D]").astype(str).tolist() == [
        "2015-03-16", "2015-04-10", "2015-04-28", "2015-07-16", "2018-06-16"]


def test_months_in_another_order_are_sorted():
    ordered, shuffled = (parse(like.mascons("jpl", spans=spans))
                         for spans in (like.SPANS, like.SPANS[::-1]))
    np.testing.assert_array_equal(ordered["time"], shuffled["time"])
    np.testing.assert_allclose(shuffled["twsa_mm"][0] - shuffled["twsa_mm"][-1], 40.0, rtol=1e-4)


def test_a_region_may_cross_greenwich_or_the_date_line():
    africa = parse(like.mascons("csr"), bounds=(-10.0, 10.0, 10.0, 20.0))
    assert africa["lon"].values[[0, -1]].tolist() == [-11.0, 11.0]
    lat, lon = np.meshgrid(africa["lat"], africa["lon"], indexing="ij")
    np.testing.assert_allclose(africa["twsa_mm"][2], 10 * like.storage_cm(2, lat, lon), rtol=1e-4)
    pacific = parse(like.mascons("csr"), bounds=(170.0, -20.0, -170.0, -10.0))
    assert sorted(pacific["lon"].values.tolist()) == [
        *range(-179, -168, 2), *range(169, 180, 2)]
    world = parse(like.mascons("jpl"), bounds=(-180.0, -90.0, 180.0, 90.0))
    assert world.sizes["lon"] == 180
    assert np.isnan(world["twsa_mm"].sel(lat=-1.0, lon=-149.0)).all()


def test_gain_factors_are_applied_on_request_only():
    content = like.mascons("jpl", scaled=True)
    plain, scaled = parse(content), parse(content, scaled=True)
    np.testing.assert_allclose(scaled["twsa_mm"], 2.0 * plain["twsa_mm"], rtol=1e-6)
    assert (plain.attrs["gain_factors"], scaled.attrs["gain_factors"]) == ("not applied", "applied")
    with pytest.raises(MalformedInputError, match="no gain factors"):
        parse(like.mascons("csr"), scaled=True)


def test_basins_are_averaged_as_from_the_embedded_sample():
    grid = make_grid(box(120, -30, 124, -26), 1.0, 0.0)
    basins = Basins(("1",), ("One",), np.full((1, grid.cells[0].size), 1 / grid.cells[0].size))
    means = grace_of_basins(parse(like.mascons("csr")), grid, basins,
                            reference=(date(2015, 1, 1), date(2015, 12, 31)))
    assert means.twsa_mm[:, 0] == pytest.approx(10 * (np.arange(5) - 1.5), abs=1e-3)


@pytest.mark.parametrize(("content", "words"), [
    (b"", "not a netCDF"),
    (b"<html>login</html>", "not a netCDF"),
    (like.mascons("csr")[:20000], "fails|damaged|no mascon"),
    (like.mascons("csr", units=""), "no known unit"),
    (like.mascons("csr", units="kg m-2"), "no known unit"),
    (like.mascons("csr", units="m"), "out of range"),
    (like.mascons("csr", time_units=""), "time axis without"),
    (like.mascons("jpl", time_units="months since 2002-01-01"), "time axis without"),
    (like.mascons("jpl", time_units="days since 2003-02-30"), "time axis without"),
    (like.mascons("jpl", time_units="days since 2012-01-01"), "impossible month"),
    (like.mascons("csr", spans=[like.SPANS[0], like.SPANS[0]]), "two solutions"),
    (like.mascons("csr", spans=[("2015-01-01", "2015-12-01")]), "impossible month"),
    (like.mascons("csr", spans=[("2015-02-01", "2015-01-01")]), "impossible month"),
    (like.mascons("csr", spans=[("2018-08-15", "2018-09-15")]), "impossible month"),
    (like.land_mask(), "no mascon grids"),
])
def test_what_cannot_be_right_is_refused(content, words):
    with pytest.raises(MalformedInputError, match=words):
        parse(content)


def test_a_fill_value_that_is_not_declared_is_refused():
    with pytest.raises(MalformedInputError, match="out of range"):
        parse(like.mascons("csr", fill_declared=False), bounds=(-160.0, -10.0, -140.0, 10.0))


def client_of(httpserver, path=""):
    return Client(Endpoint(httpserver.url_for(path), attempts=1, requests_per_second=1e6,
                           deadline_s=10), user_agent="test")


def test_csr_is_asked_once_a_day_and_may_answer_unchanged(httpserver):
    content = like.mascons("csr")

    def answer(request):
        if request.headers.get("If-Modified-Since") == "Sun, 27 Sep 2026 00:00:00 GMT":
            return Response(status=304)
        return Response(content, headers={"Last-Modified": "Sun, 27 Sep 2026 00:00:00 GMT"})

    httpserver.expect_request(f"/{CSR_FILE}").respond_with_handler(answer)
    with client_of(httpserver) as client:
        source: Source = CsrMascons(client, bounds_deg=AUSTRALIA)
        offer = source.offers(NOW)[0]
        assert offer.version != source.offers(NOW + datetime.timedelta(days=1))[0].version
        received = source.fetch(offer)
        data = source.parse(received.content, offer.key, not_after=TODAY)
        assert source.fetch(offer, received.validators).content is None
    check(data, GRACE, where="csr")


class Earthdata:
    """CMR and archive: `end` is the last month of the issue."""

    def __init__(self, httpserver):
        self.end, self.revision, self.content = "201806", "2018-09-01T00:00:00Z", b""
        self.url = httpserver.url_for("/archive")
        self.older, self.size = [], None
        httpserver.expect_request("/search/granules.umm_json").respond_with_handler(self.catalogue)
        self.httpserver = httpserver

    def name(self, end=None):
        return f"GRCTellus.JPL.200204_{end or self.end}.GLO.RL06.3M.MSCNv04CRI.nc"

    def serve(self):
        self.httpserver.expect_request(f"/archive/{self.name()}").respond_with_data(self.content)

    def catalogue(self, request):
        assert request.args["short_name"] == "TELLUS_GRAC-GRFO_MASCON_CRI_GRID_RL06.3_V4"
        items = [{"meta": {"revision-date": self.revision}, "umm": {
            "GranuleUR": self.name(end), "RelatedUrls": [
                {"Type": "GET DATA VIA DIRECT ACCESS", "URL": f"s3://bucket/{self.name(end)}"},
                {"Type": "GET DATA", "URL": f"{self.url}/{self.name(end)}.md5"},
                {"Type": "GET DATA", "URL": f"{self.url}/{self.name(end)}"}],
            "DataGranule": {"ArchiveAndDistributionInformation": [
                {"Name": self.name(end), "SizeInBytes": self.size}]}}}
            for end in [*self.older, self.end]]
        return Response(json.dumps({"hits": len(items), "items": items}),
                        content_type="application/json")


@pytest.fixture
def earthdata(httpserver):
    return Earthdata(httpserver)


@pytest.fixture
def jpl(httpserver, earthdata):
    with client_of(httpserver, "/search") as search, client_of(httpserver, "/archive") as archive:
        yield JplMascons(search, archive, bounds_deg=AUSTRALIA)


def test_jpl_is_found_by_the_catalogue_whatever_its_name(jpl, earthdata):
    earthdata.content, earthdata.older = like.mascons("jpl"), ["201801"]
    earthdata.size = len(earthdata.content)
    earthdata.serve()
    source: Source = jpl
    offer = source.offers(NOW)[0]
    assert offer.valid_to == date(2018, 6, 30)
    data = source.parse(source.fetch(offer).content, offer.key, not_after=TODAY)
    check(data, GRACE, where="jpl")


def test_a_renamed_file_is_a_new_version_under_the_same_key(jpl, earthdata):
    first = jpl.offers(NOW)[0]
    earthdata.end = "201807"
    second = jpl.offers(NOW)[0]
    assert first.key == second.key
    assert first.version != second.version
    with pytest.raises(SourceError, match="replaced since"):
        jpl.fetch(first)
    earthdata.revision = "2018-10-01T00:00:00Z"
    assert jpl.offers(NOW)[0].version != second.version


def test_a_login_page_or_a_wrong_size_is_no_file(jpl, earthdata):
    earthdata.content = b"<html>Earthdata Login</html>"
    earthdata.serve()
    with pytest.raises(SourceError):
        jpl.fetch(jpl.offers(NOW)[0])
    earthdata.httpserver.clear()
    earthdata.content, earthdata.size = like.mascons("jpl"), 17
    again = Earthdata(earthdata.httpserver)
    again.content, again.size = earthdata.content, 17
    again.serve()
    with pytest.raises(SourceError):
        jpl.fetch(jpl.offers(NOW)[0])


@pytest.mark.parametrize("document", [
    "{}", "[]", '{"items": 3}', '{"items": [3, null, {"umm": []}]}', '{"hits": 0, "items": []}',
    '{"items": [{"umm": {"RelatedUrls": [{"Type": "GET DATA", "URL": "http://x/other.nc"}]}}]}',
])
def test_an_answer_without_the_file_is_no_offer(httpserver, document):
    httpserver.expect_request("/search/granules.umm_json").respond_with_data(
        document, content_type="application/json")
    with client_of(httpserver, "/search") as client, pytest.raises(SourceError, match="no mascon"):
        JplMascons(client, client, bounds_deg=AUSTRALIA).offers(NOW)
