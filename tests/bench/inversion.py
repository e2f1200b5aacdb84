"""Green's matrix, set-up, days and choice of beta against the straightforward ways."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import linalg
from scipy.sparse.linalg import splu

from dwlim_ops.geometry import disk_radius_deg, distance_deg
from dwlim_ops.invert.daily import estimate, estimate_many, prepare
from dwlim_ops.invert.design import design_matrix
from dwlim_ops.invert.greens import disk_displacement_mm
from dwlim_ops.invert.smoothness import Smoothness
from dwlim_ops.invert.tuning import BETAS, choose_beta
from tests.bench.measure import Row, Timing, gemm_share, seconds, timed
from tests.bench.problems import BETA, Problem, small

Array = NDArray[np.float64]

N_DAYS = 3653


def greens_row(problem: Problem) -> Row:
    """Pairs of a northern, a middle and a southern row of cells: the nearest and some at random."""
    ours, design = timed(lambda: design_matrix(
        problem.longitude_deg, problem.latitude_deg, problem.grid, frame="cf"))
    longitude, latitude = problem.grid.cells
    random, cells = np.random.default_rng(5), []
    rows = np.unique(latitude)
    for row in rows[[rows.size // 6, rows.size // 2, -rows.size // 6]]:
        cells.append(random.choice(np.flatnonzero(latitude == row), 12, replace=False))
    chosen = np.concatenate(cells)
    points = random.choice(problem.n_points, 250, replace=False)
    distance = distance_deg(problem.longitude_deg, problem.latitude_deg,
                            longitude[chosen], latitude[chosen])
    points = np.union1d(points, distance.argmin(axis=0))
    radius = np.broadcast_to(disk_radius_deg(latitude[chosen], problem.grid.spacing_deg),
                             (points.size, chosen.size))
    direct, exact_mm = timed(lambda: disk_displacement_mm(distance[points], radius, frame="cf"))
    error = np.abs(design[np.ix_(points, chosen)] - exact_mm / 1000.0).max() / np.abs(design).max()
    return Row(f"Green's matrix, {problem.size}", ours,
               direct.times(design.size / exact_mm.size),
               f"the exact sum of each pair, vectorised, {exact_mm.size:,} pairs measured and "
               f"scaled to {design.size / 1e6:.1f} million; error {error:.1e} of the peak")


def prepare_row(problem: Problem) -> Row:
    smoothness = Smoothness(problem.grid.domain)
    ours, inversion = timed(lambda: prepare(
        problem.design, Smoothness(problem.grid.domain), problem.area_km2))
    n_measured = 50
    right_side = np.ascontiguousarray(problem.design[:n_measured].T)
    factorised, factor = timed(lambda: splu(smoothness.laplacian.tocsc()))
    solved, half = timed(lambda: factor.solve(right_side))
    n_solves = 2 * problem.n_points + problem.n_cells
    influence = factor.solve(half).T
    error = np.abs(influence - inversion.influence[:n_measured]).max()
    difference = error / np.abs(influence).max()
    n, m, band = problem.n_cells, problem.n_points, min(problem.grid.domain.shape)
    operations = 12.0 * n * band * m + float(n) * m**2 + 40.0 * n * band**2
    return Row(f"set-up of the inversion, {problem.size}", ours,
               factorised.plus(solved.times(n_solves / n_measured)),
               f"SuperLU, {n_measured} of the {n_solves:,} solves (data twice, prior variance of "
               f"each cell once) measured and scaled; difference {difference:.0e}",
               gemm_share(operations, ours, np.float64))


@dataclass(frozen=True)
class _Dense:
    """Normal equations (G'WG + beta^2 L'L) x = G'W d of a small problem, and their agreement."""

    n_cells: int
    solving: Timing
    inverting: Timing
    difference: float
    sigma_difference: float

    def scaled(self, problem: Problem, *, posterior: bool) -> Timing:
        one = self.solving.plus(self.inverting) if posterior else self.solving
        return one.times((problem.n_cells / self.n_cells) ** 3)

    @property
    def note(self) -> str:
        return f"dense normal equations, n = {self.n_cells:,} measured and scaled by n³"


