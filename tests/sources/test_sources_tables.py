"""Tables and lists of sites: what is read and what is refused."""

import datetime
import gzip

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwlim_ops.errors import MalformedInputError
from dwlim_ops.sources.formats.sites import parse_sites
from dwlim_ops.sources.formats.tables import parse_gnss_table, parse_weather_table

TODAY = datetime.date(2024, 1, 1)
GNSS = (b"date,station,up_mm,up_sigma_mm\n2009-01-02,ALBY,0.623,3.210\n"
        b"2009-01-01,ALBY,2.710,3.140\n2009-01-02,DARW,-5.387,3.770\n")
WEATHER = (b"date,site,temperature_k,pressure_pa\n2015-01-01,Alice Springs,301.15,100870.00\n"
           b"2015-01-02,Perth,,101250.50\n2015-01-02,Alice Springs,303.65,\n")


def gnss(content):
    return parse_gnss_table(content, not_after=TODAY, where="g.csv")


def weather(content, **options):
    return parse_weather_table(content, not_after=TODAY, where="w.csv", **options)


def refused(read, content, **options):
    with pytest.raises(MalformedInputError) as caught:
        read(content, **options)
    return str(caught.value)


def test_a_gnss_table_becomes_days_by_stations():
    table = gnss(gzip.compress(GNSS))
    assert [str(day) for day in table.day] == ["2009-01-01", "2009-01-02"]
    assert table.station == ("ALBY", "DARW")
    np.testing.assert_array_equal(table.up_mm, [[2.710, np.nan], [0.623, -5.387]])
    np.testing.assert_array_equal(table.up_sigma_mm, [[3.140, np.nan], [3.210, 3.770]])


def test_of_contradicting_rows_the_smaller_sigma_stays_and_the_cell_is_marked():
    table = gnss(GNSS + b"2009-01-02,DARW,-4.0,2.0\n2009-01-01,ALBY,2.710,3.140\n")
    assert table.up_mm[1].tolist() == [0.623, -4.0]
    assert table.duplicated.tolist() == [[False, False], [False, True]]


def test_a_weather_table_keeps_each_value_apart():
    table = weather(WEATHER)
    assert table.site == ("Alice Springs", "Perth")
    np.testing.assert_array_equal(table.temperature_k, [[301.15, np.nan], [303.65, np.nan]])
    np.testing.assert_array_equal(table.pressure_pa, [[100870.0, np.nan], [np.nan, 101250.5]])


def test_a_wrong_unit_is_named_with_its_option_and_the_option_mends_it():
    content = b"date,site,temperature_k,pressure_pa\n2015-01-01,Perth,28.5,1012.505\n"
    message = refused(weather, content)
    assert "looks like degC, not K" in message
    assert 'temperature_unit = "degC"' in message
    message = refused(weather, content, temperature_unit="degC")
    assert "looks like hPa, not Pa" in message
    assert 'pressure_unit = "hPa"' in message
    table = weather(content, temperature_unit="degC", pressure_unit="hPa")
    assert table.temperature_k[0, 0] == pytest.approx(301.65)
    assert table.pressure_pa[0, 0] == pytest.approx(101250.5)
    assert "looks like K" in refused(weather, WEATHER, temperature_unit="degC")


