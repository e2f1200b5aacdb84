"""Permutation entropy: how noise-like a series is."""

from math import factorial

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def permutation_entropy(x: ArrayLike, order: int = 6, delay: int = 1) -> float:
    """Normalised permutation entropy of a series: near 0 for a smooth one, near 1 for noise.

    H = -sum p log p over the observed ordinal patterns of `order` samples `delay` apart, divided
    by log(min(order!, n_patterns)), n_patterns = n - (order - 1) delay. The second bound matters
    where n is not much larger than order!: a short series cannot show all patterns, and dividing
    by log(order!) alone would call its noise smooth. Of equal samples the earlier ranks lower.

    Parameters
    ----------
    x : array_like, shape (n_samples,)
    order : int
        Samples in a pattern, 2 to 8.
    delay : int
        Samples between two samples of a pattern.

    Returns
    -------
    float
        0 to 1.

    Raises
    ------
    ValueError
        `order` or `delay` out of range, or the series holds fewer than two patterns.

    References
    ----------
    Bandt and Pompe (2002), Phys. Rev. Lett. 88, 174102.

    Examples
    --------
    >>> permutation_entropy([1, 2, 3, 4, 5, 6], order=3)
    0.0
    >>> round(permutation_entropy([1, 3, 2, 4, 3, 5, 4], order=2), 3)
    1.0
    """
    series = np.ascontiguousarray(x, dtype=np.float64)
    if not 2 <= order <= 8 or delay < 1:
        raise ValueError(
            "permutation_entropy: pattern is out of range; expected order 2 to 8 and delay of at "
            f"least 1, got {order} and {delay}"
        )
    n_patterns = series.size - (order - 1) * delay
    if series.ndim != 1 or n_patterns < 2:
        raise ValueError(
            "permutation_entropy: too few patterns; expected a series of more than "
            f"{(order - 1) * delay + 1} samples, got shape {series.shape}"
        )
    count = _count_patterns(series, order, delay)
    p = count[count > 0] / n_patterns
    entropy = np.sum(p * np.log(1.0 / p)) / np.log(min(factorial(order), n_patterns))
    return float(entropy)


@njit(cache=True, nogil=True)
def _count_patterns(x: Array, order: int, delay: int) -> NDArray[np.int64]:
    """Occurrences of every ordinal pattern, indexed by its Lehmer code."""
    n_codes = 1
    for k in range(2, order + 1):
        n_codes *= k
    count = np.zeros(n_codes, np.int64)
    for start in range(x.size - (order - 1) * delay):
        code = 0
        for i in range(order - 1):
            lower = 0
            for j in range(i + 1, order):
                lower += x[start + j * delay] < x[start + i * delay]
            code = code * (order - i) + lower
        count[code] += 1
    return count
