"""The embedded record as a provider, and the regions that ship."""

import datetime
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import dwlim_ops.regions
from dwlim_ops.contracts import GNSS, GRACE, WEATHER, Source, check
from dwlim_ops.errors import ConfigError, ContractError, MalformedInputError
from dwlim_ops.geometry import read_outline
from dwlim_ops.regions import built_in_regions, region_folder
from dwlim_ops.sources.merge import merge_gnss, merge_weather
from dwlim_ops.sources.sample import SampleGnss, SampleWeather

TODAY = datetime.date(2024, 1, 1)
AUSTRALIA = Path(dwlim_ops.regions.__file__).parent / "australia"
CASES = [(SampleGnss, GNSS, merge_gnss), (SampleWeather, WEATHER, merge_weather)]


def utc(*moment):
    return datetime.datetime(*moment, tzinfo=datetime.UTC)


@pytest.fixture(scope="module")
def gnss():
    return SampleGnss(AUSTRALIA, 2)


def test_a_value_comes_out_at_noon_after_its_latency(gnss):
    before, at = gnss.offers(utc(2012, 3, 5, 11, 59)), gnss.offers(utc(2012, 3, 5, 12))
    assert before[-1].valid_to == datetime.date(2012, 3, 2)
    assert at[-1].valid_to == datetime.date(2012, 3, 3)
    assert at[-1].available_at == utc(2012, 3, 5, 12)


def test_complete_years_come_as_one_file_and_the_running_one_by_day(gnss):
    offers = gnss.offers(utc(2012, 1, 2, 11))
    assert [o.key for o in offers[:2]] == ["gnss_2009.csv.gz", "gnss_2010.csv.gz"]
    assert offers[-1].key == "gnss_2011-12-30.csv.gz"
    assert len(offers) == 2 + 364
    offers = gnss.offers(utc(2012, 1, 3, 12))
    assert [o.key for o in offers[2:]] == ["gnss_2011.csv.gz", "gnss_2012-01-01.csv.gz"]
    assert len({o.key for o in offers}) == len(offers)


def test_nothing_is_offered_before_the_record_or_beyond_it(gnss):
    assert gnss.offers(utc(2008, 6, 1)) == []
    last = gnss.offers(utc(2030, 1, 1))[-1]
    assert last.valid_to == datetime.date(2023, 9, 19)
    with pytest.raises(ContractError, match="zone"):
        gnss.offers(datetime.datetime(2012, 1, 1))  # noqa: DTZ001


def test_days_without_any_row_are_not_offered():
    offers = SampleWeather(AUSTRALIA, 1).offers(utc(2011, 6, 1))
    assert not [o for o in offers if o.valid_from.strftime("%Y-%m") == "2011-04"]


@pytest.mark.parametrize(("kind", "contract", "merge"), CASES)
def test_what_is_served_is_the_record(kind, contract, merge):
    source: Source = kind(AUSTRALIA, 1)
    wanted = [o for o in source.offers(utc(2014, 2, 20)) if o.valid_to.year >= 2013]
    assert source.fetch(wanted[0]) == kind(AUSTRALIA, 1).fetch(wanted[0])
    merged = merge([source.parse(source.fetch(o).content, o.key, not_after=TODAY) for o in wanted])
    check(merged, contract, where="sample")
    days = slice(str(merged["time"].values[0]), str(merged["time"].values[-1]))
    with xr.open_dataset(AUSTRALIA / f"{source.name}.nc") as stored:
        dim = contract.variables[next(iter(contract.variables))].dims[1]
        expected = stored.sel(time=days, **{dim: merged[dim].values})
        for name in contract.variables:
            np.testing.assert_allclose(merged[name].values, expected[name].values, rtol=1e-12)
        for name in ("longitude_deg", "latitude_deg"):
            np.testing.assert_array_equal(merged[name].values, expected[name].values)


def test_a_file_under_another_day_s_name_is_refused(gnss):
    offers = gnss.offers(utc(2009, 2, 1))
    content = gnss.fetch(offers[3]).content
    with pytest.raises(MalformedInputError, match="future"):
        gnss.parse(content, offers[2].key, not_after=TODAY)
    with pytest.raises(MalformedInputError, match="unknown file"):
        gnss.parse(content, "something.csv", not_after=TODAY)
    unlisted = b"date,station,up_mm,up_sigma_mm\n2009-01-04,QQQQ,1.0,1.0\n"
    with pytest.raises(MalformedInputError, match="QQQQ"):
        gnss.parse(unlisted, "gnss_2009-01-04.csv.gz", not_after=TODAY)


