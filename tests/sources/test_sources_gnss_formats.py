"""Formats of GNSS series: one invented station, the same numbers out of every one of them."""

import datetime
import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwlim_ops.contracts import GNSS, check
from dwlim_ops.errors import ConfigError, MalformedInputError
from dwlim_ops.sources.folder import FolderGnss
from dwlim_ops.sources.formats.dataholdings import in_box, parse_holdings
from dwlim_ops.sources.formats.gnss.aligned import align
from dwlim_ops.sources.formats.gnss.epochs import four_digit_year
from dwlim_ops.sources.formats.gnss.registry import FORMATS
from dwlim_ops.sources.formats.gnss.steps import (
    earthquake_steps,
    equipment_steps,
    parse_ngl_steps,
)
from dwlim_ops.sources.merge import merge_gnss

DATA = Path(__file__).parents[1] / "data" / "gnss_formats"
TODAY = datetime.date(2026, 11, 22)
NOW = datetime.datetime(2026, 11, 22, 6, tzinfo=datetime.UTC)
TRUTH = np.genfromtxt(DATA / "truth.csv", delimiter=",", skip_header=1, dtype=None,
                      encoding="ascii")
DAY = np.array([row[0] for row in TRUTH], dtype="datetime64[D]")
UP, SIGMA = np.array([row[1] for row in TRUTH]), np.array([row[2] for row in TRUTH])
HEIGHT = 105.2

#: Format, file, unit, and what the file's own zero is above the ellipsoid (NaN: it does not tell).
SAMPLES = [
    ("tenv3", "TST1.tenv3", "m", 0.0), ("tenv3", "TST1_20columns.tenv3", "m", 0.0),
    ("tenv", "TST1.tenv", "m", np.nan), ("pos", "TST1.pos", "m", HEIGHT),
    ("neu", "tst1CleanTrend.neu", "m", np.nan), ("neu", "tst1CleanTrend_mm.neu", "mm", np.nan),
    ("neu", "tst1_date_and_time.neu", "mm", np.nan), ("neu", "tst1_date.neu", "mm", np.nan),
    ("neu", "tst1_absolute.neu", "m", np.nan), ("series", "TST1.series", "m", np.nan),
    ("sinex", "network.snx", "m", 0.0),
]
TENV3 = (DATA / "TST1.tenv3").read_bytes()
POS = (DATA / "TST1.pos").read_bytes()
NEU = (DATA / "tst1CleanTrend.neu").read_bytes()


def read(format_name, content, unit="m", not_after=TODAY):
    return FORMATS[format_name].parse(content, unit=unit, not_after=not_after, where="TST1")


def refused(format_name, content, **options):
    with pytest.raises(MalformedInputError) as caught:
        read(format_name, content, **options)
    assert caught.value.where.startswith("TST1")
    assert caught.value.remedy
    return str(caught.value)


def lines_of(content):
    return content.splitlines(keepends=True)


@pytest.mark.parametrize(("format_name", "file", "unit", "zero_m"), SAMPLES,
                         ids=[sample[1] for sample in SAMPLES])
def test_every_format_gives_the_same_days_and_numbers(format_name, file, unit, zero_m):
    series = read(format_name, (DATA / file).read_bytes(), unit)[0]
    np.testing.assert_array_equal(series.day, DAY)
    absolute = file == "tst1_absolute.neu" or zero_m == 0.0
    np.testing.assert_allclose(
        series.up_mm + 1000.0 * series.taken_off_m, UP + 1000.0 * HEIGHT * absolute, atol=2e-4)
    np.testing.assert_allclose(series.up_sigma_mm, SIGMA * _sigma_factor(format_name), atol=1e-4)
    assert series.taken_off_m == (105.0 if absolute else 0.0)
    assert series.n_left_out == 0
    assert not series.duplicated.any()
    if np.isfinite(zero_m):
        assert series.height_m == pytest.approx(zero_m + series.taken_off_m)
        assert series.station == "TST1"
        assert -180.0 <= series.longitude_deg < 180.0
        assert series.longitude_deg == pytest.approx(91.10398, abs=3e-5)
        assert series.latitude_deg == pytest.approx(29.65734, abs=3e-5)
    else:
        assert np.isnan(series.height_m)


