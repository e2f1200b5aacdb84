"""Hydrological displacement: modelled atmospheric and ocean loading removed, exactly once."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dwlim_ops.errors import ConfigError, ContractError

Array = NDArray[np.float64]
Frame = Literal["cf", "cm", "ce"]

LOADINGS = ("ntal", "ntol")
FRAMES = ("cf", "cm", "ce")


@dataclass(frozen=True)
class Correction:
    """Displacement after correction, and what was done.

    `up_mm` is displacement, positive for uplift. `applied` names the loadings subtracted here,
    `missing` those that remain in the displacement because no model was given.
    """

    up_mm: Array
    applied: tuple[str, ...]
    missing: tuple[str, ...]


def hydrological_displacement(
    up_mm: Array, *, ntal_up_mm: Array | None = None, ntol_up_mm: Array | None = None,
    already_removed: frozenset[str] = frozenset(), series_frame: Frame,
    loading_frame: Frame | None = None,
) -> Correction:
    """u_hydrology = u_observed - u_NTAL - u_NTOL, each term once.

    Parameters
    ----------
    up_mm : ndarray (time, n)
        Observed or simulated displacement, mm, positive for uplift.
    ntal_up_mm, ntol_up_mm : ndarray (time, n), optional
        Modelled displacement by non-tidal atmospheric and ocean loading on the same days and
        points, mm, positive for uplift; NaN where the model is absent, and so is the result.
    already_removed : frozenset of {"ntal", "ntol"}
        Loadings that the producer of the series has removed; they are left alone.
    series_frame, loading_frame : {"cf", "cm", "ce"}
        Origin of the displacement: centre of figure, of mass of the Earth system, of the solid
        Earth. They must agree when a loading is subtracted.

    Returns
    -------
    Correction

    Raises
    ------
    ConfigError
        An unknown loading or frame, or different frames.
    ContractError
        A loading on other days or points than the series.

    Examples
    --------
    >>> done = hydrological_displacement(
    ...     np.array([[3.0]]), ntal_up_mm=np.array([[-2.0]]), series_frame="cf",
    ...     loading_frame="cf")
    >>> done.up_mm.tolist(), done.applied, done.missing
    ([[5.0]], ('ntal',), ('ntol',))
    """
    _check_known(already_removed, LOADINGS, "already_removed")
    given = {"ntal": ntal_up_mm, "ntol": ntol_up_mm}
    pending = {name: model for name, model in given.items() if name not in already_removed}
    models = {name: model for name, model in pending.items() if model is not None}
    if models:
        _check_frames(series_frame, loading_frame)
    corrected = np.array(up_mm, dtype=float)
    for name, model in models.items():
        if model.shape != corrected.shape:
            raise ContractError(
                "loading and series have different days or points", where=f"correct: {name}",
                expected=str(corrected.shape), got=str(model.shape),
            )
        corrected -= model
    return Correction(corrected, tuple(models), tuple(n for n in pending if n not in models))


def _check_known(names: frozenset[str], known: tuple[str, ...], where: str) -> None:
    unknown = sorted(names - set(known))
    if unknown:
        raise ConfigError("unknown name", where=where, expected=f"some of {', '.join(known)}",
                          got=", ".join(unknown))


def _check_frames(series_frame: Frame, loading_frame: Frame | None) -> None:
    frames = {"series_frame": series_frame, "loading_frame": loading_frame}
    for where, frame in frames.items():
        if frame not in FRAMES:
            raise ConfigError("unknown frame", where=where, expected=f"one of {', '.join(FRAMES)}",
                              got=str(frame))
    if series_frame != loading_frame:
        raise ConfigError(
            "displacement and loading are referred to different origins",
            where="series_frame, loading_frame", expected="the same frame",
            got=f"{series_frame} and {loading_frame}",
            remedy="take the loading in the frame of the series, or translate the series",
        )
