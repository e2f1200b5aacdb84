"""The linear system of one set of points, (S + beta^2 E) a = d, and what follows from it."""

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from dwlim_ops.errors import ContractError

Array = NDArray[np.float64]
Indices = NDArray[np.int_]


@dataclass(frozen=True, eq=False)
class StationSet:
    """Days, of those given, that observed the same `points` with the same errors."""

    days: Indices
    points: Indices
    sigma_mm: Array


def station_sets(up_mm: Array, sigma_mm: Array) -> list[StationSet]:
    """Group T days, `up_mm` (T, m), by present points and their `sigma_mm`, (m,) or (T, m).

    Days without any observation are in no group.

    Raises
    ------
    ContractError
        Shapes disagree, or the sigma of an observed point is not finite or negative.
    """
    if up_mm.ndim != 2 or sigma_mm.shape not in (up_mm.shape, up_mm.shape[1:]):
        raise ContractError(
            "displacement and sigma disagree", where="invert",
            expected="up (T, m) and sigma (m,) or (T, m)", got=f"{up_mm.shape}, {sigma_mm.shape}",
        )
    present = np.isfinite(up_mm)
    sigma = np.broadcast_to(sigma_mm, up_mm.shape)
    usable = np.isfinite(sigma) & (sigma >= 0)
    if (present & ~usable).any():
        day, point = np.argwhere(present & ~usable)[0]
        raise ContractError(
            "an observed point has no usable sigma", where=f"invert: day {day}, point {point}",
            expected="finite, not negative", got=str(sigma[day, point]),
        )
    days: dict[bytes, list[int]] = defaultdict(list)
    for day, key in enumerate(np.where(present, sigma, np.nan)):
        days[key.tobytes()].append(day)
    groups = []
    for members in days.values():
        points = np.flatnonzero(present[members[0]])
        if points.size:
            groups.append(StationSet(np.array(members), points, sigma[members[0], points]))
    return groups


@dataclass(frozen=True, eq=False)
class Determined:
    """What a set of k points determines of n unknowns, per beta^2 where it is a variance.

    diag(C^-1) (k,); diag(P G' C^-1 G P) (n,); diag(P G' C^-1 G) (n,); trace of the last.
    """

    inverse_diagonal: Array
    variance_reduction: Array
    resolution: Array
    degrees_of_freedom: float


@dataclass(frozen=True, eq=False)
class System:
    """C = S + beta^2 E of k points: S and C (k, k); G P and, for cells, G of all points (m, n)."""

    points: Indices
    covariance: Array
    matrix: Array
    all_influence: Array
    all_design: Array | None

    @cached_property
    def _root(self) -> Array:
        return linalg.cholesky(self.matrix, lower=True, check_finite=False)

    def solve(self, up_mm: Array) -> Array:
        """C^-1 d of every day, (days, k) to (days, k)."""
        solution: Array = linalg.cho_solve((self._root, True), up_mm.T, check_finite=False).T
        return solution

    @cached_property
    def inverse(self) -> Array:
        """C^-1."""
        lower, _ = linalg.lapack.dpotri(self._root, lower=True)
        return np.tril(lower) + np.tril(lower, -1).T

    @cached_property
    def _influence(self) -> Array:
        return self._rows(self.all_influence)

    @cached_property
    def _design(self) -> Array | None:
        return None if self.all_design is None else self._rows(self.all_design)

    def _rows(self, whole: Array) -> Array:
        return whole if self.points.size == whole.shape[0] else whole[self.points]

    @cached_property
    def gain(self) -> Array:
        """C^-1 G P, shape (k, n)."""
        return self.inverse @ self._influence

    @cached_property
    def fitting(self) -> Array:
        """C^-1 G, shape (k, n)."""
        if self._design is None:
            return np.full_like(self.gain, np.nan)
        return self.inverse @ self._design

    @cached_property
    def determined(self) -> Determined:
        """What all points of the system determine."""
        return Determined(
            np.diag(self.inverse),
            np.einsum("ij,ij->j", self.gain, self._influence),
            np.full(self.gain.shape[1], np.nan) if self._design is None
            else np.einsum("ij,ij->j", self.gain, self._design),
            float(np.sum(self.inverse * self.covariance)),
        )

    def without(self, removed: NDArray[np.bool_]) -> "Remainder":
        """The system of the other points; `removed` marks rows of this one, shape (k,)."""
        root = linalg.cholesky(self.inverse[np.ix_(removed, removed)], lower=True)
        return Remainder(self, removed, root)


@dataclass(frozen=True, eq=False)
class Remainder:
    """A system less r points, at about r / k of the cost of a new one.

    C_kept^-1 = C^-1 - Y'Y with Y = root^-1 C^-1[removed], root root' = C^-1[removed, removed].
    """

    system: System
    removed: NDArray[np.bool_]
    root: Array

    def _whitened(self, rows: Array) -> Array:
        solution: Array = linalg.solve_triangular(self.root, rows, lower=True, check_finite=False)
        return solution

    def solve(self, up_mm: Array) -> Array:
        """As `System.solve` for the kept points only."""
        padded = np.zeros((up_mm.shape[0], self.removed.size))
        padded[:, ~self.removed] = up_mm
        first = padded @ self.system.inverse
        correction = self._whitened(first[:, self.removed].T).T
        rows = self._whitened(self.system.inverse[self.removed])
        solution: Array = (first - correction @ rows)[:, ~self.removed]
        return solution

    @property
    def gain(self) -> Array:
        """As `System.gain` for the kept points only."""
        rows = self._whitened(self.system.inverse[self.removed])
        of_removed = self._whitened(self.system.gain[self.removed])
        gain: Array = (self.system.gain - rows.T @ of_removed)[~self.removed]
        return gain

    @property
    def determined(self) -> Determined:
        """What the kept points determine."""
        system, kept = self.system, ~self.removed
        rows = self._whitened(system.inverse[self.removed])
        gain = self._whitened(system.gain[self.removed])
        fitting = self._whitened(system.fitting[self.removed])
        whole = system.determined
        return Determined(
            (whole.inverse_diagonal - np.einsum("ij,ij->j", rows, rows))[kept],
            whole.variance_reduction - np.einsum("ij,ij->j", gain, gain),
            whole.resolution - np.einsum("ij,ij->j", gain, fitting),
            whole.degrees_of_freedom - float(np.sum((rows @ system.covariance) * rows)),
        )
