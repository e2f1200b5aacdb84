"""Damaged files of every GNSS format: refused, or every line that was not touched keeps its value.

`python -m pytest -m slow` runs more of it. Where `atheris` is installed, `python
tests/sources/test_sources_gnss_fuzz.py SECONDS EMPTY_FOLDER` searches for crashes with it.
"""

import datetime
import inspect
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwlim_ops.errors import MalformedInputError
from dwlim_ops.sources.formats.dataholdings import parse_holdings
from dwlim_ops.sources.formats.gnss.registry import FORMATS
from dwlim_ops.sources.formats.gnss.steps import parse_ngl_steps

DATA = Path(__file__).parents[1] / "data" / "gnss_formats"
TODAY = datetime.date(2026, 11, 22)
SAMPLES = [
    ("tenv3", "TST1.tenv3", "m"), ("tenv3", "TST1_20columns.tenv3", "m"),
    ("tenv", "TST1.tenv", "m"), ("pos", "TST1.pos", "m"), ("neu", "tst1CleanTrend.neu", "m"),
    ("neu", "tst1CleanTrend_mm.neu", "mm"), ("neu", "tst1_date_and_time.neu", "mm"),
    ("neu", "tst1_date.neu", "mm"), ("neu", "tst1_absolute.neu", "m"),
    ("series", "TST1.series", "m"), ("org", "first_day.org", "m"), ("sinex", "network.snx", "m"),
]
PARSERS = "dwlim_ops.sources.formats"
HUGE = [b"1e308", b"-1e308", b"1e999", b"99999999999999999999", b"-0", b"nan", b"inf", b"*******",
        b"9.99999", b"0", b"", b"1_0", b"0x10", b"1e-320"]


def parse(format_name, unit, content):
    return FORMATS[format_name].parse(content, unit=unit, not_after=TODAY, where=format_name)


@cache
def untouched(file):
    """What the whole file says, by station and day."""
    format_name, _, unit = next(sample for sample in SAMPLES if sample[1] == file)
    return format_name, unit, (DATA / file).read_bytes(), values_of(
        parse(format_name, unit, (DATA / file).read_bytes()), FORMATS[format_name].network)


def values_of(found, network):
    """The name of a file's only station is left to the folder, which compares the two."""
    return {(one.station if network else "", str(day)): (
                up + 1000.0 * one.taken_off_m, sigma, bool(flag))
            for one in found
            for day, up, sigma, flag in zip(
                one.day, one.up_mm, one.up_sigma_mm, one.duplicated, strict=True)}


def check_damage(file, content, n_touched):
    """Refused; or within the contract, and at most the touched lines give something else."""
    format_name, unit, _, whole = untouched(file)
    try:
        found = parse(format_name, unit, content)
    except MalformedInputError:
        return
    for one in found:
        assert (np.diff(one.day) > np.timedelta64(0)).all()
        assert (one.day >= np.datetime64("1980-01-06")).all()
        assert (one.day <= np.datetime64(TODAY)).all()
        assert (np.abs(one.up_mm) <= 1000.0).all()
        assert ((one.up_sigma_mm > 0.0) & (one.up_sigma_mm <= 1000.0)).all()
        assert one.day.size == one.up_mm.size == one.up_sigma_mm.size == one.duplicated.size
        assert not abs(one.longitude_deg) > 180.0
        assert not abs(one.latitude_deg) > 90.0
    different = [key for key, value in values_of(found, FORMATS[format_name].network).items()
                 if not value[2] and not _same(value, whole.get(key))]
    assert len(different) <= n_touched, different


def _same(value, known):
    return known is not None and np.allclose(value[:2], known[:2], rtol=0.0, atol=1e-6)


def of_all_samples(test):
    return pytest.mark.parametrize("file", [sample[1] for sample in SAMPLES])(test)


def bytes_changed(file, start, length, patch):
    content = untouched(file)[2]
    start %= len(content)
    n_lines = content[start:start + length].count(b"\n") + patch.count(b"\n") + 1
    check_damage(file, content[:start] + patch + content[start + length:], n_lines)