def _sigma_factor(format_name):
    """SINEX: sum |n_i| sigma_i with equal sigmas, of the truth over 1.5."""
    if format_name != "sinex":
        return 1.0
    lon, lat = np.radians([91.1039857924, 29.6573392384])
    zenith = [np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)]
    return float(np.abs(zenith).sum()) / 1.5


@pytest.mark.parametrize(("format_name", "file", "unit", "zero_m"), SAMPLES,
                         ids=[sample[1] for sample in SAMPLES])
@pytest.mark.parametrize("disguise", [
    gzip.compress, lambda c: c.replace(b"\n", b"\r\n"), lambda c: c.replace(b"\n", b"\n\n"),
    lambda c: c.replace(b"\n", b" \n\t\n", 30)])
def test_the_same_content_in_another_dress_gives_the_same_series(
        format_name, file, unit, zero_m, disguise):
    content = (DATA / file).read_bytes()
    plain, = read(format_name, content, unit)[:1]
    other, = read(format_name, disguise(content), unit)[:1]
    np.testing.assert_array_equal(other.up_mm, plain.up_mm)
    np.testing.assert_array_equal(other.day, plain.day)


@pytest.mark.parametrize(("format_name", "file", "unit", "zero_m"), SAMPLES[:-1],
                         ids=[sample[1] for sample in SAMPLES[:-1]])
def test_another_unit_than_the_real_one_is_named(format_name, file, unit, zero_m):
    wrong = "mm" if unit == "m" else "m"
    content = (DATA / file).read_bytes()
    if file != "TST1.pos" and "TST1.tenv3" not in file:
        assert f"look like {unit}, not {wrong}" in refused(format_name, content, unit=wrong)
    else:
        assert "height" in refused(format_name, content, unit=wrong)


@pytest.mark.parametrize(("format_name", "file", "unit", "zero_m"), SAMPLES,
                         ids=[sample[1] for sample in SAMPLES])
def test_what_is_no_such_file_is_refused(format_name, file, unit, zero_m):
    content = (DATA / file).read_bytes()
    for other in (b"", b"<html>404</html>", b"\x89HDF\r\n\x1a\n", b"one\ntwo\n",
                  content[:len(content) - 12], gzip.compress(content)[:-9]):
        refused(format_name, other, unit=unit)
    assert "future" in refused(format_name, content, unit=unit,
                               not_after=datetime.date(2000, 1, 10))


def test_org_files_give_a_day_of_the_network_each(tmp_path):
    for file in ("first_day.org", "second_day.org"):
        (tmp_path / file).write_bytes((DATA / file).read_bytes())
    (tmp_path / "sites.csv").write_text(
        "station,longitude,latitude,height\nTST1,91.1,29.66,105\nTST9,0,0,0\n")
    source = FolderGnss(tmp_path, sites_file=tmp_path / "sites.csv", format_name="org")
    offers = source.offers(NOW)
    assert [o.valid_from for o in offers] == [datetime.date(1999, 12, 15),
                                              datetime.date(1999, 12, 16)]
    data = merge_gnss([source.parse(source.fetch(o).content, o.key, not_after=TODAY)
                       for o in offers])
    check(data, GNSS, where="org")
    assert data["station"].values.tolist() == ["TST1"]
    np.testing.assert_allclose(data["up_mm"].values[:, 0], UP[:2] + 200.0, atol=1e-6)
    np.testing.assert_allclose(data["up_sigma_mm"].values[:, 0], SIGMA[:2], atol=1e-6)
    one, two = read("org", (DATA / "first_day.org").read_bytes())
    assert (one.station, two.station) == ("TST1", "TST2")
    assert two.longitude_deg == pytest.approx(-49.1, abs=1e-6)


