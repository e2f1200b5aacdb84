"""Counts, scores, reliability, lead and flips against hand-made series and other formulas."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dwlim_ops.verify.alert_scores import (
    Spell,
    brier,
    consistency_bars,
    count_events,
    count_flips,
    count_rows,
    detecting,
    lead_rows,
    persistence_rows,
    ratio_intervals,
    ratios,
    reliability_curve,
    spells,
)

LAWS = settings(derandomize=True, deadline=None, max_examples=60)
FLAGS = hnp.arrays(bool, st.integers(1, 60))
EDGES = np.arange(11) / 10.0


def rows(text: str) -> np.ndarray:
    return np.array([sign == "#" for sign in text])


def whole(n_rows: int) -> np.ndarray:
    return np.zeros(n_rows, dtype=np.intp)


def test_spells_are_bridged_before_short_ones_are_dropped():
    held = rows("##..#...#...###")
    assert spells(held) == [Spell(0, 1), Spell(4, 4), Spell(8, 8), Spell(12, 14)]
    assert spells(held, bridged=2) == [Spell(0, 4), Spell(8, 8), Spell(12, 14)]
    assert spells(held, bridged=2, shortest=2) == [Spell(0, 4), Spell(12, 14)]
    assert spells(np.zeros(5, bool)) == []


@LAWS
@given(FLAGS)
def test_spells_hold_the_true_rows_and_no_other(held):
    back = np.zeros(held.size, dtype=bool)
    for one in spells(held):
        assert not back[max(one.first - 1, 0):one.last + 1].any()
        back[one.first:one.last + 1] = True
    np.testing.assert_array_equal(back, held)


def test_a_table_made_by_hand():
    """Two of three events are found, one of them twice; one of four warnings is false."""
    events = spells(rows("..###......###.....##."))
    warned = rows(".##.#...##...##.......")
    warnings = spells(warned)
    counts = count_events(events, warnings, whole(22), 1)
    assert counts.tolist() == [[3, 2, 4, 1]]
    assert ratios(counts[0]) == pytest.approx([2 / 3, 1 / 4, 2 / 4])
    assert detecting(events, warnings) == [Spell(1, 2), Spell(13, 14), None]
    assert lead_rows(events, warnings) == [1, -2]
    assert count_flips(warned, whole(22), 1).tolist() == [8]


def test_events_and_warnings_count_where_they_begin():
    block = np.array([0] * 5 + [1] * 5 + [-1] * 4)
    events, warnings = [Spell(3, 6), Spell(11, 12)], [Spell(5, 6), Spell(8, 8), Spell(12, 13)]
    assert count_events(events, warnings, block, 2).tolist() == [[1, 1, 0, 0], [0, 0, 2, 1]]
    flags = np.zeros(14, bool)
    for one in warnings:
        flags[one.first:one.last + 1] = True
    assert count_flips(flags, block, 2).tolist() == [0, 4]


@LAWS
@given(hnp.arrays(bool, (2, 40)))
def test_days_are_those_of_a_contingency_table(flags):
    warned, occurred = flags
    (table,) = count_rows(warned, occurred, whole(40), 1)
    hits, misses, false = (int((warned & occurred).sum()), int((~warned & occurred).sum()),
                           int((warned & ~occurred).sum()))
    assert table.tolist() == [hits + misses, hits, hits + false, false]
    pod, far, csi = ratios(table)
    if hits:
        assert csi == pytest.approx(hits / (hits + misses + false))
        assert 1 / csi == pytest.approx(1 / pod + 1 / (1 - far) - 1)
    blocks = np.arange(40) // 7
    np.testing.assert_array_equal(count_rows(warned, occurred, blocks, 6).sum(axis=0), table)


@LAWS
@given(FLAGS)
def test_a_perfect_warning_finds_all_and_is_never_false(occurred):
    events = spells(occurred)
    for counts in (count_events(events, events, whole(occurred.size), 1)[0],
                   count_rows(occurred, occurred, whole(occurred.size), 1)[0]):
        assert np.isnan(ratios(counts)).all() if not occurred.any() else (
            ratios(counts).tolist() == [1.0, 0.0, 1.0])
    assert set(lead_rows(events, events)) <= {0}


@LAWS
@given(st.integers(12, 40), st.integers(1, 20), st.integers(-10, 10))
def test_the_lead_is_the_shift_of_a_warning_that_meets_its_event(first, length, shift):
    event = Spell(first, first + length - 1)
    warning = Spell(first - shift, first - shift + length - 1)
    expected = [shift] if abs(shift) < length else []
    assert lead_rows([event], [warning]) == expected


def test_what_began_before_the_record_has_no_lead():
    assert lead_rows([Spell(0, 4), Spell(9, 12)], [Spell(0, 10)]) == []


def test_intervals_hold_the_value_and_shrink_with_more_blocks():
    random = np.random.default_rng(3)

    def drawn(n_blocks):
        occurred, false = random.integers(1, 5, n_blocks), random.integers(0, 3, n_blocks)
        detected = random.binomial(occurred, 0.7)
        return np.stack([occurred, detected, detected + false, false], axis=1)

    few, many = drawn(10), drawn(400)
    for counts in (few, many):
        middle, ends = ratios(counts.sum(axis=0)), ratio_intervals(counts)
        assert (ends[:, 0] <= middle).all()
        assert (middle <= ends[:, 1]).all()
    assert (np.diff(ratio_intervals(many)) < 0.4 * np.diff(ratio_intervals(few))).all()


def test_no_interval_without_anything_to_count():
    assert np.isnan(ratio_intervals(np.zeros((4, 4), dtype=np.int64))).all()


@LAWS
@given(hnp.arrays(float, 50, elements=st.floats(0, 1)), hnp.arrays(bool, 50))
def test_the_parts_give_the_score(probability, occurred):
    parts = brier(probability, occurred, EDGES)
    assert parts.score == pytest.approx(((probability - occurred)**2).mean())
    assert parts.score == pytest.approx(
        parts.reliability - parts.resolution + parts.uncertainty, abs=1e-12)


@LAWS
@given(hnp.arrays(np.int64, 80, elements=st.integers(0, 9)), hnp.arrays(bool, 80))
def test_few_distinct_probabilities_give_murphy_s_terms(tenth, occurred):
    """Murphy (1973) by his own sums over the distinct forecasts."""
    probability = 0.05 + tenth / 10.0
    parts, base = brier(probability, occurred, EDGES), occurred.mean()
    reliability = resolution = 0.0
    for value in np.unique(probability):
        of_value = occurred[probability == value]
        reliability += of_value.size / 80 * (value - of_value.mean())**2
        resolution += of_value.size / 80 * (of_value.mean() - base)**2
    assert parts.reliability == pytest.approx(reliability, abs=1e-12)
    assert parts.resolution == pytest.approx(resolution, abs=1e-12)
    assert parts.uncertainty == pytest.approx(base * (1 - base))


def test_forecasts_without_and_with_all_skill():
    occurred = np.arange(100) % 5 == 0
    constant = brier(np.full(100, 0.2), occurred, EDGES)
    assert constant.skill == pytest.approx(0.0)
    assert constant.resolution == pytest.approx(0.0)
    perfect = brier(occurred.astype(float), occurred, EDGES)
    assert (perfect.score, perfect.skill) == (0.0, 1.0)
    assert np.isnan(brier(np.full(9, 0.5), np.ones(9, bool), EDGES).skill)


def test_a_probability_on_an_edge_is_in_the_bin_above_and_one_in_the_last():
    curve = reliability_curve(np.array([0.0, 0.5, 0.5, 1.0]), np.array([0, 1, 0, 1], bool),
                              np.array([0.0, 0.5, 1.0]))
    assert curve.count.tolist() == [1, 3]
    assert curve.mean_probability.tolist() == pytest.approx([0.0, 2 / 3])
    assert curve.frequency.tolist() == pytest.approx([0.0, 2 / 3])


def persistent(random, n_rows, n_columns, persistence):
    """Probabilities and outcomes that are right, errors of that 1/e time."""
    memory = np.exp(-1.0 / persistence)
    latent = random.standard_normal((n_rows, n_columns))
    for row in range(1, n_rows):
        latent[row] = memory * latent[row - 1] + np.sqrt(1 - memory**2) * latent[row]
    return latent


def test_reliable_forecasts_lie_within_the_bars_and_others_do_not():
    random = np.random.default_rng(5)
    probability = random.uniform(size=(4000, 3))
    occurred = random.uniform(size=probability.shape) < probability
    bars = consistency_bars(probability, EDGES, persistence=1e-3)
    binomial = 1.645 * np.sqrt(0.25 * 0.75 / (4000 * 3 / 10))
    assert bars[1, 2] - bars[0, 2] == pytest.approx(2 * binomial, rel=0.25)
    frequency = reliability_curve(probability, occurred, EDGES).frequency
    assert ((bars[0] <= frequency) & (frequency <= bars[1])).sum() >= 7
    wrong = reliability_curve(probability, random.uniform(size=occurred.shape) < probability**3,
                              EDGES).frequency
    assert ((bars[0] <= wrong) & (wrong <= bars[1])).sum() <= 4


def test_lasting_errors_widen_the_bars():
    probability = np.full((2000, 2), 0.3)
    short, long = (consistency_bars(probability, EDGES, persistence=days) for days in (1.0, 60.0))
    assert np.isnan(short[:, 0]).all()
    assert np.diff(long[:, 3], axis=0) > 4 * np.diff(short[:, 3], axis=0)


def test_persistence_is_found_again():
    random = np.random.default_rng(8)
    found = []
    for days in (5.0, 40.0):
        latent = persistent(random, 6000, 4, days)
        found.append(persistence_rows(np.full(latent.shape, 0.5), latent < 0.0))
    # the sign of a Gaussian series remembers for less long: (2 / pi) arcsin(r)
    for days, one in zip((5.0, 40.0), found, strict=True):
        expected = -10 / np.log(2 / np.pi * np.arcsin(np.exp(-10 / days)))
        assert one == pytest.approx(expected, rel=0.2)
    assert persistence_rows(np.ones((30, 1)), np.ones((30, 1), bool)) == 1.0
