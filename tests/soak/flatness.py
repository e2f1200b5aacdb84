"""Whether a figure grows from tick to tick: its slope with an interval, and what that means."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

#: Block length of the bootstrap: neighbouring ticks are alike.
BLOCK_TICKS = 7
N_RESAMPLED = 2000
LEAST_TICKS = 10


@dataclass(frozen=True)
class Slope:
    """Growth per tick, with the ends of its 95 % interval; `n` ticks."""

    per_tick: float
    low: float
    high: float
    n: int

    def grows(self, beyond: float = 0.0) -> bool:
        """Surely more than `beyond` per tick."""
        return self.low > beyond


def slope(values: Sequence[float], *, seed: int = 1) -> Slope:
    """Theil-Sen slope against the number of the tick; interval by a moving-block bootstrap.

    Sparse jumps (a cache that fills once, an answer without end) move the median of the pairwise
    slopes less than they move least squares.

    Parameters
    ----------
    values : sequence of float, (n,)
        One value a tick, at least 10.
    """
    y, x = np.asarray(values, float), np.arange(len(values), dtype=float)
    if y.size < LEAST_TICKS:
        raise ValueError(f"{y.size} ticks are too few for a slope")
    middle = _theil_sen(x, y)
    left = y - middle * x
    random, size = np.random.default_rng(seed), y.size
    block = min(BLOCK_TICKS, size // 3)
    n_blocks = -(-size // block)
    found = []
    for _ in range(N_RESAMPLED):
        starts = random.integers(0, size - block + 1, n_blocks)
        drawn = np.concatenate([left[start:start + block] for start in starts])[:size]
        found.append(_theil_sen(x, drawn + middle * x))
    low, high = np.percentile(found, [2.5, 97.5])
    return Slope(middle, min(float(low), middle), max(float(high), middle), size)


def _theil_sen(x: np.ndarray, y: np.ndarray) -> float:
    first, second = np.triu_indices(x.size, 1)
    return float(np.median((y[second] - y[first]) / (x[second] - x[first])))


def constant(values: Sequence[float], *, tolerance: float) -> bool:
    """Whether nothing lies further than `tolerance` from the median, and the ends agree."""
    y = np.asarray(values, float)
    third = max(1, y.size // 3)
    ends = abs(np.median(y[:third]) - np.median(y[-third:]))
    return bool(np.abs(y - np.median(y)).max() <= tolerance and ends <= tolerance / 2)