@lru_cache
def _dense() -> _Dense:
    problem = small()
    up, sigma = problem.day()
    seen = np.isfinite(up)
    design, weight = problem.design[seen], 1.0 / sigma[seen] ** 2
    laplacian = problem.inversion.smoothness.laplacian
    matrix = (design.T * weight) @ design + BETA**2 * (laplacian.T @ laplacian).toarray()
    right_side = design.T @ (weight * up[seen])
    factoring, factor = timed(lambda: linalg.cho_factor(matrix, lower=True))
    solving, twsa_mm = timed(lambda: linalg.cho_solve(factor, right_side))
    inverting, inverse = timed(lambda: linalg.lapack.dpotri(factor[0], lower=True)[0])
    ours = estimate(problem.inversion, up, sigma, beta=BETA)
    dense_sigma = np.sqrt(ours.variance_factor * np.diag(inverse))
    return _Dense(problem.n_cells, factoring.plus(solving), inverting,
                  float(np.abs(ours.twsa_mm - twsa_mm).max() / np.abs(twsa_mm).max()),
                  float(np.abs(ours.sigma_mm / dense_sigma - 1.0).max()))


def one_day_row(problem: Problem) -> Row:
    inversion, (up, sigma) = problem.inversion, problem.day()
    ours, _ = timed(
        lambda: estimate(inversion, up, sigma, beta=BETA, posterior=False), repeats=5)
    return Row(f"a day with a new station set, {problem.size}", ours,
               _dense().scaled(problem, posterior=False),
               f"{_dense().note}; difference {_dense().difference:.0e}")


def posterior_row(problem: Problem) -> Row:
    inversion, (up, sigma) = problem.inversion, problem.day()
    ours, _ = timed(lambda: estimate(inversion, up, sigma, beta=BETA), repeats=3)
    n, m = problem.n_cells, int(np.isfinite(up).sum())
    return Row(f"the same with sigma, resolution, leave-one-out, {problem.size}", ours,
               _dense().scaled(problem, posterior=True),
               f"{_dense().note}, inverse included; difference of sigma "
               f"{_dense().sigma_difference:.0e}",
               gemm_share(2.0 * m**2 * n + float(m) ** 3, ours, np.float64))


def removal_row(problem: Problem) -> Row:
    """Sigma and resolution of all cells on days that differ by a few stations."""
    n_days = 60
    inversion, (up, sigma) = problem.inversion, problem.days(n_days)
    ours, _ = timed(lambda: estimate_many(inversion, up, sigma, beta=BETA))
    return Row(f"the same when errors are constant: a day of {n_days}, {problem.size}",
               ours.times(1.0 / n_days), _dense().scaled(problem, posterior=True),
               "missing stations removed from one factor, its making included; "
               f"{_dense().note}, inverse included")


def many_days_row(problem: Problem, *, posterior: bool, n_measured: int) -> Row:
    """Ten basins; on each day another tenth of the stations is missing; errors constant."""
    inversion, (up, sigma) = problem.of_basins, problem.days(n_measured)
    ours, all_days = timed(
        lambda: estimate_many(inversion, up, sigma, beta=BETA, posterior=posterior))
    few = slice(0, 5)
    anew, each = timed(lambda: [
        estimate(inversion, day, sigma, beta=BETA, posterior=posterior).twsa_mm for day in up[few]])
    difference = np.abs(all_days.twsa_mm[few] - each).max() / np.abs(each).max()
    scaled = "" if n_measured == N_DAYS else f"{n_measured:,} days measured and scaled; "
    return Row(f"{N_DAYS:,} days of ten basins, other stations each day, "
               f"{'with' if posterior else 'without'} sigma, {problem.size}",
               ours.times(N_DAYS / n_measured),
               _dense().scaled(problem, posterior=False).times(N_DAYS),
               f"{scaled}{_dense().note}; a new factor each day in data space: "
               f"{seconds(anew.wall_s * N_DAYS / 5)}, difference {difference:.0e}")


def beta_row(problem: Problem) -> Row:
    """Criterion of Akaike for one day, by one spectrum and by a factorisation for each beta."""
    inversion, (up, sigma) = problem.inversion, problem.day()
    ours, tuned = timed(lambda: choose_beta(inversion, up[None], sigma), repeats=3)
    seen = np.isfinite(up)
    covariance, error = inversion.data_covariance[np.ix_(seen, seen)], np.diag(sigma[seen] ** 2)

    def refit(beta: float) -> float:
        root = linalg.cholesky(covariance / beta**2 + error, lower=True)
        white = linalg.solve_triangular(root, up[seen], lower=True)
        factor = white @ white / white.size
        return float(white.size * (np.log(2.0 * np.pi * factor) + 1.0)
                     + 2.0 * np.log(np.diag(root)).sum())

    few = slice(None, None, 8)
    refits, criterion = timed(lambda: [refit(beta) for beta in BETAS[few]])
    difference = np.abs(tuned.criterion[few] / criterion - 1.0).max()
    return Row(f"beta by ABIC, {BETAS.size} values, one day, {problem.size}", ours,
               refits.times(BETAS.size / len(criterion)),
               f"a Cholesky factor in data space for each beta, {len(criterion)} measured and "
               f"scaled; difference {difference:.0e}")
