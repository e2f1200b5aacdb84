"""Smoothness of the load as a prior covariance, P = (L'L)^-1, on the cells of a domain.

L is the five-point Laplacian of the grid (4 on the diagonal, -1 for each neighbour). The load is
zero outside the domain (Dirichlet), so L is positive definite and no small term is added to make
it invertible. Like the paper's, the stencil is plain: rows and columns count alike, whatever the
latitude.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

from dwlim_ops.errors import ContractError

Array = NDArray[np.float64]
Indices = NDArray[np.int_]


@dataclass(frozen=True, eq=False)
class Smoothness:
    """The Laplacian prior of a domain, bool (lat, lon); cells are numbered along it in C order.

    With `screening` = (cell / correlation length)^2 above zero, L + screening in place of L, the
    prior is Whittle's covariance, which forgets beyond the correlation length.
    """

    domain: NDArray[np.bool_]
    screening: float = 0.0

    def __post_init__(self) -> None:
        if self.domain.ndim != 2 or not self.domain.any():
            raise ContractError(
                "no cell to smooth", where="Smoothness.domain",
                expected="a mask (lat, lon) with at least one cell", got=str(self.domain.shape),
            )

    @cached_property
    def laplacian(self) -> sparse.csr_array:
        """L, sparse, shape (n_cells, n_cells), symmetric."""
        number, n_cells = self._number, int(self.domain.sum())
        pairs = np.hstack([
            _neighbours(number[:, :-1], number[:, 1:]), _neighbours(number[:-1], number[1:])
        ])
        one_way = sparse.coo_array((-np.ones(pairs.shape[1]), tuple(pairs)), (n_cells, n_cells))
        diagonal = sparse.diags_array(np.full(n_cells, 4.0 + self.screening))
        return (diagonal + one_way + one_way.T).tocsr()

    @cached_property
    def _factor(self) -> "_BlockTridiagonal":
        return _factorise(self.laplacian, self._lines(1))

    def solve(self, right_side: Array) -> Array:
        """L^-1 times `right_side`, shape (n_cells,) or (n_cells, k)."""
        return self._factor.solve(right_side)

    def covariance_times(self, right_side: Array) -> Array:
        """P times `right_side`, shape (n_cells,) or (n_cells, k)."""
        return self.solve(self.solve(right_side))

    def variance(self) -> Array:
        """Diagonal of P, shape (n_cells,), exact."""
        return _factorise(self.laplacian @ self.laplacian, self._lines(2)).inverse_diagonal()

    @property
    def _number(self) -> Indices:
        number = np.full(self.domain.shape, -1)
        number[self.domain] = np.arange(self.domain.sum())
        return number

    def _lines(self, together: int) -> list[Indices]:
        """Cells along the shorter side of the grid, some lines at a time."""
        number = self._number if self.domain.shape[0] >= self.domain.shape[1] else self._number.T
        bands = [number[at : at + together] for at in range(0, number.shape[0], together)]
        return [band[band >= 0] for band in bands]


def _neighbours(first: Indices, second: Indices) -> Indices:
    both = (first >= 0) & (second >= 0)
    return np.array([first[both], second[both]])


@dataclass(frozen=True, eq=False)
class _BlockTridiagonal:
    """A symmetric positive definite matrix A, block tridiagonal in `blocks`, factorised.

    D_1 = A_11, D_i = A_ii - A_{i,i-1} D_{i-1}^-1 A_{i-1,i}; `inverses` holds D_i^-1 and `gains`
    holds W_i = D_i^-1 A_{i,i+1}. Dense blocks make every step a matrix product.
    """

    blocks: list[Indices]
    inverses: list[Array]
    gains: list[Array]

    def solve(self, right_side: Array) -> Array:
        """A^-1 times `right_side`, shape (n,) or (n, k)."""
        solution = np.empty((right_side.shape[0], *right_side.shape[1:]))
        carried = [right_side[self.blocks[0]]]
        for cells, gain in zip(self.blocks[1:], self.gains, strict=True):
            carried.append(right_side[cells] - gain.T @ carried[-1])
        value = self.inverses[-1] @ carried[-1]
        solution[self.blocks[-1]] = value
        for i in range(len(self.gains) - 1, -1, -1):
            value = self.inverses[i] @ carried[i] - self.gains[i] @ value
            solution[self.blocks[i]] = value
        return solution

    def inverse_diagonal(self) -> Array:
        """Diagonal of A^-1 by selected inversion: S_i = D_i^-1 + W_i S_{i+1} W_i'."""
        diagonal = np.empty(sum(cells.size for cells in self.blocks))
        selected = self.inverses[-1]
        diagonal[self.blocks[-1]] = np.diag(selected)
        for i in range(len(self.gains) - 1, -1, -1):
            selected = self.inverses[i] + self.gains[i] @ selected @ self.gains[i].T
            diagonal[self.blocks[i]] = np.diag(selected)
        return diagonal


def _factorise(matrix: sparse.csr_array, blocks: list[Indices]) -> _BlockTridiagonal:
    inverses: list[Array] = []
    gains: list[Array] = []
    correction = np.zeros((blocks[0].size, blocks[0].size))
    for position, cells in enumerate(blocks):
        rows = matrix[cells]
        inverse = linalg.inv(rows[:, cells].toarray() - correction)
        inverses.append(0.5 * (inverse + inverse.T))
        if position + 1 < len(blocks):
            link = rows[:, blocks[position + 1]].toarray()
            gains.append(inverses[-1] @ link)
            correction = link.T @ gains[-1]
    return _BlockTridiagonal(blocks, inverses, gains)
