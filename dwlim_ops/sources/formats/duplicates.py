"""One value per key where a file holds several."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def keep_smallest_sigma(
    key: NDArray[np.int64], value: Array, sigma: Array
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Rows to keep, one per key in ascending order, and whether other rows contradicted them.

    The row with the smallest sigma stays, the first of equals; a row whose value is NaN stays only
    where its key has no other. Rows that repeat the kept one, or are NaN, contradict nothing.
    """
    present = np.isfinite(value)
    order = np.lexsort((np.where(present, sigma, np.inf), key))
    first = np.ones(order.size, dtype=bool)
    first[1:] = key[order][1:] != key[order][:-1]
    kept = order[first]
    owner = np.cumsum(first) - 1
    leader = kept[owner]
    differs = present[order] & ((value[order] != value[leader]) | (sigma[order] != sigma[leader]))
    contradicted = np.zeros(kept.size, dtype=bool)
    contradicted[owner[differs]] = True
    return kept, contradicted
