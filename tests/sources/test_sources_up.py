"""Station files: what is read, what is refused, and that nothing else can happen."""

import datetime
import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwlim_ops.errors import MalformedInputError
from dwlim_ops.sources.formats.up import parse_up

DATA = Path(__file__).parents[1] / "data" / "gnss_up"
TODAY = datetime.date(2024, 1, 1)
ALBY = (DATA / "alby.up").read_bytes()


def read(content, unit="mm", not_after=TODAY):
    return parse_up(content, unit=unit, not_after=not_after, where="alby.up")


def refused(content, **options):
    with pytest.raises(MalformedInputError) as caught:
        read(content, **options)
    return str(caught.value)


def test_the_numbers_of_a_real_file_are_kept_to_the_last_digit():
    series = read(ALBY)
    lines = [line.split() for line in ALBY.decode().splitlines()]
    assert [f"{v:.3f}" for v in series.up_mm] == [line[1] for line in lines]
    assert [f"{v:.3f}" for v in series.up_sigma_mm] == [line[2] for line in lines]
    assert [str(d).replace("-", "") for d in series.day] == [line[0] for line in lines]
    assert not series.duplicated.any()


@pytest.mark.parametrize("disguise", [
    gzip.compress, lambda c: c.replace(b"\n", b"\r\n"), lambda c: b"\xef\xbb\xbf" + c,
    lambda c: c.rstrip(b"\n"), lambda c: c.replace(b"\n", b"\n\n"),
    lambda c: c.replace(b" ", b"\t"),
    lambda c: b"".join(reversed(c.splitlines(keepends=True))),
    lambda c: c + c, lambda c: gzip.compress(c[:260]) + gzip.compress(c[260:]),
])
def test_the_same_content_in_another_dress_gives_the_same_series(disguise):
    plain, other = read(ALBY), read(disguise(ALBY))
    for name in ("day", "up_mm", "up_sigma_mm", "duplicated"):
        np.testing.assert_array_equal(getattr(other, name), getattr(plain, name))


def test_units_are_scaled_and_a_wrong_unit_is_named():
    metres = (DATA / "ahid_in_metres.txt").read_bytes()
    assert read(metres, "m").up_mm[0] == pytest.approx(-0.986)
    assert read(metres, "m").up_sigma_mm[0] == pytest.approx(3.74)
    message = refused(metres, unit="mm")
    assert "look like m, not mm" in message
    assert 'unit = "m"' in message
    assert "look like mm, not m" in refused(ALBY, unit="m")


def test_of_contradicting_rows_the_smaller_sigma_stays_and_the_day_is_marked():
    content = (b"20090103 4.0 3.0\n20090101 1.0 3.0\n20090103 5.0 2.0\n20090102 2.0 2.5\n"
               b"20090102 2.0 2.5\n20090101 nan nan\n")
    series = read(content)
    assert series.up_mm.tolist() == [1.0, 2.0, 5.0]
    assert series.up_sigma_mm.tolist() == [3.0, 2.5, 2.0]
    assert series.duplicated.tolist() == [False, False, True]


def test_nan_values_become_nan_and_their_sigma_does_not_count():
    series = read(b"20090101 NaN 3.0\n20090102 nan nan\n20090103 1.5 3.0\n")
    np.testing.assert_array_equal(series.up_mm, [np.nan, np.nan, 1.5])
    np.testing.assert_array_equal(series.up_sigma_mm, [np.nan, np.nan, 3.0])


@pytest.mark.parametrize(("content", "words"), [
    (b"", ["empty"]),
    (b" \n\n", ["empty"]),
    (b"<!DOCTYPE html><html>Login</html>", ["web page"]),
    (b"\x89HDF\r\n\x1a\n\0\0", ["not a text file"]),
    (gzip.compress(ALBY)[:-9], ["truncated"]),
    (gzip.compress(ALBY)[:-8] + b"\0" * 8, ["damaged"]),
    (ALBY[:-4], ["cut off"]),
    (ALBY[:24], ["cut off"]),
    (b"20090101 1.0 3.0\n20090102 abc 3.0\n", ["line 2", "text", "abc"]),
    (b"20090101 1.0 3.0\n20090102 1.0\n", ["line 2", "columns"]),
    (b"20090101 1.0 3.0 7\n", ["line 1", "columns"]),
    (b"2009-01-01 1.0 3.0\n", ["line 1"]),
    (b"20090101 1_0 3.0\n", ["line 1"]),
    (b"20090101 inf 3.0\n", ["line 1"]),
    (b"20090101 1.0 inf\n", ["line 1"]),
    (b"\n20090101 1.0 3.0\n\n20090229 1.0 3.0\n", ["line 4", "calendar", "20090229"]),
    (b"20090101 1.0 3.0\n20240102 1.0 3.0\n", ["line 2", "future", "2024-01-02"]),
    (b"19790101 1.0 3.0\n", ["line 1", "early"]),
    (b"20090101 1.0 3.0\n20090102 1.0 -3.0\n", ["line 2", "sigma", "-3"]),
    (b"20090101 1.0 nan\n", ["line 1", "sigma", "nan"]),
    (b"20090101 1.0 0.0\n", ["line 1", "sigma"]),
    (b"20090101 1e200 3.0\n20090102 1e999 3.0\n", ["line 1", "range"]),
])
def test_what_cannot_be_right_is_refused_with_its_place(content, words):
    message = refused(content)
    assert message.startswith("alby.up")
    assert all(word in message for word in words), message


@settings(derandomize=True, deadline=None, max_examples=150)
@given(st.binary(max_size=200))
def test_random_bytes_are_refused_or_read(content):
    for candidate in (content, gzip.compress(content), b"\x1f\x8b" + content):
        try:
            series = read(candidate)
        except MalformedInputError:
            continue
        assert series.day.size == series.up_mm.size == series.up_sigma_mm.size


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.integers(0, len(ALBY) - 1), st.integers(0, 5), st.binary(max_size=4))
def test_a_damaged_file_is_refused_or_still_keeps_the_contract(start, length, patch):
    try:
        series = read(ALBY[:start] + patch + ALBY[start + length:])
    except MalformedInputError:
        return
    assert (np.diff(series.day) > np.timedelta64(0)).all()
    assert (np.abs(series.up_mm[~np.isnan(series.up_mm)]) <= 1000).all()
    np.testing.assert_array_equal(np.isnan(series.up_mm), np.isnan(series.up_sigma_mm))
    assert (series.up_sigma_mm[~np.isnan(series.up_mm)] > 0).all()
    unchanged = np.isin(series.up_mm, read(ALBY).up_mm)
    assert unchanged.sum() >= series.day.size - 2


def test_a_cut_file_never_gives_a_number_that_the_whole_file_lacks():
    whole = read(ALBY)
    rows = list(zip(whole.day, whole.up_mm, whole.up_sigma_mm, strict=True))
    n_read = 0
    for end in range(1, len(ALBY)):
        try:
            part = read(ALBY[:end])
        except MalformedInputError:
            continue
        n_read += 1
        found = list(zip(part.day, part.up_mm, part.up_sigma_mm, strict=True))
        assert found == rows[:part.day.size]
    assert n_read >= len(rows) - 1
