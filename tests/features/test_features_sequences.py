"""As-of features: a function of the trailing window and nothing else."""

from dataclasses import replace

import numpy as np
import pytest

from dwlim_ops.errors import ConfigError
from dwlim_ops.features.sequences import FeatureSet, as_of_sequences, components, newest_revision

SMALL = FeatureSet(
    n_components=5, window_days=90, sequence_days=7, n_noise_pairs=3, n_sifts=4, seed=2
)
BOTH_KINDS = pytest.mark.parametrize("feature_set", [SMALL, replace(SMALL, kind="causal")],
                                     ids=["meemd", "causal"])


@pytest.fixture(scope="module")
def record() -> tuple[np.ndarray, np.ndarray]:
    noise = np.random.default_rng(1).standard_normal((2, 160, 6))
    annual = np.cos(2.0 * np.pi * np.arange(160) / 365.25)[:, None]
    return annual + 0.5 * noise[0], 0.2 * noise[1].cumsum(axis=0)


@BOTH_KINDS
def test_holds_the_newest_days_of_every_component(
    record: tuple[np.ndarray, np.ndarray], feature_set: FeatureSet
) -> None:
    temperature, pressure = record
    got = as_of_sequences(temperature, pressure, [100, 130], feature_set)
    assert got.shape == (2, 6, 7, 10)
    assert got.dtype == np.float32
    for variable, values in enumerate((temperature, pressure)):
        parts = components(np.ascontiguousarray(values[41:131, 3]), feature_set)
        block = got[1, 3, :, 5 * variable : 5 * variable + 5]
        np.testing.assert_array_equal(block, parts[:, -7:].T.astype(np.float32))
        np.testing.assert_array_equal(block[:, 0], values[124:131, 3].astype(np.float32))
        np.testing.assert_allclose(block[:, 1:].sum(axis=1), block[:, 0], atol=1e-5)


@BOTH_KINDS
def test_days_and_series_give_the_same_bits_alone_and_together(
    record: tuple[np.ndarray, np.ndarray], feature_set: FeatureSet
) -> None:
    ends = [89, 120, 159]
    together = as_of_sequences(*record, ends, feature_set)
    for number, end in enumerate(ends):
        for series in (0, 4):
            one = [values[:, series : series + 1] for values in record]
            alone = as_of_sequences(*one, [end], feature_set)
            np.testing.assert_array_equal(alone[0, 0], together[number, series])


@BOTH_KINDS
def test_nothing_outside_the_window_matters(
    record: tuple[np.ndarray, np.ndarray], feature_set: FeatureSet
) -> None:
    expected = as_of_sequences(*record, [120], feature_set)
    blind = [values.copy() for values in record]
    for values in blind:
        values[:31] = np.nan
        values[121:] = np.nan
    np.testing.assert_array_equal(as_of_sequences(*blind, [120], feature_set), expected)
    cut = [values[31:121] for values in record]
    np.testing.assert_array_equal(as_of_sequences(*cut, [89], feature_set), expected)


def test_progress_counts_the_ends(record: tuple[np.ndarray, np.ndarray]) -> None:
    seen: list[tuple[int, int]] = []
    causal = replace(SMALL, kind="causal")
    as_of_sequences(*record, [100, 101], causal, progress=lambda *done: seen.append(done))
    assert seen == [(1, 2), (2, 2)]


@pytest.mark.parametrize("end", [88, 160, -1])
def test_a_day_with_too_little_record_is_refused(
    record: tuple[np.ndarray, np.ndarray], end: int
) -> None:
    with pytest.raises(ValueError, match=f"expected days 89 to 159.*got {end}"):
        as_of_sequences(*record, [100, end], SMALL)


def test_gaps_and_unlike_shapes_are_refused(record: tuple[np.ndarray, np.ndarray]) -> None:
    temperature, pressure = record
    with pytest.raises(ValueError, match="differ in shape"):
        as_of_sequences(temperature, pressure[:, :2], [100], SMALL)
    holed = temperature.copy()
    holed[60, 0] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        as_of_sequences(holed, pressure, [100], SMALL)


def test_names_follow_the_last_axis() -> None:
    names = FeatureSet().names
    assert len(names) == 20
    assert names[0] == "temperature_original"
    assert names[1] == "temperature_component_1"
    assert names[10:12] == ("pressure_original", "pressure_component_1")
    assert names[-1] == "pressure_component_9"


def test_a_feature_set_survives_its_dictionary() -> None:
    assert FeatureSet.from_dict(SMALL.to_dict()) == SMALL
    assert FeatureSet.from_dict({}) == FeatureSet()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"n_component": 4}, "n_component"),
        ({"kind": "wavelet"}, "wavelet"),
        ({"engine": "fortran"}, "fortran"),
        ({"sequence_days": 731}, "731"),
        ({"n_components": 2}, "impossible sizes"),
        ({"window_days": 10, "sequence_days": 5}, "impossible sizes"),
    ],
)
def test_unknown_and_impossible_feature_sets_are_refused(
    values: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        FeatureSet.from_dict(values)


def test_revision_is_zero_for_causal_and_real_for_meemd(
    record: tuple[np.ndarray, np.ndarray],
) -> None:
    ends = [95, 105, 115]
    causal = newest_revision(record[0], ends, replace(SMALL, kind="causal"), lag_days=30)
    np.testing.assert_array_equal(causal, np.zeros(5))
    revision = newest_revision(record[0], ends, SMALL, lag_days=30)
    assert revision.shape == (5,)
    assert revision[0] == 0.0
    assert (revision[1:] > 0.05).all()


def test_revision_is_the_rms_over_days_and_series(record: tuple[np.ndarray, np.ndarray]) -> None:
    series = record[1][:, :2]
    squares, variances = [], []
    for end in (95, 110):
        for column in range(2):
            now = components(series[end - 89 : end + 1, column].copy(), SMALL)
            later = components(series[end - 89 : end + 21, column].copy(), SMALL)
            squares.append((now[:, -1] - later[:, 89]) ** 2)
            variances.append(later.var(axis=-1))
    expected = np.sqrt(np.mean(squares, axis=0) / np.mean(variances, axis=0))
    got = newest_revision(series, [95, 110], SMALL, lag_days=20)
    np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_revision_needs_record_ahead(record: tuple[np.ndarray, np.ndarray]) -> None:
    with pytest.raises(ValueError, match="too little record"):
        newest_revision(record[0], [140], SMALL, lag_days=20)
