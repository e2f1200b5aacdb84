"""Damaged files of every parser of loading and mascons: within the contract, or refused."""

import datetime

import numpy as np
import pytest
from data.loading_formats import lookalikes as like
from data.mascons import lookalikes as mascons
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dwlim_ops.contracts import GRACE, LOADING, check
from dwlim_ops.errors import MalformedInputError
from dwlim_ops.sources.esmgfz import EsmgfzAnalysis, EsmgfzForecast, EsmgfzGrids
from dwlim_ops.sources.folder_loading import FolderLoadingStations
from dwlim_ops.sources.formats.grids.isolated import IsolatedReader
from dwlim_ops.sources.formats.loading import netcdf
from dwlim_ops.sources.formats.loading.listing import parse_listing
from dwlim_ops.sources.formats.mascons import parse_mascons
from dwlim_ops.sources.formats.sites import Sites
from dwlim_ops.sources.ramadda import Layout

TODAY = datetime.date(2026, 3, 10)
STATIONS = Sites(np.array(["ALIC"]), np.array([133.89]), np.array([-23.67]), np.array([600.0]))
TIMES = like.instants("2026-01-01", 32)
POINTS = like.point_csv(TIMES, like.up_m(TIMES.size))
TEXT = like.station_text(TIMES, like.up_m(TIMES.size))
DAYS = np.arange("2026-01-01", "2026-02-10", dtype="M8[D]")
DAILY = like.daily_csv_text(DAYS, 2.0 * np.sin(np.arange(40.0)))
UUID = "11111111-2222-3333-4444-555555555555"
PAGES = [page({f"ESMGFZ_NTAL_cf_v1.0_3h_{year}.nc": UUID.replace("1", str(year % 10))
               for year in range(2020, 2027)}) for page in (like.folder_html, like.folder_json)]
FRUGAL = settings(derandomize=True, deadline=None, max_examples=120,
                  suppress_health_check=[HealthCheck.function_scoped_fixture])


@st.composite
def damaged(draw, contents, *, most=4):
    """One of `contents` after a few cuts, copies, insertions and changed bytes."""
    content = bytearray(draw(st.sampled_from(contents)))
    for _ in range(draw(st.integers(1, most))):
        at = draw(st.integers(0, max(len(content) - 1, 0)))
        kind = draw(st.sampled_from(["byte", "cut", "drop", "copy", "insert"]))
        if kind == "byte" and content:
            content[at] = draw(st.integers(0, 255))
        elif kind == "cut":
            del content[at:]
        elif kind == "drop":
            del content[at:at + draw(st.integers(1, 200))]
        elif kind == "copy":
            content[at:at] = content[at:at + draw(st.integers(1, 200))]
        else:
            content[at:at] = draw(st.sampled_from(
                [b"nan", b"-", b"9", b"1e308", b"\n", b",", b" ", b"<", b"\x00", b"2026-01-01"]))
    return bytes(content)


def within(parse, contract):
    """The result keeps its contract, or the file is refused; nothing else."""
    try:
        data = parse()
    except MalformedInputError:
        return
    check(data, contract, where="fuzz")


@FRUGAL
@given(damaged([POINTS]))
def test_point_csv(content):
    analysis = EsmgfzAnalysis([], STATIONS, layout=Layout("cf"), first_day=TODAY)
    within(lambda: analysis.parse(content, "NTAL_cf_ALIC_2026.csv", not_after=TODAY), LOADING)
    forecast = EsmgfzForecast([], STATIONS, layout=Layout("cf"))
    within(lambda: forecast.parse(content, "NTOL_cf_ALIC_forecast_1.csv", not_after=TODAY), LOADING)


@settings(FRUGAL, max_examples=40)
@given(st.binary(max_size=300))
def test_any_bytes(content):
    analysis = EsmgfzAnalysis([], STATIONS, layout=Layout("cf"), first_day=TODAY)
    within(lambda: analysis.parse(content, "NTAL_cf_ALIC_2026.csv", not_after=TODAY), LOADING)
    within(lambda: parse_mascons(content, bounds_deg=(0, 0, 9, 9), not_after=TODAY, where="m"),
           GRACE)


@FRUGAL
@given(content=damaged([TEXT, DAILY]), step_hours=st.sampled_from([3, 24]))
def test_station_text(content, step_hours, tmp_path):
    (tmp_path / "sites.csv").write_text("station,longitude,latitude\nALIC,133.89,-23.67\n")
    source = FolderLoadingStations(tmp_path, sites_file=tmp_path / "sites.csv", unit="m",
                                   step_hours=step_hours)
    within(lambda: source.parse(content, "ALIC.ntal", not_after=TODAY), LOADING)


@FRUGAL
@given(damaged(PAGES, most=8))
def test_folder_page(content):
    try:
        found = parse_listing(content, where="page")
    except MalformedInputError:
        return
    assert all(name.endswith(".nc") and len(entry) == 36 for name, entry in found.items())


@pytest.fixture(scope="module")
def _short_limit():
    reader = IsolatedReader(limit_s=3.0)
    replaced = pytest.MonkeyPatch()
    replaced.setattr(netcdf, "_reader", lambda: reader)
    yield
    replaced.undo()
    reader.close()


MAPS = [like.grid_netcdf(like.instants("2026-01-01", 2), lambda step, lat, lon: 1e-3 * lat / 90,
                         latitude=np.arange(-20.0, -28.0, -2.0), kind=kind,
                         longitude=np.arange(130.0, 138.0, 2.0), variables={"duV": 1.0})
        for kind in ("NETCDF3_CLASSIC", "NETCDF4")]
MASCONS = [mascons.mascons(provider, spacing=30.0, kind=kind, scaled=True)
           for provider in ("csr", "jpl") for kind in ("NETCDF3_CLASSIC", "NETCDF4")]


@settings(FRUGAL, max_examples=60)
@given(content=damaged(MAPS))
@pytest.mark.usefixtures("_short_limit")
def test_gridded_loading(content):
    source = EsmgfzGrids([], STATIONS, stream="analysis", first_year=2026, layout=Layout("cf"))
    within(lambda: source.parse(content, "ESMGFZ_NTAL_cf_v1.0_3h_2026.nc", not_after=TODAY),
           LOADING)


@settings(FRUGAL, max_examples=60)
@given(content=damaged(MASCONS), scaled=st.booleans())
@pytest.mark.usefixtures("_short_limit")
def test_mascons(content, scaled):
    within(lambda: parse_mascons(content, bounds_deg=(100.0, -40.0, 160.0, 0.0), where="m",
                                 not_after=TODAY, scaled=scaled), GRACE)


