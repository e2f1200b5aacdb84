"""Choice of the control stations: those whose displacement goes with the weather."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ControlSelection:
    """Stations chosen as controls, and why the others were not.

    `index` numbers the chosen stations, ascending; the correlations (n_stations,) are those of
    the training days, NaN where a station has too few; `reason` is empty for a chosen station.
    """

    index: NDArray[np.int64]
    correlation_temperature: Array
    correlation_pressure: Array
    reason: tuple[str, ...]


def select_controls(
    up_mm: NDArray[np.floating],
    temperature_k: NDArray[np.floating],
    pressure_pa: NDArray[np.floating],
    *,
    training: NDArray[np.bool_],
    minimum_correlation: float,
    minimum_days: int,
) -> ControlSelection:
    """Stations whose |PCC| with temperature or pressure exceeds a threshold on training days.

    The paper takes 0.5 on the whole record (section 3.1.1); days outside training never count
    here, so that the choice does not see the test years.

    Parameters
    ----------
    up_mm, temperature_k, pressure_pa : array (n_days, n_stations)
        Displacement and the weather of the station's cell, NaN where absent.
    training : array (n_days,) of bool
    minimum_correlation : float
        A station's larger |PCC| must exceed this.
    minimum_days : int
        Training days on which displacement, temperature and pressure are all present.
    """
    complete = (training[:, None] & np.isfinite(up_mm) & np.isfinite(temperature_k)
                & np.isfinite(pressure_pa))
    n_days = complete.sum(axis=0)
    with_temperature = _correlation(up_mm, temperature_k, complete)
    with_pressure = _correlation(up_mm, pressure_pa, complete)
    too_short = n_days < max(minimum_days, 2)
    with_temperature[too_short] = with_pressure[too_short] = np.nan
    strength = np.fmax(np.abs(with_temperature), np.abs(with_pressure))
    reason = tuple(
        f"{days} complete training days, fewer than {minimum_days}" if short
        else "displacement or weather does not vary" if not np.isfinite(value)
        else f"|correlation| {value:.2f}, not above {minimum_correlation:g}"
        if value <= minimum_correlation else ""
        for days, short, value in zip(n_days, too_short, strength, strict=True)
    )
    chosen = np.array([not text for text in reason], dtype=bool)
    return ControlSelection(np.nonzero(chosen)[0], with_temperature, with_pressure, reason)


def _correlation(
    a: NDArray[np.floating], b: NDArray[np.floating], used: NDArray[np.bool_]
) -> Array:
    """Pearson correlation down the columns of the entries used; NaN where one does not vary."""
    count = np.maximum(used.sum(axis=0), 1)

    def centred(values: NDArray[np.floating]) -> Array:
        kept = np.where(used, values, 0.0).astype(np.float64)
        anomaly: Array = np.where(used, kept - kept.sum(axis=0) / count, 0.0)
        return anomaly

    x, y = centred(a), centred(b)
    scale = np.sqrt((x**2).sum(axis=0) * (y**2).sum(axis=0))
    correlation: Array = np.divide((x * y).sum(axis=0), scale, where=scale > 0,
                                   out=np.full(scale.shape, np.nan))
    return correlation
