"""What the compiled sifting writes to: arrays made once for a length of series."""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Indices = NDArray[np.int64]
Marks = NDArray[np.uint8]

#: Extrema mirrored beyond each end of the series (PyEMD's `nbsym`).
MIRRORED: Final = 2
#: Samples from each knot on that are drawn without asking where the next knot is.
BLOCK: Final = 4
#: Axis of symmetry at an end of the series, and the first extremum of each kind to reflect there.
Mirror = tuple[int, int, int]
Pair = tuple[float, float]


class Envelope(NamedTuple):
    """Workspace of one envelope: knots (extrema and their reflections), spline, its samples.

    At u samples from knot k its piece is value + u (slope + u (second + u third)), and the rows of
    `after` hold it at u = 1, 2, 3. `ratio` and `slope` first hold the rows of the spline's system.
    """

    position: Array
    value: Array
    width: Array
    inverse_width: Array
    secant: Array
    ratio: Array
    slope: Array
    second: Array
    third: Array
    after: Array
    curve: Array


class Workspace(NamedTuple):
    """All that sifting a series of one length writes to, apart from the series.

    `extrema` are the sorted positions of maxima and minima, which alternate; `turns` is one at the
    inner samples where the series turns.
    """

    turns: Marks
    extrema: Indices
    upper: Envelope
    lower: Envelope


def make_workspace(n_samples: int) -> Workspace:
    """Empty workspace for series of `n_samples`."""
    return Workspace(
        np.empty(n_samples, np.uint8), np.empty(n_samples, np.int64),
        _make_envelope(n_samples), _make_envelope(n_samples),
    )


def _make_envelope(n_samples: int) -> Envelope:
    n_knots = n_samples + 2 * MIRRORED
    shapes = [*[(n_knots,)] * 9, (BLOCK - 1, n_knots), (n_samples + BLOCK,)]
    return Envelope(*(np.empty(shape) for shape in shapes))
