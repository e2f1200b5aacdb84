"""GLDAS against replicas of CMR, GES DISC, OPeNDAP and Earthdata Login."""

import datetime
import logging

import numpy as np
import pytest

from dwlim_ops.contracts import Source
from dwlim_ops.errors import MalformedInputError, SourceError
from dwlim_ops.sources import gldas
from dwlim_ops.sources.formats.grids.regrid import Cells
from dwlim_ops.sources.gldas import Gldas, constraint_for
from dwlim_ops.sources.http import Client, Endpoint, NotFoundError, RefusedError
from tests.replicas import fields
from tests.replicas.earthdata import Earthdata
from tests.replicas.faults import EarthdataFault, General
from tests.replicas.world import Box, World

NOW = datetime.datetime(2026, 11, 22, 21, tzinfo=datetime.UTC)
TODAY = NOW.date()
FIRST = datetime.date(2026, 7, 25)
CELLS = Cells(np.array([12.5, 60.5]), np.array([47.5, 47.5]), 1.0, np.zeros(2))


@pytest.fixture
def nasa():
    with Earthdata(World(Box(12.0, 47.0, 13.0, 48.0), now=NOW)) as running:
        yield running


def client_of(url, **options):
    endpoint = Endpoint(url, requests_per_second=1e4, attempts=2, **options)
    return Client(endpoint, user_agent="tests", sleep=lambda _: None)


def source_of(nasa, stream="gldas_da", *, first_day=FIRST, access="file", token="", basic=False):
    login = {"auth": "bearer", "token": token or nasa.token}
    if basic:
        login = {"auth": "basic", "user": nasa.user, "password": nasa.password}
    data = client_of(nasa.origin, login_host=nasa.login.origin.removeprefix("http://"), **login)
    return Gldas(client_of(nasa.origin + "/search"), data, stream=stream, cells=CELLS,
                 first_day=first_day, access=access)


def test_every_day_that_cmr_lists_is_offered(nasa):
    source: Source = source_of(nasa)
    offers = source.offers(NOW)
    assert offers[0].key == "GLDAS_CLSM025_DA1_D.A20260725.022.nc4"
    assert [o.valid_from for o in offers] == [
        FIRST + datetime.timedelta(days=n) for n in range(len(offers))]
    assert offers[-1].valid_to == datetime.date(2026, 7, 31)
    assert {(o.source, o.stream) for o in offers} == {("weather", "gldas_da")}
    assert source.newest_visible_day(NOW) == TODAY


@pytest.mark.parametrize("basic", [False, True])
@pytest.mark.parametrize("access", ["file", "dap4"])
def test_a_day_comes_whole_or_cut_out_by_token_or_by_login(nasa, access, basic):
    source = source_of(nasa, access=access, basic=basic)
    offer = source.offers(NOW)[0]
    received = source.fetch(offer)
    data = source.parse(received.content, offer.key, not_after=TODAY)
    step = 0.25 * (np.arange(4) - 1.5)
    lon, lat = (a.ravel() for a in np.meshgrid(12.5 + step, 47.5 + step))
    expected = fields.gldas_temperature_k(np.array([FIRST], "datetime64[D]"), lon, lat).mean()
    assert data["temperature_k"].values[0, 0] == pytest.approx(expected, abs=0.01)
    assert np.isnan(data["temperature_k"].values[0, 1])
    assert data["time"].values.astype("datetime64[D]").tolist() == [FIRST]
    if access == "dap4":
        assert len(received.content) < 3e5
    else:
        assert source.fetch(offer, received.validators).content is None


def test_early_product_ends_where_the_main_one_begins(nasa):
    early = source_of(nasa, "gldas_ep")
    before = early.offers(NOW)
    assert before[0].valid_from == datetime.date(2026, 8, 1)
    assert before[0].stream == "gldas_ep"
    content = early.fetch(before[0]).content
    assert early.parse(content, before[0].key, not_after=TODAY).sizes["time"] == 1
    nasa.world.now = later = NOW + datetime.timedelta(days=30)
    with pytest.raises(NotFoundError):
        early.fetch(before[0])
    main = source_of(nasa).offers(later)
    assert main[-1].valid_to == datetime.date(2026, 8, 31)
    assert early.offers(later)[0].valid_from == datetime.date(2026, 9, 1)


def test_all_pages_are_read(nasa, monkeypatch):
    monkeypatch.setattr(gldas, "_PAGE", 3)
    source = source_of(nasa)
    assert len(source.offers(NOW)) == 7
    assert [r.parameter("page_num") for r in nasa.asked("granules")] == ["1", "2", "3"]


# The fault catalogue, GES DISC (a) to (k).


@pytest.mark.parametrize(("fault", "kind"), [
    (EarthdataFault.LOGIN_HTML, SourceError), (EarthdataFault.TOKEN_REFUSED, RefusedError),
    (EarthdataFault.EXPIRED_TOKEN, RefusedError), (EarthdataFault.REDIRECT_LOOP, RefusedError),
    (EarthdataFault.GONE, NotFoundError), (EarthdataFault.CMR_WRONG_SIZE, SourceError),
    (EarthdataFault.TRUNCATED_HDF, SourceError), (General.TRUNCATED, SourceError),
    (General.FOREIGN_REDIRECT, SourceError)])