def test_a_network_is_referred_to_the_heights_of_the_list(tmp_path):
    (tmp_path / "network.snx").write_bytes((DATA / "network.snx").read_bytes())
    sites = tmp_path / "sites.csv"
    source = FolderGnss(tmp_path, sites_file=sites, format_name="sinex")

    def parsed():
        fresh = FolderGnss(tmp_path, sites_file=sites, format_name="sinex")
        return fresh.parse((tmp_path / "network.snx").read_bytes(), "network.snx", not_after=TODAY)

    sites.write_text("station,longitude,latitude,height\nTST2,-49.1,-12.5,33.5\nTST1,91.1,29.66,"
                     "105.1\n")
    data = parsed()
    check(data, GNSS, where="sinex")
    np.testing.assert_allclose(data["up_mm"].sel(station="TST1"), UP + 100.0, atol=2e-5)
    np.testing.assert_allclose(data["up_mm"].sel(station="TST2"), -UP - 100.0, atol=2e-5)
    assert source.offers(NOW)[0].valid_to == datetime.date(2000, 1, 23)
    for text in ("TST1,91.1,29.66,103\n", "TST1,91.1,29.66,\n"):
        sites.write_text("station,longitude,latitude,height\n" + text)
        with pytest.raises(MalformedInputError, match="list of sites"):
            parsed()
    sites.write_text("station,longitude,latitude,height\nTST7,91.1,29.66,103\n")
    with pytest.raises(MalformedInputError, match="no station"):
        parsed()


def test_a_folder_takes_the_format_and_the_station_of_the_file(tmp_path):
    (tmp_path / "tst1CleanTrend.neu").write_bytes(NEU)
    (tmp_path / "TST1.tenv3").write_bytes(TENV3)
    (tmp_path / "TST2.tenv3.gz").write_bytes(gzip.compress(TENV3))
    sites = tmp_path / "sites.all"
    sites.write_text("TST1 91.1 29.66\nTST2 1.0 2.0\n")
    neu = FolderGnss(tmp_path, sites_file=sites, format_name="neu", unit="m")
    assert [(o.key, o.valid_from, o.valid_to) for o in neu.offers(NOW)] == [
        ("tst1CleanTrend.neu", datetime.date(1999, 12, 15), datetime.date(2000, 1, 23))]
    data = neu.parse(NEU, "tst1CleanTrend.neu", not_after=TODAY)
    assert data["station"].values.tolist() == ["TST1"]
    tenv3 = FolderGnss(tmp_path, sites_file=sites, format_name="tenv3")
    assert [o.key for o in tenv3.offers(NOW)] == ["TST1.tenv3", "TST2.tenv3.gz"]
    check(tenv3.parse(TENV3, "TST1.tenv3", not_after=TODAY), GNSS, where="tenv3")
    with pytest.raises(MalformedInputError, match="another station"):
        tenv3.parse(TENV3, "TST2.tenv3.gz", not_after=TODAY)
    (tmp_path / "TST1.tenv3").write_bytes(b"<html>")
    assert tenv3.offers(NOW)[0].key == "TST1.tenv3"
    with pytest.raises(ConfigError, match="unit is not given"):
        FolderGnss(tmp_path, sites_file=sites, format_name="neu")
    with pytest.raises(ConfigError, match="no such format"):
        FolderGnss(tmp_path, sites_file=sites, format_name="rinex")


def test_sigmas_of_9_99999_are_left_out():
    rows = lines_of(TENV3)
    rows[5] = rows[5].replace(rows[5].split()[16], b"9.99999")
    series, = read("tenv3", b"".join(rows))
    assert series.day.size == 39
    assert DAY[4] not in series.day
    assert "no usable row" in refused("tenv3", rows[0] + rows[5])


