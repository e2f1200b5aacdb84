import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dwlim_ops.qc.steps import cut_segments, detect_steps

RULE = {"window_days": 30, "significance": 5.0, "minimum_step_mm": 10.0, "minimum_values": 5}


def clean(n_days=1200, n_stations=20, seed=3):
    """Like real stations: 3 mm white noise, 2 mm correlated over a month, 4 mm annual."""
    rng = np.random.default_rng(seed)
    slow = np.zeros((n_days, n_stations))
    kick = rng.normal(0.0, 2.0 * np.sqrt(1 - 0.97**2), slow.shape)
    for day in range(1, n_days):
        slow[day] = 0.97 * slow[day - 1] + kick[day]
    annual = 4.0 * np.sin(2 * np.pi * np.arange(n_days) / 365.25)
    return slow + annual[:, None] + rng.normal(0.0, 3.0, slow.shape)


def test_clean_records_have_no_step():
    assert sum(rows.size for rows in detect_steps(clean(), **RULE)) == 0


def test_a_20_mm_step_is_found_five_days_later():
    up = clean()
    up[1000:] += 20.0
    found = detect_steps(up[:1005], **RULE)
    dated = [any(abs(rows - 1000) <= 2) for rows in found]
    assert np.mean(dated) >= 0.85
    assert all(rows.size <= 1 for rows in found)


def test_an_old_step_is_dated_to_the_day():
    up = clean()
    up[600:] -= 25.0
    error = [rows[0] - 600 for rows in detect_steps(up, **RULE)]
    assert np.median(np.abs(error)) == 0
    assert np.abs(error).max() <= 3


def test_a_step_during_an_outage_is_seen():
    up = clean(n_stations=4)
    up[500:540] = np.nan
    up[540:] += 25.0
    assert [rows.tolist() for rows in detect_steps(up, **RULE)] == [[540]] * 4


def test_a_gap_of_a_year_hides_a_step():
    up = clean(n_stations=2)
    up[500:870] = np.nan
    up[870:] += 25.0
    assert not any(rows.size for rows in detect_steps(up, **RULE))


def test_an_outlier_is_no_step():
    up = clean(n_stations=2)
    up[700:703] += 100.0
    assert not any(rows.size for rows in detect_steps(up, **RULE))


def test_two_steps():
    up = clean(n_stations=1)
    up[400:] += 30.0
    up[460:] -= 45.0
    rows = detect_steps(up, **RULE)[0]
    np.testing.assert_allclose(rows, [400, 460], atol=2)


def test_nothing_to_see():
    assert [r.size for r in detect_steps(np.full((50, 2), np.nan), **RULE)] == [0, 0]
    assert [r.size for r in detect_steps(np.empty((0, 2)), **RULE)] == [0, 0]
    assert [r.size for r in detect_steps(np.zeros((200, 1)), **RULE)] == [0]


@settings(max_examples=10, derandomize=True, deadline=None)
@given(st.floats(-200, 200), st.sampled_from([-1.0, 1.0]))
def test_detection_ignores_level_and_sign(shift_mm, sign):
    up = clean(n_days=400, n_stations=2)
    up[200:] += 25.0
    plain, moved = detect_steps(up, **RULE), detect_steps(sign * up + shift_mm, **RULE)
    assert [r.tolist() for r in plain] == [r.tolist() for r in moved]


def test_segments_too_short_have_no_index():
    present = np.ones(100, dtype=bool)
    segments = cut_segments(present, np.array([0, 40, 43, 98, 200]), 5)
    assert segments.n_segments == 2
    assert segments.index[[0, 39, 40, 42, 43, 97, 98, 99]].tolist() == [0, 0, -1, -1, 1, 1, -1, -1]


def test_a_record_without_steps_is_one_segment():
    segments = cut_segments(np.zeros(4, dtype=bool), np.array([], dtype=np.intp), 5)
    assert segments.index.tolist() == [0, 0, 0, 0]
    assert segments.n_segments == 1


def test_five_noisy_days_make_no_step():
    up = np.random.default_rng(8).normal(0.0, 8.0, (900, 40))
    claimed = [rows[rows > end - 10].size for end in range(500, 900, 20)
               for rows in detect_steps(up[:end], **RULE)]
    assert not any(claimed)
