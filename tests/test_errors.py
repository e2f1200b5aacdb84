"""Errors say what, where, expected, got, remedy."""

import pickle

import pytest

from dwlim_ops import errors
from dwlim_ops.errors import DwlimError

KINDS = [kind for kind in vars(errors).values()
         if isinstance(kind, type) and issubclass(kind, DwlimError)]


@pytest.mark.parametrize("kind", KINDS)
def test_the_text_holds_every_part_in_order(kind):
    error = kind("it broke", where="a.csv, line 3", expected="mm", got="m", remedy="convert it")
    assert str(error) == "a.csv, line 3: it broke; expected mm; got m; remedy: convert it"


def test_empty_parts_are_left_out():
    assert str(DwlimError("it broke", where="a.csv")) == "a.csv: it broke"
    error = DwlimError("it broke", where="a.csv", remedy="mend it")
    assert str(error) == "a.csv: it broke; remedy: mend it"


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_survives_the_way_between_processes(kind):
    error = kind("it broke", where="a.csv", expected="mm", got="m", remedy="convert it")
    back = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert type(back) is kind
    assert vars(back) == vars(error)
    assert str(back) == str(error)


def test_every_error_can_be_caught_as_one():
    assert len(KINDS) >= 6
    assert all(issubclass(kind, DwlimError) for kind in KINDS)