def test_a_change_of_the_integer_part_is_refused_with_its_line():
    rows = lines_of(TENV3)
    for column, other in ((b"   385  0", b"   425  0"), (b"3282129", b"3282130"), (b"   105  0",
                          b"   104  0"), (b"  91.1 ", b"  91.2 ")):
        message = refused("tenv3", b"".join([*rows[:20], *(
            row.replace(column, other).replace(b"105.", b"104.") if column == b"   105  0"
            else row.replace(column, other) for row in rows[20:])]))
        assert "line 21" in message
        assert "changes within the file" in message


def test_the_two_dates_of_a_line_must_agree():
    assert "line 3: the two dates" in refused("tenv3", TENV3.replace(b" 51528 ", b" 51529 "))
    assert "the two dates" in refused("pos", POS.replace(b" 51528.5000", b" 51529.5000"))
    series = (DATA / "TST1.series").read_bytes()
    assert "the two dates" in refused("series", series.replace(b"1999 12 16", b"1999 12 17"))
    assert "calendar" in refused("series", series.replace(b"1999 12 16", b"1999 13 16"))
    assert "calendar" in refused("tenv3", TENV3.replace(b"99DEC16", b"99DEX16"))


def test_the_century_turns_between_79_and_80():
    days = read("tenv3", TENV3)[0].day
    assert str(days[16]) == "1999-12-31"
    assert str(days[17]) == "2000-01-01"
    assert "two dates" in refused("tenv3", TENV3.replace(b" 00JAN", b" 80JAN"))
    assert [four_digit_year(year) for year in (80, 99, 0, 79)] == [1980, 1999, 2000, 2079]


def test_the_known_fault_of_converters_at_the_turn_of_the_year_is_refused():
    rows = lines_of(NEU)
    wrong = rows[19].replace(b"1999 365", b"1999 001")
    assert wrong.startswith(b"1999.9986 1999 001")
    assert "disagree" in refused("neu", b"".join([*rows[:19], wrong, *rows[20:]]))
    shifted = [row.replace(b" 349 ", b" 348 ") for row in rows]
    assert "line 4: the day and the decimal year" in refused("neu", b"".join(shifted))


def test_dates_that_are_decimal_years_only_are_refused():
    message = refused("neu", b"1999.1630 0.001 0.002 0.003 0.0026 0.0032 0.0067\n")
    assert "dates only as decimal years" in message
    assert "yyyymmdd" in message


def test_heights_that_the_line_contradicts_are_refused():
    rows = lines_of(TENV3)
    damaged = rows[3].replace(b"0.206160", b"0.216160")
    assert damaged != rows[3]
    assert "two heights" in refused("tenv3", b"".join([*rows[:3], damaged, *rows[4:]]))
    assert "disagree" in refused("pos", POS.replace(b"105.20631", b"105.30631"))
    org = (DATA / "first_day.org").read_bytes()
    assert "disagree" in refused("org", org.replace(b" 105.19966", b" 105.29966"))


