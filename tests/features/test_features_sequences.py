"""Features of a record: what they are, and how a later day revises the newest."""

from dataclasses import replace

import numpy as np
import pytest

from dwlim_ops.errors import ConfigError
from dwlim_ops.features.sequences import FeatureSet, components, newest_revision

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
def test_the_series_comes_first_and_its_components_add_up_to_it(
    record: tuple[np.ndarray, np.ndarray], feature_set: FeatureSet
) -> None:
    windows = np.stack([values[41:131].T for values in record])
    parts = components(windows, feature_set)
    assert parts.shape == (2, 6, 5, 90)
    np.testing.assert_array_equal(parts[:, :, 0], windows)
    np.testing.assert_allclose(parts[:, :, 1:].sum(axis=2), windows, atol=1e-12)


@BOTH_KINDS
def test_series_give_the_same_bits_alone_and_together(
    record: tuple[np.ndarray, np.ndarray], feature_set: FeatureSet
) -> None:
    together = components(np.stack([values[:90].T for values in record]), feature_set)
    for variable, values in enumerate(record):
        for series in (0, 4):
            alone = components(values[:90, series].copy(), feature_set)
            np.testing.assert_array_equal(alone, together[variable, series])


def test_later_samples_leave_causal_components_as_they_are(
    record: tuple[np.ndarray, np.ndarray],
) -> None:
    chunked = replace(SMALL, kind="causal", chunk_days=5)
    whole = components(record[0].T, chunked)
    for end in (90, 94, 120):
        np.testing.assert_array_equal(components(record[0][:end].T, chunked), whole[..., :end])


@BOTH_KINDS
def test_gaps_are_refused(
    record: tuple[np.ndarray, np.ndarray], feature_set: FeatureSet
) -> None:
    holed = record[0].T.copy()
    holed[2, 60] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        components(holed, feature_set)


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
    longest = FeatureSet(kind="causal", chunk_days=20, sequence_days=749)
    assert FeatureSet.from_dict(longest.to_dict()) == longest


def test_bundles_from_before_runs_serve_every_day_from_a_window_of_its_own() -> None:
    written = SMALL.to_dict()
    del written["chunk_days"]
    assert FeatureSet.from_dict(written).chunk_days == 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"n_component": 4}, "n_component"),
        ({"kind": "wavelet"}, "wavelet"),
        ({"engine": "fortran"}, "fortran"),
        ({"sequence_days": 731}, "731"),
        ({"n_components": 2}, "impossible sizes"),
        ({"window_days": 10, "sequence_days": 5}, "impossible sizes"),
        ({"chunk_days": 0}, "impossible sizes"),
        ({"kind": "causal", "chunk_days": 31}, "chunk_days <= sequence_days"),
        ({"kind": "causal", "chunk_days": 20, "sequence_days": 750}, "730, 20, 750"),
        ({"chunk_days": 2}, "features change after their day"),
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
