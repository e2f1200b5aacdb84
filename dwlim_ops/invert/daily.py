"""Inversion of independent days in data space.

The paper's eq. (10) asks for the load x that minimises

    |(G x - d) / sigma|^2 + beta^2 |L x|^2.

With P = (L'L)^-1 the minimum is x = P G' a, where (G P G' + beta^2 E) a = d and E is the error
covariance, diag(sigma^2) in the paper. That is one small system (m data) in place of one of n
cells; the posterior, the resolution and the leave-one-out residuals come from the same factor.

A solution that weighs its data by diag(sigma^2) does not see what the errors of neighbours have in
common, and neither does its posterior: means of basins are then said to be twice as sure as they
are. With C = G P G' + beta^2 E, errors of covariance N that the weights leave out add
P G' C^-1 N C^-1 G P to the covariance of x.

Beta belongs to the units of sigma and x. Here both are mm. The paper's beta = 0.01 belongs to the
unweighted form: sigma = 1, displacement and water in one and the same unit of length.
"""

from dataclasses import dataclass, fields, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dwlim_ops.errors import ContractError
from dwlim_ops.invert.dataspace import Determined, Remainder, StationSet, System, station_sets
from dwlim_ops.invert.smoothness import Smoothness

Array = NDArray[np.float64]
Indices = NDArray[np.int_]

#: A resolution length beyond this says no more than "nothing is resolved here".
MAXIMUM_RESOLUTION_KM: Final = 5000.0


@dataclass(frozen=True, eq=False)
class Inversion:
    """What all days of one set of m points share, for n cells or n functionals of the cells.

    Attributes
    ----------
    smoothness : Smoothness
        The prior of the cells.
    influence : (m, n)
        G P: what the coefficient of each point adds to each cell.
    data_covariance : (m, m)
        S = G P G'.
    prior_variance : (n,)
        Diagonal of P.
    design : (m, n) or None
        G; None for functionals, which have no resolution of their own.
    cell_area_km2 : (n,) or None
        As `design`.
    """

    smoothness: Smoothness
    influence: Array
    data_covariance: Array
    prior_variance: Array
    design: Array | None
    cell_area_km2: Array | None


@dataclass(frozen=True, eq=False)
class Estimate:
    """Water storage of one day, or of several with a leading axis; NaN where not computed.

    Attributes
    ----------
    twsa_mm, sigma_mm : (..., n)
        Water storage anomaly and its posterior standard deviation.
    resolution_km : (..., n)
        Side of the area over which a cell's estimate averages: sqrt(cell area / R_ii), R the
        model resolution matrix; at most `MAXIMUM_RESOLUTION_KM`.
    residual_mm, leave_one_out_mm : (..., m)
        Observed minus fitted, and observed minus predicted from all other points.
    leave_one_out_sigma_mm : (..., m)
        Standard deviation of the latter, by the errors and the prior.
    variance_factor : (...)
        Variance of unit weight: 1 if the errors and the prior have the right size.
    degrees_of_freedom : (...)
        Number of parameters that the data determine, trace of R.
    """

    twsa_mm: Array
    sigma_mm: Array
    resolution_km: Array
    residual_mm: Array
    leave_one_out_mm: Array
    leave_one_out_sigma_mm: Array
    variance_factor: Array
    degrees_of_freedom: Array


def prepare(design: Array, smoothness: Smoothness, cell_area_km2: Array) -> Inversion:
    """Inversion of points with `design`, shape (m, n_cells); done once per set of points.

    Raises
    ------
    ContractError
        The cells of `design`, `smoothness` and `cell_area_km2` differ in number.
    """
    n_cells = int(smoothness.domain.sum())
    if design.ndim != 2 or design.shape[1] != n_cells or cell_area_km2.shape != (n_cells,):
        raise ContractError(
            "arrays disagree on the number of cells", where="invert.prepare",
            expected=f"design (m, {n_cells}) and areas ({n_cells},)",
            got=f"{design.shape} and {cell_area_km2.shape}",
        )
    half = smoothness.solve(np.ascontiguousarray(design.T))
    influence = np.ascontiguousarray(smoothness.solve(half).T)
    return Inversion(
        smoothness, influence, half.T @ half, smoothness.variance(), design, cell_area_km2
    )