def test_a_single_wild_value_is_left_out_and_a_departure_is_refused():
    rows = [b"20%02d%02d%02d 1 2 %.2f 1 1 3.0\n" % (9, 1 + n // 28, 1 + n % 28, 5 * np.sin(n))
            for n in range(300)]
    wild = rows[150][:9] + b"1 2 1500.0 1 1 3.0\n"
    series, = read("neu", b"".join([*rows[:150], wild, *rows[151:]]), "mm")
    assert (series.day.size, series.n_left_out) == (299, 1)
    gone = rows[:297] + [row[:9] + b"1 2 1500.0 1 1 3.0\n" for row in rows[297:]]
    assert "leaves the range" in refused("neu", b"".join(gone), unit="mm")
    gone = [row[:9] + b"1 2 1500.0 1 1 3.0\n" if n < 10 else row for n, row in enumerate(rows)]
    assert "leaves the range" in refused("neu", b"".join(gone), unit="mm")


def test_a_station_that_sinks_by_more_than_a_metre_stays_within_the_range():
    """0.1 m a year for 18 years, from 0.9 to -0.9 m: the median is what it is counted from."""
    day = np.arange("2000-01-01", "2017-12-31", dtype="datetime64[D]")
    up_mm = 3900.0 - 1800.0 * np.arange(day.size) / day.size
    up_mm += np.random.default_rng(0).normal(0.0, 3.0, day.size)
    content = b"".join(b"%s 1 2 %.2f 1 1 3.0\n" % (str(d).replace("-", "").encode(), u)
                       for d, u in zip(day, up_mm, strict=True))
    series, = read("neu", content, "mm")
    assert series.taken_off_m == 3.0
    np.testing.assert_allclose(series.up_mm, up_mm - 3000.0, atol=0.006)


def test_antenna_changes_are_dated():
    rows = lines_of(TENV3)
    changed = [row.replace(b" 0.0580 ", b" 0.0000 ") if n > 10 else row
               for n, row in enumerate(rows)]
    assert read("tenv3", b"".join(changed))[0].antenna_changes == (datetime.date(1999, 12, 25),)
    assert read("tenv3", TENV3)[0].antenna_changes == ()


def test_of_contradicting_rows_the_smaller_sigma_stays_and_the_day_is_marked():
    rows = lines_of(NEU)
    worse = rows[9].replace(rows[9].split()[5], b"0.09000").replace(rows[9].split()[8], b"0.00900")
    series, = read("neu", b"".join([*rows[:9], worse, *rows[9:]]))
    assert series.duplicated.tolist() == [n == 6 for n in range(40)]
    np.testing.assert_allclose(series.up_mm, UP, atol=1e-6)


def test_solutions_over_several_days_are_no_daily_solutions():
    org = (DATA / "first_day.org").read_bytes()
    wide = org.replace(b"commenced with: 1999/12/15", b"commenced with: 1999/12/ 9")
    assert "not the solution of one day" in refused("org", wide)
    stars = org.replace(b"0.00380\n", b"*******\n")
    assert [one.station for one in read("org", stars)] == ["TST2"]


@pytest.mark.parametrize(("old", "new", "words"), [
    (b"%ENDSNX\n", b"", "not a complete SINEX"),
    (b"-SOLUTION/ESTIMATE\n", b"", "no block"),
    (b"     2 STAY   TST1", b"     2 STAX   TST1", "twice"),
    (b"     2 STAY   TST1", b"     2 VELY   TST1", "missing"),
    (b"     2 STAY   TST1", b"     2 STAY   T!T1", "not a position"),
    (b"99:349:43200", b"99:366:43200", "calendar"),
    (b"-1.06878672350710E+05", b"-1.06878672350710E+07", "surface of the Earth"),
    (b":43200 m ", b":43200 mm", "declared unit"),
])
def test_a_damaged_sinex_file_is_refused(old, new, words):
    content = (DATA / "network.snx").read_bytes()
    assert old in content
    assert words in refused("sinex", content.replace(old, new))


def test_steps_are_read_by_their_kind():
    steps = parse_ngl_steps((DATA / "steps.txt").read_bytes(), where="steps.txt")
    assert [step.kind for step in steps] == ["equipment"] * 2 + ["earthquake"] * 2 + [
        "product", "equipment"]
    assert steps[2].detail == "ci00000001"
    assert (steps[2].threshold_km, steps[2].distance_km, steps[2].magnitude) == (
        575.44, 465.105, 7.1)
    assert equipment_steps(steps, stations={"TST1"}) == (
        (datetime.date(1999, 12, 21), "TST1"), (datetime.date(2000, 1, 10), "TST1"))
    assert earthquake_steps(steps, stations={"TST1"}, minimum_magnitude=5.0) == (
        (datetime.date(2000, 1, 4), "TST1"), (datetime.date(2000, 1, 5), "TST1"))
    assert earthquake_steps(steps, stations={"TST1"}, minimum_magnitude=6.0) == (
        (datetime.date(2000, 1, 4), "TST1"),)
    assert earthquake_steps(steps, stations={"TST1"}, minimum_magnitude=5.0,
                            largest_share=0.9) == ((datetime.date(2000, 1, 4), "TST1"),)


@pytest.mark.parametrize("line", [
    b"TST1  99DEC20  4  Something\n", b"TST1  99DEC20  1\n", b"TST1  99DEC32  1  Antenna\n",
    b"TST1  99DEC20  2  575.4  465.1\n", b"TST1  99DEC20  2  far  465.1 7.1 ci1\n"])
def test_other_lines_of_steps_are_refused(line):
    with pytest.raises(MalformedInputError):
        parse_ngl_steps(line, where="steps.txt")


def test_the_list_of_stations_is_read_with_and_without_its_last_column():
    content = (DATA / "DataHoldings.txt").read_bytes()
    held = parse_holdings(content, where="list")
    assert held.refused == {}
    assert {name: h.original_name for name, h in held.by_station.items()} == {
        "TST1": "", "TST2": "T2 OLD", "TST3": "TST3"}
    two = held.by_station["TST2"]
    assert two.longitude_deg == pytest.approx(-49.1)
    assert (two.first, two.last, two.modified, two.n_days) == (
        datetime.date(1999, 12, 15), datetime.date(2000, 1, 23), datetime.date(2000, 1, 30), 40)
    rows = lines_of(content)
    rows[1] = rows[1].replace(b"1999-12-15", b"1999-12-45")
    spoilt = parse_holdings(b"".join(rows), where="list")
    assert list(spoilt.by_station) == ["TST2", "TST3"]
    assert "line 2" in spoilt.refused["TST1"]
    twice = parse_holdings(content + rows[3], where="list")
    assert "twice" in twice.refused["TST3"]
    assert "TST3" not in twice.by_station
    for other in (content[:-30], rows[0], b"no header\n" + b"".join(rows[1:])):
        with pytest.raises(MalformedInputError):
            parse_holdings(other, where="list")


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.floats(-180, 179.99), st.floats(-89, 89))
def test_a_box_does_not_care_for_the_convention_of_longitudes(longitude, latitude):
    everywhere, inside = in_box(-180.0, -90.0, 180.0, 90.0), in_box(170.0, -30.0, 200.0, 30.0)
    assert everywhere(longitude, latitude)
    same = in_box(170.0, -30.0, -160.0, 30.0)
    assert inside(longitude, latitude) == same(longitude, latitude)
    assert inside(longitude, latitude) == (
        abs(latitude) <= 30.0 and (longitude >= 170.0 or longitude <= -160.0))


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.lists(st.floats(-99999, 99999), min_size=1, max_size=20), st.integers(0, 8))
def test_numbers_that_stand_under_one_another_are_those_that_float_reads(values, n_decimals):
    lines = [b"A %16.*f  B" % (n_decimals, value) for value in values]
    table = align(lines, 3)
    assert table is not None
    numbers = table.decimals(1)
    assert numbers is not None
    np.testing.assert_array_equal(numbers, [float(line.split()[1]) for line in lines])
    assert table.column(1) == [line.split()[1] for line in lines]


@pytest.mark.parametrize("lines", [
    [b"1.5", b"15."], [b"1.5", b"1 5"], [b"- 1.5", b"  1.5"], [b"--1", b"  1"], [b"1e5", b"1.5"],
    [b"1-5", b"105"], [b"nan", b"1.5"], [b"1.5 ", b" 1.5"], [b" .", b".1"], [b"1.1.1", b"1.001"],
    [b"1\t5", b"1.5"], [b"12345678901234567", b"12345678901234568"]])
def test_what_is_no_column_of_numbers_is_left_to_the_slow_way(lines):
    table = align(lines, 1)
    assert table is None or table.decimals(0) is None
