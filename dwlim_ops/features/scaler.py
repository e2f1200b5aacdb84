"""Normalisation of temperature and pressure, declared once and stored with the model."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Kind = Literal["per_cell", "common"]


@dataclass(frozen=True)
class Scaler:
    """Mean and standard deviation by which both variables are normalised.

    Arrays have shape (n_cells,) for "per_cell", which takes away what distinguishes the cells'
    climates, and (1,) for "common", which keeps it.
    """

    kind: Kind
    temperature_mean_k: Array
    temperature_scale_k: Array
    pressure_mean_pa: Array
    pressure_scale_pa: Array

    def normalise(self, temperature_k: Array, pressure_pa: Array) -> tuple[Array, Array]:
        """Anomalies in units of the scale, shape (..., n_cells); NaN stays NaN.

        Raises
        ------
        ValueError
            The number of cells is not that of the scaler.
        """
        n_cells = self.temperature_mean_k.size
        for name, values in (("temperature", temperature_k), ("pressure", pressure_pa)):
            if self.kind == "per_cell" and values.shape[-1] != n_cells:
                raise ValueError(
                    f"Scaler.normalise: {name} has another number of cells; expected {n_cells}, "
                    f"got {values.shape[-1]}"
                )
        return (
            (temperature_k - self.temperature_mean_k) / self.temperature_scale_k,
            (pressure_pa - self.pressure_mean_pa) / self.pressure_scale_pa,
        )

    def subset(self, index: NDArray[np.int64] | NDArray[np.bool_] | slice) -> "Scaler":
        """The scaler of some cells only; the same one if it is common to all."""
        if self.kind == "common":
            return self
        return replace(
            self,
            temperature_mean_k=self.temperature_mean_k[index],
            temperature_scale_k=self.temperature_scale_k[index],
            pressure_mean_pa=self.pressure_mean_pa[index],
            pressure_scale_pa=self.pressure_scale_pa[index],
        )


def fit_scaler(temperature_k: Array, pressure_pa: Array, *, kind: Kind) -> Scaler:
    """Scaler from daily fields of shape (n_days, n_cells), absent values NaN.

    Raises
    ------
    ValueError
        A cell (or, for "common", the whole field) has no values or never varies.
    """
    return Scaler(
        kind,
        *_mean_and_scale(temperature_k, kind, where="temperature"),
        *_mean_and_scale(pressure_pa, kind, where="pressure"),
    )


def _mean_and_scale(values: Array, kind: Kind, *, where: str) -> tuple[Array, Array]:
    columns = values.reshape(-1, 1) if kind == "common" else values
    empty = ~np.isfinite(columns).any(axis=0)
    if empty.any():
        raise ValueError(
            f"fit_scaler: {where} is absent throughout; expected values in every cell, "
            f"got none in {int(empty.sum())} of {empty.size}"
        )
    flat = np.nanmax(columns, axis=0) == np.nanmin(columns, axis=0)
    if flat.any():
        raise ValueError(
            f"fit_scaler: {where} never varies; expected variation in every cell, "
            f"got none in {int(flat.sum())} of {flat.size}"
        )
    return np.nanmean(columns, axis=0), np.nanstd(columns, axis=0)