def project(inversion: Inversion, functional: Array) -> Inversion:
    """The same inversion for linear functionals of the cells, e.g. basin means.

    Parameters
    ----------
    functional : numpy.ndarray
        Weights, shape (b, n_cells). Estimates then have b values in place of n_cells, with exact
        posterior standard deviations.
    """
    prior = functional @ inversion.smoothness.covariance_times(np.ascontiguousarray(functional.T))
    return replace(
        inversion, influence=inversion.influence @ functional.T, prior_variance=np.diag(prior),
        design=None, cell_area_km2=None,
    )


def estimate(
    inversion: Inversion,
    up_mm: Array,
    sigma_mm: Array,
    *,
    beta: float,
    shared_covariance_mm2: Array | None = None,
    unweighted_covariance_mm2: Array | None = None,
    variance_factor: float | None = None,
    posterior: bool = True,
) -> Estimate:
    """Water storage of one day; `up_mm` and `sigma_mm` have shape (m,); see `estimate_many`."""
    days = estimate_many(
        inversion, up_mm[None], sigma_mm, beta=beta, posterior=posterior,
        shared_covariance_mm2=shared_covariance_mm2,
        unweighted_covariance_mm2=unweighted_covariance_mm2, variance_factor=variance_factor,
    )
    return Estimate(**{field.name: getattr(days, field.name)[0] for field in fields(Estimate)})


def estimate_many(
    inversion: Inversion,
    up_mm: Array,
    sigma_mm: Array,
    *,
    beta: float,
    shared_covariance_mm2: Array | None = None,
    unweighted_covariance_mm2: Array | None = None,
    variance_factor: float | None = None,
    posterior: bool = True,
) -> Estimate:
    """Water storage of T independent days.

    Days with the same points and errors share one factorisation. If the errors are the same on
    all days, other sets of points are reached by removing the missing ones from the full set.

    Parameters
    ----------
    inversion : Inversion
        From `prepare`, or from `project` when only functionals are wanted: the memory is then
        T x b in place of T x n_cells.
    up_mm : numpy.ndarray
        Displacement, shape (T, m), NaN where absent. A day without any is NaN throughout.
    sigma_mm : numpy.ndarray
        Standard deviation of the errors, shape (m,) or (T, m).
    beta : float
        Weight of the smoothness, see the module.
    shared_covariance_mm2 : numpy.ndarray, optional
        Error covariance between points, shape (m, m), added to diag(sigma^2).
    unweighted_covariance_mm2 : numpy.ndarray, optional
        Error covariance between points, shape (m, m), that changes no estimate: it enters the
        sigma of the water storage alone, whatever the variance of unit weight.
    variance_factor : float, optional
        Variance of unit weight. By default each day's own, d'(S / beta^2 + E)^-1 d / m.
    posterior : bool
        False leaves sigma, resolution, leave-one-out and `degrees_of_freedom` NaN.

    Raises
    ------
    ContractError
        Shapes disagree, beta is not positive, or an observed point has no usable sigma.
    """
    if not beta > 0:
        raise ContractError("beta is not positive", where="invert.estimate", got=repr(beta))
    sets = station_sets(up_mm, sigma_mm)
    whole = None
    if len(sets) > 1 and sigma_mm.ndim == 1:
        union = np.flatnonzero(np.isfinite(up_mm).any(axis=0))
        whole = _system(inversion, union, sigma_mm[union], shared_covariance_mm2, beta)
    out = _blank(up_mm.shape, inversion.prior_variance.size, posterior)
    coefficients = np.full(up_mm.shape, np.nan)
    for group in sets:
        system = _by_removal(whole, group) or _system(
            inversion, group.points, group.sigma_mm, shared_covariance_mm2, beta
        )
        place = np.ix_(group.days, group.points)
        up = up_mm[place]
        solution = system.solve(up)
        coefficients[group.days] = 0.0
        coefficients[place] = solution
        unit = beta**2 * np.einsum("ij,ij->i", up, solution) / group.points.size
        out.variance_factor[group.days] = unit if variance_factor is None else variance_factor
        if posterior:
            determined = system.determined
            out.leave_one_out_mm[place] = solution / determined.inverse_diagonal
            out.leave_one_out_sigma_mm[place] = np.sqrt(
                out.variance_factor[group.days, None] / determined.inverse_diagonal) / beta
            _store(out, inversion, group.days, determined, beta)
            if unweighted_covariance_mm2 is not None:
                carried = _carried_sigma_mm(system.gain, unweighted_covariance_mm2[
                    np.ix_(group.points, group.points)])
                out.sigma_mm[group.days] = np.hypot(out.sigma_mm[group.days], carried)
    np.matmul(coefficients, inversion.influence, out=out.twsa_mm)
    np.subtract(up_mm, coefficients @ inversion.data_covariance, out=out.residual_mm)
    return out