BYTES = (st.integers(0, 10**6), st.integers(0, 5),
         st.one_of(st.binary(max_size=4), st.text("0123456789.-+eE \n\t", max_size=4).map(
             lambda text: text.encode("ascii"))))
FIELDS = (st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6),
          st.sampled_from(HUGE))


@of_all_samples
@settings(derandomize=True, deadline=None, max_examples=30)
@given(*BYTES)
def test_changed_bytes(file, start, length, patch):
    bytes_changed(file, start, length, patch)


@of_all_samples
@settings(derandomize=True, deadline=None, max_examples=15)
@given(*FIELDS)
def test_swapped_and_impossible_fields(file, line, one, other, value):
    fields_changed(file, line, one, other, value)


def fields_changed(file, line, one, other, value):
    lines = untouched(file)[2].split(b"\n")
    line %= len(lines) - 1
    fields = lines[line].split(b" ")
    places = [n for n, field in enumerate(fields) if field]
    if not places:
        return
    one, other = places[one % len(places)], places[other % len(places)]
    swapped = list(fields)
    swapped[one], swapped[other] = fields[other], fields[one]
    replaced = [*fields[:one], value, *fields[one + 1:]]
    for changed in (swapped, replaced):
        check_damage(file, b"\n".join(
            [*lines[:line], b" ".join(changed), *lines[line + 1:]]), 1)


@of_all_samples
@settings(derandomize=True, deadline=None, max_examples=8)
@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 4))
def test_lines_cut_out_repeated_and_exchanged(file, one, other, count):
    lines = untouched(file)[2].splitlines(keepends=True)
    one, other = one % len(lines), other % len(lines)
    exchanged = list(lines)
    exchanged[one], exchanged[other] = lines[other], lines[one]
    for changed in (lines[:one] + lines[one + count:], lines[:one] + lines[one:one + count]
                    + lines[one:], exchanged):
        check_damage(file, b"".join(changed), 0)


@of_all_samples
def test_a_file_that_ends_anywhere_gives_no_number_that_the_whole_lacks(file):
    content = untouched(file)[2]
    tail = min(len(content), 900)
    for end in range(len(content) - tail, len(content), 7):
        check_damage(file, content[:end], 0)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.sampled_from(sorted(FORMATS)), st.binary(max_size=300))
def test_random_bytes_are_refused(format_name, content):
    with pytest.raises(MalformedInputError):
        parse(format_name, "m", content)


@pytest.mark.parametrize(("file", "read"), [
    ("DataHoldings.txt", parse_holdings), ("steps.txt", parse_ngl_steps)])
@settings(derandomize=True, deadline=None, max_examples=60)
@given(*BYTES)
def test_lists_of_the_provider(file, read, start, length, patch):
    content = (DATA / file).read_bytes()
    start %= len(content)
    try:
        read(content[:start] + patch + content[start + length:], where=file)
    except MalformedInputError:
        return


@pytest.mark.slow
@of_all_samples
@settings(derandomize=True, deadline=None, max_examples=600)
@given(*BYTES)
def test_changed_bytes_at_length(file, start, length, patch):
    bytes_changed(file, start, length, patch)


@pytest.mark.slow
@of_all_samples
@settings(derandomize=True, deadline=None, max_examples=400)
@given(*FIELDS)
def test_fields_at_length(file, line, one, other, value):
    fields_changed(file, line, one, other, value)


def search_with_atheris(seconds: int) -> None:
    """Coverage-guided: libFuzzer mutates the samples until the time is up or a parser breaks."""
    import atheris

    names = [sample[1] for sample in SAMPLES]
    corpus = Path(sys.argv[2])
    for number, name in enumerate(names):
        (corpus / name).write_bytes(bytes([number]) + (DATA / name).read_bytes())

    def one_input(data: bytes) -> None:
        if data:
            check_damage(names[data[0] % len(names)], data[1:], len(data))

    for module in [m for name, m in sys.modules.items() if name.startswith(PARSERS)]:
        for item in list(vars(module).values()):
            if inspect.isfunction(item) and item.__module__ == module.__name__:
                atheris.instrument_func(item)
    atheris.Setup([sys.argv[0], f"-max_total_time={seconds}", "-max_len=24000", str(corpus)],
                  one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    search_with_atheris(int(sys.argv[1]))