def test_a_b_d_e_j_no_other_file_is_taken_for_the_data(nasa, fault, kind):
    source = source_of(nasa)
    if fault is EarthdataFault.CMR_WRONG_SIZE:
        nasa.inject(fault)
    offer = source.offers(NOW)[0]
    nasa.inject(fault)
    with pytest.raises(kind) as refused:
        source.fetch(offer)
    assert nasa.token not in str(refused.value)
    assert nasa.foreign.secrets == []


def test_b_an_expired_token_says_so(nasa):
    source = source_of(nasa, token=nasa.expired_token)
    with pytest.raises(RefusedError, match="make a new token"):
        source.fetch(source.offers(NOW)[0])


def test_f_no_hit_is_no_error_unless_the_product_is_unknown(nasa, monkeypatch):
    nasa.inject(EarthdataFault.NO_HITS)
    assert source_of(nasa).offers(NOW) == []
    monkeypatch.setitem(gldas.SHORT_NAME, "gldas_da", "GLDAS_RENAMED")
    with pytest.raises(SourceError, match="does not know the product"):
        source_of(nasa).offers(NOW)


def test_g_another_version_is_not_taken_by_itself(nasa, monkeypatch, caplog):
    nasa.inject(EarthdataFault.NEW_VERSION)
    with pytest.raises(SourceError, match=r"another version only.*2\.3"):
        source_of(nasa).offers(NOW)
    nasa.fault = None
    source = source_of(nasa)
    old = source._search(NOW)
    new = [{**item, "umm": {**item["umm"], "GranuleUR": "X.2.3:X.A20260801.023.nc4"}}
           for item in old[:1]]
    monkeypatch.setattr(source, "_search", lambda _: [*old, *new])
    with caplog.at_level(logging.WARNING):
        assert len(source.offers(NOW)) == len(old)
    assert "other versions" in caplog.text


@pytest.mark.parametrize("access", ["file", "dap4"])
def test_h_a_reprocessed_day_has_another_version_and_other_values(nasa, access):
    source = source_of(nasa, access=access)
    first = source.offers(NOW)[0]
    before = source.parse(source.fetch(first).content, first.key, not_after=TODAY)
    nasa.inject(EarthdataFault.REPROCESSED)
    again = source.offers(NOW)[0]
    assert (again.key, again.version != first.version) == (first.key, True)
    after = source.parse(source.fetch(again).content, again.key, not_after=TODAY)
    assert (after - before)["temperature_k"].values[0, 0] == pytest.approx(0.5, abs=1e-3)


@pytest.mark.parametrize("fault", [EarthdataFault.DAP_ERROR_200, EarthdataFault.DAP_ERROR_500])
def test_k_an_error_document_is_no_data(nasa, fault):
    source = source_of(nasa, access="dap4")
    offer = source.offers(NOW)[0]
    nasa.inject(fault)
    with pytest.raises(SourceError):
        source.fetch(offer)


def test_j_a_cut_subset_is_malformed(nasa):
    source = source_of(nasa, access="dap4")
    offer = source.offers(NOW)[0]
    content = source.fetch(offer).content
    with pytest.raises(MalformedInputError):
        source.parse(content[: len(content) // 2], offer.key, not_after=TODAY)


@pytest.mark.parametrize("document", [
    [], {"hits": 1}, {"hits": "many", "items": []}, {"hits": 1, "items": []},
    {"hits": 1, "items": [{}]}, {"hits": 1, "items": [{"umm": {"GranuleUR": "A.2.2:b.nc4"}}]}])
def test_an_answer_of_cmr_that_is_none(nasa, monkeypatch, document):
    source = source_of(nasa)
    monkeypatch.setattr(source._cmr, "get_json", lambda *_: document)
    with pytest.raises(SourceError):
        source.offers(NOW)


def test_a_file_must_have_been_offered(nasa):
    source = source_of(nasa)
    offer = source.offers(NOW)[0]
    with pytest.raises(NotFoundError, match="offers first"):
        source_of(nasa).fetch(offer)


def test_the_constraint_covers_the_cells_on_the_providers_indices():
    one = Cells(np.array([12.5]), np.array([47.5]), 1.0, np.zeros(1))
    rows, columns = "[427:1:432]", "[767:1:772]"
    assert constraint_for(one) == (
        f"/AvgSurfT_tavg[0:1:0]{rows}{columns};/lat{rows};/lon{columns};/time[0:1:0]")
    assert (-59.875 + 0.25 * 427, -59.875 + 0.25 * 432) == (46.875, 48.125)
    pacific = Cells(np.array([179.5, -179.5]), np.array([-59.5, 89.5]), 1.0, np.zeros(2))
    assert "/lat[0:1:599];/lon[0:1:1439]" in constraint_for(pacific)