def _system(
    inversion: Inversion, points: Indices, sigma_mm: Array, shared: Array | None, beta: float
) -> System:
    covariance = inversion.data_covariance[np.ix_(points, points)]
    matrix = covariance.copy()
    matrix[np.diag_indices(points.size)] += (beta * sigma_mm) ** 2
    if shared is not None:
        matrix += beta**2 * shared[np.ix_(points, points)]
    return System(points, covariance, matrix, inversion.influence, inversion.design)


def _by_removal(whole: System | None, group: StationSet) -> Remainder | None:
    """The group as a remainder of all points, where that is the cheaper way."""
    if whole is None or 4 * (whole.points.size - group.points.size) > group.points.size:
        return None
    return whole.without(~np.isin(whole.points, group.points))


def _blank(shape: tuple[int, ...], n_unknowns: int, posterior: bool) -> Estimate:
    def fill(*size: int, wanted: bool = True) -> Array:
        return np.full(size, np.nan) if wanted else np.broadcast_to(np.nan, size)

    n_days, n_points = shape
    return Estimate(
        twsa_mm=fill(n_days, n_unknowns),
        sigma_mm=fill(n_days, n_unknowns, wanted=posterior),
        resolution_km=fill(n_days, n_unknowns, wanted=posterior),
        residual_mm=fill(n_days, n_points),
        leave_one_out_mm=fill(n_days, n_points, wanted=posterior),
        leave_one_out_sigma_mm=fill(n_days, n_points, wanted=posterior),
        variance_factor=fill(n_days),
        degrees_of_freedom=fill(n_days, wanted=posterior),
    )


def _carried_sigma_mm(gain: Array, covariance_mm2: Array) -> Array:
    """Standard deviation that errors of the k points bring into the unknowns, (n,)."""
    variance = np.einsum("ij,ij->j", gain, covariance_mm2 @ gain)
    return np.sqrt(np.maximum(variance, 0.0))


def _store(
    out: Estimate, inversion: Inversion, days: Indices, determined: Determined, beta: float
) -> None:
    variance = (inversion.prior_variance - determined.variance_reduction) / beta**2
    out.sigma_mm[days] = np.sqrt(
        out.variance_factor[days, None] * np.maximum(variance, 0.0)
    )
    out.degrees_of_freedom[days] = determined.degrees_of_freedom
    if inversion.cell_area_km2 is not None:
        smallest = inversion.cell_area_km2 / MAXIMUM_RESOLUTION_KM**2
        resolution = np.maximum(determined.resolution, smallest)
        out.resolution_km[days] = np.sqrt(inversion.cell_area_km2 / resolution)