def test_a_rapid_stream_keeps_a_window_of_days_and_no_years():
    rapid = SampleGnss(AUSTRALIA, 2, stream="rapid", window_days=60)
    offers = rapid.offers(utc(2012, 3, 5, 12))
    assert {o.stream for o in offers} == {"rapid"}
    assert [offers[0].valid_from, offers[-1].valid_to] == [
        datetime.date(2012, 1, 4), datetime.date(2012, 3, 3)]
    assert len(offers) == 60
    assert all(o.valid_from == o.valid_to for o in offers)
    assert offers[-1].available_at == utc(2012, 3, 5, 12)


def test_what_a_stream_never_gets_is_drawn_by_day_and_station():
    share = 0.15
    gappy = SampleGnss(AUSTRALIA, 2, stream="rapid", window_days=60, absent_share=share)
    whole = SampleGnss(AUSTRALIA, 2, stream="rapid", window_days=60)
    offers = whole.offers(utc(2012, 3, 5, 12))
    counts = np.zeros((2, len(offers)))
    patterns = set()
    for number, offer in enumerate(offers):
        kept, there = (source.parse(source.fetch(offer).content, offer.key, not_after=TODAY)
                       for source in (gappy, whole))
        assert set(kept["station"].values) < set(there["station"].values)
        same = there.sel(station=kept["station"].values)
        np.testing.assert_array_equal(kept["up_mm"].values, same["up_mm"].values)
        counts[:, number] = kept.sizes["station"], there.sizes["station"]
        patterns.add(frozenset(set(there["station"].values) - set(kept["station"].values)))
    assert 1 - counts[0].sum() / counts[1].sum() == pytest.approx(share, abs=0.02)
    assert len(patterns) == len(offers)
    assert gappy.fetch(offers[0]) == gappy.fetch(offers[0])


def test_streams_differ_in_when_and_not_in_what():
    final, preview = SampleWeather(AUSTRALIA, 90), SampleWeather(
        AUSTRALIA, 1, stream="preview", window_days=10)
    day = datetime.date(2014, 2, 12)
    at = utc(2014, 2, 13, 12)
    (early,) = [o for o in preview.offers(at) if o.valid_to == day]
    assert not [o for o in final.offers(at) if o.valid_from == day]
    (late,) = [o for o in final.offers(utc(2014, 5, 13, 12)) if o.valid_from == day]
    assert preview.fetch(early) == final.fetch(late)
    assert (final.newest_visible_day(at), preview.newest_visible_day(at)) == (
        datetime.date(2013, 11, 15), day)


def test_the_sample_keeps_known_numbers_of_its_sources():
    with xr.open_dataset(AUSTRALIA / "gnss.nc") as data:
        assert data.sizes == {"time": 5375, "station": 114}
        assert int(data["up_mm"].count()) == 455191
        alby = data.sel(station="ALBY")
        assert float(alby["up_mm"][0]) == pytest.approx(2.710, abs=1e-9)
        assert float(alby["longitude_deg"]) == pytest.approx(360 - 242.189813263, abs=1e-9)
    with xr.open_dataset(AUSTRALIA / "weather.nc") as data:
        albury = data.sel(site="Albury", time="2008-12-01")
        assert float(albury["temperature_k"]) == pytest.approx((13.4 + 22.9) / 2 + 273.15)
        assert float(albury["pressure_pa"]) == pytest.approx((100770 + 100710) / 2)
        assert float(albury["rain_mm"]) == pytest.approx(0.6)
    with xr.open_dataset(AUSTRALIA / "grace.nc") as data:
        check(data, GRACE, where="grace.nc")
        assert data.sizes["time"] == 131
        lengths = (data["time_bounds"][:, 1] - data["time_bounds"][:, 0]).dt.days.values
        assert lengths.min() >= 28
        assert lengths.max() <= 31


def test_every_station_lies_inside_the_outline():
    outline = read_outline(AUSTRALIA / "outline.geojson")
    with xr.open_dataset(AUSTRALIA / "gnss.nc") as data:
        from shapely import contains_xy

        assert contains_xy(outline, data["longitude_deg"].values, data["latitude_deg"].values).all()


def test_built_in_regions_are_found_and_others_refused():
    assert "australia" in built_in_regions()
    assert region_folder("australia") == AUSTRALIA
    with pytest.raises(ConfigError, match="australia"):
        region_folder("atlantis")
