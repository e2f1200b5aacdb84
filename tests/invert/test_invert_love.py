import numpy as np
import pytest

from dwlim_ops.errors import ContractError
from dwlim_ops.invert.love import load_love_numbers


@pytest.mark.parametrize(("frame", "value"), [("ce", -0.286), ("cf", -0.2595), ("cm", -1.286)])
def test_degree_one_follows_the_frame(frame, value):
    assert load_love_numbers(frame).h[1] == pytest.approx(value, abs=4e-4)


def test_table_runs_from_degree_zero_to_5000():
    love = load_love_numbers("ce")
    assert love.h.shape == (5001,)
    assert love.h[0] == -0.13273
    assert love.h[2] == -0.99079949
    assert love.h_asymptotic == love.h[5000] == -6.2107226
    assert (np.diff(love.h[8:]) < 0).all()


def test_frames_differ_in_degree_one_only():
    others = [load_love_numbers(frame).h.copy() for frame in ("ce", "cf", "cm")]
    for h in others:
        h[1] = 0.0
    assert np.array_equal(others[0], others[1])
    assert np.array_equal(others[0], others[2])


def test_numbers_cannot_be_changed_by_a_caller():
    with pytest.raises(ValueError, match="read-only"):
        load_love_numbers("cf").h[1] = 0.0


def test_unknown_frame_is_refused():
    with pytest.raises(ContractError, match="unknown frame"):
        load_love_numbers("itrf")
