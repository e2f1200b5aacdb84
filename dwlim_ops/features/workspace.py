"""Types of the compiled sifting: arrays made once for a length, written to by every sift."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Indices = NDArray[np.int64]


class Envelope(NamedTuple):
    """Workspace of one envelope: extrema, knots (extrema and their reflections) and spline.

    Columns of `pieces`: p, c0 .. c3 of c0 + u (c1 + u (c2 + u c3)), u = sample - p. `begins` is one
    at the samples where the next piece begins.
    """

    extrema: Indices
    position: Indices
    value: Array
    width: Array
    inverse_width: Array
    secant: Array
    slope: Array
    inverse_pivot: Array
    pieces: Array
    begins: NDArray[np.uint8]


class Workspace(NamedTuple):
    """All that sifting a series of one length writes to, apart from the series."""

    upper: Envelope
    lower: Envelope
    mean: Array