@pytest.mark.parametrize(("read", "content", "words"), [
    (gnss, b"date,station,up_mm\n", ["line 1", "header"]),
    (gnss, GNSS.splitlines(keepends=True)[0], ["no row"]),
    (gnss, GNSS + b"2009-01-03,DARW,1.0\n", ["line 5", "columns"]),
    (gnss, GNSS + b"\n2009-01-03,DARW,one,1.0\n", ["line 6", "text", "one"]),
    (gnss, GNSS + b"2009-13-03,DARW,1.0,1.0\n", ["line 5", "calendar"]),
    (gnss, GNSS + b"2025-01-03,DARW,1.0,1.0\n", ["line 5", "future"]),
    (gnss, GNSS + b"2009-01-03,DARW,1.0,-1.0\n", ["line 5", "sigma"]),
    (gnss, GNSS + b"2009-01-03,DARW,1.0,\n", ["line 5", "sigma"]),
    (gnss, GNSS + b"2009-01-03,DARW,5000,1\n", ["line 5", "range"]),
    (gnss, GNSS[:-3], ["cut off"]),
    (gnss, b"<html>", ["web page"]),
    (weather, WEATHER + b"2015-01-03,Perth,301.0,1012.5\n", ["line 5", "pressure_pa", "range"]),
    (weather, WEATHER + b"2015-01-02,Perth,,101250.75\n", ["line 5", "two different"]),
    (weather, WEATHER.replace(b"Perth", b""), ["line 3"]),
])
def test_what_cannot_be_right_is_refused_with_its_place(read, content, words):
    message = refused(read, content)
    assert all(word in message for word in words), message


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.sampled_from([(gnss, GNSS), (weather, WEATHER)]), st.integers(0, 130),
       st.integers(0, 6), st.binary(max_size=5))
def test_a_damaged_table_is_refused_or_keeps_its_shape(case, start, length, patch):
    read, content = case
    try:
        table = read(content[:start] + patch + content[start + length:])
    except MalformedInputError:
        return
    places = table.station if read is gnss else table.site
    values = table.up_mm if read is gnss else table.pressure_pa
    assert values.shape == (table.day.size, len(places))
    assert (np.diff(table.day) > np.timedelta64(0)).all()


@pytest.mark.parametrize("content", [
    b"ALBY -242.25 -34.95 36.6\nKMA1 -229.0 -16.1\n",
    b"station,longitude,latitude,height\nalby,117.75,-34.95,36.6\nKMA1,131.0,-16.1,\n",
])
def test_both_forms_of_a_list_give_the_same_places(content):
    sites = parse_sites(content, kind="station", where="sites")
    assert sites.name.tolist() == ["ALBY", "KMA1"]
    assert sites.longitude_deg.tolist() == [117.75, 131.0]
    assert sites.latitude_deg.tolist() == [-34.95, -16.1]
    np.testing.assert_array_equal(sites.height_m, [36.6, np.nan])


@pytest.mark.parametrize("content", [
    b"EAST -242.189813263 -34.95 36.6\nWEST -62.189813263 0.5 0.5\n",
    b"EAST 117.810186737 -34.95 36.6\nWEST 297.810186737 0.5 0.5\n",
])
def test_every_convention_of_longitude_gives_the_same_number(content):
    sites = parse_sites(content, kind="station", where="sites")
    assert sites.longitude_deg.tolist() == [117.810186737, -62.189813263]


@pytest.mark.parametrize(("content", "words"), [
    (b"ALBY 117.8 -95.0 36.6\n", ["line 1", "latitude", "-95"]),
    (b"ALBY -34.95 117.8 36.6\n", ["latitude", "order of the columns"]),
    (b"ALBY 400.0 -34.95 36.6\n", ["longitude"]),
    (b"ALBY 117.8 nan 36.6\n", ["latitude is not a number"]),
    (b"ALBY 117.8 -34.95 99999\n", ["height"]),
    (b"ALBY 117.8\n", ["columns"]),
    (b"ALBY 117.8 -34.95 3 4\n", ["columns"]),
    (b"name,lat,lon\nALBY,1,2\n", ["header"]),
    (b"site,longitude,latitude\nALBY,1.0,2.0\n", ["header"]),
    (b"station,longitude,latitude\n", ["no row"]),
    (b"ALBY 117.8 -34.95\nalby 117.8 -34.95\n", ["twice", "ALBY"]),
])
def test_a_list_with_an_impossible_place_is_refused(content, words):
    with pytest.raises(MalformedInputError) as caught:
        parse_sites(content, kind="station", where="sites.csv")
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_a_name_that_the_list_lacks_is_named():
    sites = parse_sites(b"ALBY 117.8 -34.95\n", kind="station", where="sites.csv")
    with pytest.raises(MalformedInputError, match=r"unknown station.*XXXX"):
        sites.pick(["ALBY", "XXXX"], where="xxxx.up")
