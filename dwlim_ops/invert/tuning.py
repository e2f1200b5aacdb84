"""Choice of beta, the weight of the smoothness, from the data themselves.

The days given are pooled. With E the error covariance and S = G P G', both of one set of points,
C = S + beta^2 E, one eigendecomposition of E^-1/2 S E^-1/2 serves all values of beta:

- ABIC (Akaike 1980), minus twice the log marginal likelihood of d ~ N(0, s^2 (S / beta^2 + E))
  at the best s^2, the variance factor, one for all days;
- GCV (Golub, Heath and Wahba 1979), N |E^-1/2 r|^2 / trace(I - H)^2, r the residuals;
- LOO, the mean square of the leave-one-out residuals, each over its error's standard deviation.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from dwlim_ops.errors import ContractError
from dwlim_ops.invert.daily import Inversion
from dwlim_ops.invert.dataspace import StationSet, station_sets

Array = NDArray[np.float64]
Method = Literal["abic", "gcv", "loo"]

#: Eight values per decade.
BETAS: Final = np.logspace(-5.0, 1.0, 49)


@dataclass(frozen=True, eq=False)
class TunedBeta:
    """The best of `betas`, with the criterion of each and the variance factor at the best."""

    beta: float
    variance_factor: float
    betas: Array
    criterion: Array

    @property
    def interior(self) -> bool:
        """Whether the best value lies inside the range, so that the data did choose it."""
        return bool(self.betas.min() < self.beta < self.betas.max())


@dataclass(frozen=True, eq=False)
class _Spectrum:
    """One set of k points: C^-1 = basis' diag(1 / (values + beta^2)) basis."""

    values: Array
    basis: Array
    scores: Array
    error_variance: Array
    log_determinant: float

    @property
    def n_days(self) -> int:
        return self.scores.shape[1]


def choose_beta(
    inversion: Inversion,
    up_mm: Array,
    sigma_mm: Array,
    *,
    method: Method = "abic",
    betas: Array = BETAS,
    shared_covariance_mm2: Array | None = None,
) -> TunedBeta:
    """Beta that the days given prefer.

    Parameters
    ----------
    inversion : Inversion
        Of the points.
    up_mm : numpy.ndarray
        Displacement, shape (T, m), NaN where absent. Every distinct set of points or errors costs
        an eigendecomposition: some tens of days from all seasons say as much as all days.
    sigma_mm : numpy.ndarray
        Standard deviation of the errors, positive, shape (m,) or (T, m).
    method : {"abic", "gcv", "loo"}
        Criterion, see the module; the least wins.
    betas : numpy.ndarray
        Candidates.
    shared_covariance_mm2 : numpy.ndarray, optional
        Error covariance between points, as for `estimate_many`.

    Raises
    ------
    ContractError
        Unknown method, shapes disagree, or no observation at all.
    """
    if method not in _CRITERIA:
        raise ContractError(
            "unknown method", where="choose_beta", expected=str(sorted(_CRITERIA)), got=method
        )
    spectra = [
        _spectrum(inversion, up_mm, group, shared_covariance_mm2)
        for group in station_sets(up_mm, sigma_mm)
    ]
    if not spectra:
        raise ContractError(
            "no observation to choose beta from", where="choose_beta", got=str(up_mm.shape)
        )
    criterion = np.array([_CRITERIA[method](spectra, beta) for beta in betas])
    best = float(betas[criterion.argmin()])
    return TunedBeta(best, _variance_factor(spectra, best), np.asarray(betas), criterion)


def _spectrum(
    inversion: Inversion, up_mm: Array, group: StationSet, shared: Array | None
) -> _Spectrum:
    square = np.ix_(group.points, group.points)
    error = np.diag(group.sigma_mm**2)
    if shared is not None:
        error = error + shared[square]
    root = linalg.cholesky(error, lower=True)
    half = linalg.solve_triangular(root, inversion.data_covariance[square], lower=True)
    whitened = linalg.solve_triangular(root, half.T, lower=True)
    values, vectors = linalg.eigh(0.5 * (whitened + whitened.T))
    basis = linalg.solve_triangular(root, vectors, lower=True, trans="T").T
    return _Spectrum(
        np.maximum(values, 0.0), basis, basis @ up_mm[np.ix_(group.days, group.points)].T,
        np.diag(error), 2.0 * float(np.log(np.diag(root)).sum()),
    )


def _count(spectra: list[_Spectrum]) -> int:
    return sum(one.scores.size for one in spectra)


def _variance_factor(spectra: list[_Spectrum], beta: float) -> float:
    misfit = sum(
        float(np.sum(one.scores**2 / (one.values / beta**2 + 1.0)[:, None])) for one in spectra
    )
    return misfit / _count(spectra)


def _abic(spectra: list[_Spectrum], beta: float) -> float:
    count = _count(spectra)
    determinant = sum(
        one.n_days * (float(np.log1p(one.values / beta**2).sum()) + one.log_determinant)
        for one in spectra
    )
    scale = 2.0 * np.pi * _variance_factor(spectra, beta)
    return count * (float(np.log(scale)) + 1.0) + determinant


def _gcv(spectra: list[_Spectrum], beta: float) -> float:
    unfitted = [1.0 / (one.values / beta**2 + 1.0) for one in spectra]
    residual = sum(
        float(np.sum((share[:, None] * one.scores) ** 2))
        for one, share in zip(spectra, unfitted, strict=True)
    )
    trace = sum(
        one.n_days * float(share.sum()) for one, share in zip(spectra, unfitted, strict=True)
    )
    return _count(spectra) * residual / trace**2


def _loo(spectra: list[_Spectrum], beta: float) -> float:
    total = 0.0
    for one in spectra:
        weight = 1.0 / (one.values + beta**2)
        coefficients = one.basis.T @ (weight[:, None] * one.scores)
        left_out = coefficients / ((one.basis**2).T @ weight)[:, None]
        total += float(np.sum(left_out**2 / one.error_variance[:, None]))
    return total / _count(spectra)


_CRITERIA: Final[dict[str, Callable[[list[_Spectrum], float], float]]] = {
    "abic": _abic,
    "gcv": _gcv,
    "loo": _loo,
}
