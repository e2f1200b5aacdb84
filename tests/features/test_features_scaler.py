"""Normalisation: unit variance where fitted, cells kept apart or together."""

import numpy as np
import pytest

from dwlim_ops.features.scaler import fit_scaler


@pytest.fixture
def fields() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    mean, scale = [280.0, 285.0, 290.0], [1.0, 4.0, 9.0]
    temperature = mean + generator.standard_normal((400, 3)) * scale
    pressure = 95e3 + 500.0 * generator.standard_normal((400, 3))
    temperature[3:20, 1] = np.nan
    return temperature, pressure


def test_per_cell_gives_every_cell_zero_mean_and_unit_deviation(
    fields: tuple[np.ndarray, np.ndarray],
) -> None:
    scaler = fit_scaler(*fields, kind="per_cell")
    for values in scaler.normalise(*fields):
        np.testing.assert_allclose(np.nanmean(values, axis=0), 0.0, atol=1e-11)
        np.testing.assert_allclose(np.nanstd(values, axis=0), 1.0)
    assert np.isnan(scaler.normalise(*fields)[0][3:20, 1]).all()


def test_common_keeps_the_difference_between_cells(fields: tuple[np.ndarray, np.ndarray]) -> None:
    scaler = fit_scaler(*fields, kind="common")
    temperature, _ = scaler.normalise(*fields)
    assert scaler.temperature_mean_k.shape == (1,)
    assert np.nanmean(temperature) == pytest.approx(0.0, abs=1e-11)
    assert np.nanstd(temperature) == pytest.approx(1.0)
    assert temperature[:, 2].mean() > temperature[:, 0].mean() + 0.5
    assert scaler.subset(np.array([1])) is scaler


def test_subset_normalises_as_the_whole(fields: tuple[np.ndarray, np.ndarray]) -> None:
    scaler = fit_scaler(*fields, kind="per_cell")
    index = np.array([2, 0])
    part = scaler.subset(index).normalise(*(values[:, index] for values in fields))
    for whole, some in zip(scaler.normalise(*fields), part, strict=True):
        np.testing.assert_array_equal(some, whole[:, index])


def test_another_number_of_cells_is_refused(fields: tuple[np.ndarray, np.ndarray]) -> None:
    scaler = fit_scaler(*fields, kind="per_cell").subset(np.array([0]))
    with pytest.raises(ValueError, match="expected 1, got 3"):
        scaler.normalise(*fields)


@pytest.mark.parametrize(
    ("value", "message"), [(np.nan, "absent throughout"), (1e5, "never varies")]
)
def test_a_cell_without_variation_is_refused(
    fields: tuple[np.ndarray, np.ndarray], value: float, message: str
) -> None:
    temperature, pressure = fields
    pressure[:, 1] = value
    with pytest.raises(ValueError, match=f"pressure .*{message}.*1 of 3"):
        fit_scaler(temperature, pressure, kind="per_cell")
