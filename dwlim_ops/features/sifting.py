"""Compiled sifting for empirical mode decomposition, with the decisions of PyEMD 1.10.

Everything compiled by numba stands in this one module, because numba's cache notices a change of
the calling file only. No fast-math: the same input gives the same bits alone and in a batch.

Huang et al. (1998), Proc. R. Soc. Lond. A 454, 903-995; Rilling, Flandrin and Goncalves (2003),
IEEE-EURASIP Workshop NSIP-03, for the mirrored extrema.
"""

from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

#: Extrema mirrored beyond each end of the series (PyEMD's `nbsym`).
MIRRORED: Final = 2
#: Rows of a decomposition at most; what is left after them goes to the residue.
MAX_MODES: Final = 32
MAX_SIFTS: Final = 1000
SCALED_VARIANCE_LIMIT: Final = 0.001
STANDARD_DEVIATION_LIMIT: Final = 0.2
ENERGY_RATIO_LIMIT: Final = 0.2
MIN_ENERGY: Final = 1e-10
MIN_RANGE: Final = 0.001
MIN_ABSOLUTE_SUM: Final = 0.005
ZERO_RESIDUE: Final = 1e-8

compiled: Final = njit(cache=True, nogil=True, error_model="numpy")


class Envelope(NamedTuple):
    """Workspace of one envelope: knots in time order, with room for mirrored ones, and its spline.

    Columns of `pieces`: p, c0 .. c3 of c0 + u (c1 + u (c2 + u c3)), u = sample - p. `begins` is one
    at the samples where the next piece begins.
    """

    position: Indices
    value: Array
    width: Array
    inverse_width: Array
    secant: Array
    slope: Array
    inverse_pivot: Array
    pieces: Array
    begins: NDArray[np.uint8]


@compiled
def make_envelope(n_samples: int) -> Envelope:
    """Empty workspace of one envelope of a series of `n_samples`."""
    n = n_samples + 2 * MIRRORED
    return Envelope(
        np.empty(n, np.int64), np.empty(n), np.empty(n), np.empty(n), np.empty(n), np.empty(n),
        np.empty(n), np.empty((n, 5)), np.empty(n_samples, np.uint8),
    )


@compiled
def trim(envelope: Envelope, first: int, stop: int) -> Envelope:
    """Only the knots `first` to `stop`."""
    n = stop - first
    return Envelope(
        envelope.position[first:stop], envelope.value[first:stop], envelope.width[:n],
        envelope.inverse_width[:n], envelope.secant[:n], envelope.slope[:n],
        envelope.inverse_pivot[:n], envelope.pieces[:n], envelope.begins,
    )


@compiled
def find_extrema(x: Array, maxima: Indices, minima: Indices) -> tuple[int, int, int]:
    """Write the positions of the extrema of `x`; return their counts and that of the zeros.

    A run of zeros counts as one zero, a plateau as one extremum at its middle.
    """
    n_max, n_min, n_zero = 0, 0, int(x[0] == 0.0)
    flat = False
    for i in range(1, x.size):
        here = x[i]
        n_zero += (x[i - 1] * here < 0.0) | ((here == 0.0) & (x[i - 1] != 0.0))
        flat |= here == x[i - 1]
    before = x[1] - x[0]
    for i in range(1, x.size - 1):
        after = x[i + 1] - x[i]
        maxima[n_max] = minima[n_min] = i
        n_max += (before > 0.0) & (after < 0.0)
        n_min += (before < 0.0) & (after > 0.0)
        before = after
    if flat:
        n_max, n_min = add_plateaus(x, maxima, n_max, minima, n_min)
    return n_max, n_min, n_zero


@compiled
def add_plateaus(
    x: Array, maxima: Indices, n_max: int, minima: Indices, n_min: int
) -> tuple[int, int]:
    """Add the middles of flat tops and bottoms, keeping the positions sorted.

    PyEMD's conventions at the ends: a plateau from sample 0 takes the last difference of the
    series for the one before it; one from sample 1 or up to the end is no extremum.
    """
    last, start = x.size - 1, 0
    while start < last:
        stop = start
        while stop < last and x[stop + 1] == x[stop]:
            stop += 1
        if start < stop < last and start != 1:
            before = x[start] - x[start - 1] if start > 0 else x[last] - x[last - 1]
            after = x[stop + 1] - x[stop]
            middle = int(np.round((start + stop) / 2.0))
            if before > 0.0 and after < 0.0:
                n_max = insert_sorted(maxima, n_max, middle)
            elif before < 0.0 and after > 0.0:
                n_min = insert_sorted(minima, n_min, middle)
        start = max(stop, start + 1)
    return n_max, n_min


@compiled
def insert_sorted(positions: Indices, n: int, position: int) -> int:
    """Insert into the first `n` sorted positions; return their new number."""
    k = n
    while k > 0 and positions[k - 1] > position:
        positions[k] = positions[k - 1]
        k -= 1
    positions[k] = position
    return n + 1


@compiled
def from_end(knots: Envelope, n: int, k: int, end: int) -> int:
    """Position of the k-th of `n` extrema counted from an end of the series; k = -1 is the end."""
    if k < 0:
        return end
    return knots.position[MIRRORED + (k if end == 0 else n - 1 - k)]


@compiled
def choose_axis(
    x: Array, lead: Envelope, n_lead: int, other: Envelope, n_other: int,
    end: int, lead_is_maximum: bool,
) -> tuple[int, int, int]:
    """Axis of symmetry at one end; which extrema (`from_end`) of both kinds are reflected first.

    The lead is the kind of extremum nearest to the end. If the end value lies on its side of the
    first opposite extremum, the axis is the first lead extremum, provided that the reflections
    reach past the end; otherwise it is the end itself, which counts as an opposite extremum when
    it lies on that side.
    """
    opposite = x[from_end(other, n_other, 0, end)]
    if not (x[end] > opposite if lead_is_maximum else x[end] < opposite):
        return end, 0, -1
    axis = from_end(lead, n_lead, 0, end)
    if n_lead > 1:
        lead_reach = from_end(lead, n_lead, min(n_lead - 1, MIRRORED), end)
        other_reach = from_end(other, n_other, min(n_other, MIRRORED) - 1, end)
        if min(abs(lead_reach - axis), abs(other_reach - axis)) >= abs(axis - end):
            return axis, 1, 0
    return end, 0, 0


@compiled
def mirror_extrema(
    x: Array, upper: Envelope, n_max: int, lower: Envelope, n_min: int
) -> tuple[Envelope, Envelope]:
    """Both envelopes with the values of their extrema, extended beyond both ends of the series."""
    first_max, stop_max = MIRRORED, MIRRORED + n_max
    first_min, stop_min = MIRRORED, MIRRORED + n_min
    for k in range(first_max, stop_max):
        upper.value[k] = x[upper.position[k]]
    for k in range(first_min, stop_min):
        lower.value[k] = x[lower.position[k]]
    for end in (0, x.size - 1):
        nearest_max, nearest_min = from_end(upper, n_max, 0, end), from_end(lower, n_min, 0, end)
        if abs(nearest_max - end) < abs(nearest_min - end):
            axis, from_max, from_min = choose_axis(x, upper, n_max, lower, n_min, end, True)
        else:
            axis, from_min, from_max = choose_axis(x, lower, n_min, upper, n_max, end, False)
        first_max, stop_max = reflect(x, upper, n_max, from_max, axis, end, first_max, stop_max)
        first_min, stop_min = reflect(x, lower, n_min, from_min, axis, end, first_min, stop_min)
    return trim(upper, first_max, stop_max), trim(lower, first_min, stop_min)


@compiled
def reflect(
    x: Array, knots: Envelope, n: int, start: int, axis: int, end: int, first: int, stop: int
) -> tuple[int, int]:
    """Add the reflections of extrema, from the `start`-th from an end, to knots `first` to `stop`."""
    for k in range(start, min(start + MIRRORED, n)):
        sample = from_end(knots, n, k, end)
        reflected = 2 * axis - sample
        if end == 0 and reflected < knots.position[first]:
            first -= 1
            knots.position[first], knots.value[first] = reflected, x[sample]
        elif end > 0 and reflected > knots.position[stop - 1]:
            knots.position[stop], knots.value[stop] = reflected, x[sample]
            stop += 1
    return first, stop


@compiled
def fit_spline(knots: Envelope) -> None:
    """Fit the cubic spline through the knots, and write its pieces.

    From four knots on it is the not-a-knot spline; at three it has no curvature at its ends, at
    two it is a straight line.
    """
    h, inverse, d, s = knots.width, knots.inverse_width, knots.secant, knots.slope
    n = s.size
    for i in range(n - 1):
        h[i] = knots.position[i + 1] - knots.position[i]
        inverse[i] = 1.0 / h[i]
        d[i] = (knots.value[i + 1] - knots.value[i]) * inverse[i]
    if n == 2:
        s[:] = d[0]
    elif n == 3:
        s[1] = (h[1] * d[0] + h[0] * d[1]) / (h[0] + h[1])
        s[0], s[2] = 1.5 * d[0] - 0.5 * s[1], 1.5 * d[1] - 0.5 * s[1]
    else:
        solve_not_a_knot(h, d, s, knots.inverse_pivot)
    for i in range(n):
        knots.pieces[i, 0] = knots.position[i]
        knots.pieces[i, 1] = knots.value[i]
        knots.pieces[i, 2] = s[i]
    for i in range(n - 1):
        bend = (s[i] + s[i + 1] - 2.0 * d[i]) * inverse[i]
        knots.pieces[i, 3] = (d[i] - s[i]) * inverse[i] - bend
        knots.pieces[i, 4] = bend * inverse[i]
    knots.pieces[n - 1, 3:] = 0.0


@compiled
def solve_not_a_knot(h: Array, d: Array, s: Array, inverse_pivot: Array) -> None:
    """Slopes s at the knots from their widths h and secants d.

    The interior rows of the tridiagonal system are
    h[i] s[i-1] + 2 (h[i-1] + h[i]) s[i] + h[i-1] s[i+1] = 3 (h[i] d[i-1] + h[i-1] d[i]).
    The not-a-knot rows of both ends are subtracted from their neighbours, which leaves a
    diagonally dominant system for s[1] .. s[n-2] (de Boor 1978, ch. IV).
    """
    n = s.size
    for i in range(1, n - 1):
        s[i] = 3.0 * (h[i] * d[i - 1] + h[i - 1] * d[i])
    left, right = h[0] + h[1], h[n - 3] + h[n - 2]
    s[0] = not_a_knot_side(h[0], h[1], d[0], d[1])
    s[n - 1] = not_a_knot_side(h[n - 2], h[n - 3], d[n - 2], d[n - 3])
    s[1] -= s[0]
    s[n - 2] -= s[n - 1]
    side, inverse = s[1], 1.0 / left
    inverse_pivot[1] = inverse
    for i in range(2, n - 1):
        diagonal = 2.0 * (h[i - 1] + h[i]) if i < n - 2 else right
        side = s[i] - h[i] * inverse * side
        inverse = 1.0 / (diagonal - h[i] * h[i - 2] * inverse)
        s[i], inverse_pivot[i] = side, inverse
    slope = side * inverse
    s[n - 2] = slope
    for i in range(n - 3, 0, -1):
        slope = s[i] * inverse_pivot[i] - h[i - 1] * inverse_pivot[i] * slope
        s[i] = slope
    s[0] = (s[0] - left * s[1]) / h[1]
    s[n - 1] = (s[n - 1] - right * s[n - 2]) / h[n - 3]


@compiled
def not_a_knot_side(h0: float, h1: float, d0: float, d1: float) -> float:
    """Right side of the end row h1 s[0] + (h0 + h1) s[1], by which the second knot is no knot."""
    both = h0 + h1
    return ((h0 + 2.0 * both) * h1 * d0 + h0 * h0 * d1) / both


@compiled
def mark_pieces(spline: Envelope) -> int:
    """Mark the samples after the first at which a piece begins; return the piece of the first."""
    spline.begins[:] = 0
    piece = 0
    for k in range(1, spline.position.size):
        begin = spline.position[k]
        if begin <= 0:
            piece = k
        elif begin < spline.begins.size:
            spline.begins[begin] = 1
    return piece


@compiled
def evaluate(pieces: Array, piece: int, sample: float) -> float:
    """Value of one piece of a spline at a sample of the series."""
    u = sample - pieces[piece, 0]
    return pieces[piece, 1] + u * (
        pieces[piece, 2] + u * (pieces[piece, 3] + u * pieces[piece, 4])
    )


@compiled
def subtract_mean(mode: Array, upper: Envelope, lower: Envelope, mean: Array) -> None:
    """Subtract the mean of both envelopes from `mode` in place."""
    # numba tests every signed index for being negative: unsigned ones take half the time
    above, below = np.uint64(mark_pieces(upper)), np.uint64(mark_pieces(lower))
    for i in range(mode.size):
        above += np.uint64(upper.begins[i])
        below += np.uint64(lower.begins[i])
        sample = float(i)
        mean[i] = 0.5 * (
            evaluate(upper.pieces, above, sample) + evaluate(lower.pieces, below, sample)
        )
        mode[i] -= mean[i]


@compiled
def is_mode(mode: Array, mean: Array, upper: Envelope, lower: Envelope) -> bool:
    """Huang's criteria: maxima above, minima below zero, and a small change by the last sift."""
    if (upper.value < 0.0).any() or (lower.value > 0.0).any():
        return False
    energy, change, energy_before, deviation = 0.0, 0.0, 0.0, 0.0
    highest, lowest = -np.inf, np.inf
    for i in range(mode.size):
        before = mode[i] + mean[i]
        energy += mode[i] ** 2
        change += mean[i] ** 2
        energy_before += before**2
        deviation += (mean[i] / mode[i]) ** 2
        highest, lowest = max(highest, before), min(lowest, before)
    return energy >= MIN_ENERGY and (
        change / (highest - lowest) < SCALED_VARIANCE_LIMIT
        or change / energy_before < ENERGY_RATIO_LIMIT
        or deviation < STANDARD_DEVIATION_LIMIT
    )


@compiled
def sift(
    mode: Array, n_sifts: int, upper: Envelope, lower: Envelope, mean: Array
) -> tuple[int, bool]:
    """Subtract the mean envelope from `mode` in place until it is an intrinsic mode function.

    `n_sifts` = 0 stops by Huang's criteria, otherwise after that many. Returns the last count of
    extrema and whether too few were left to draw envelopes (the series is then a trend).
    """
    maxima, minima = upper.position[MIRRORED:], lower.position[MIRRORED:]
    n_max, n_min, n_zero = find_extrema(mode, maxima, minima)
    for sifted in range(1, MAX_SIFTS):
        n_extrema = n_max + n_min
        if n_extrema <= 2:
            return n_extrema, True
        above, below = mirror_extrema(mode, upper, n_max, lower, n_min)
        fit_spline(above)
        fit_spline(below)
        subtract_mean(mode, above, below, mean)
        if sifted == n_sifts:
            return n_extrema, False
        n_max, n_min, n_zero = find_extrema(mode, maxima, minima)
        balanced = abs(n_max + n_min - n_zero) < 2
        if n_sifts == 0 and balanced and is_mode(mode, mean, above, below):
            break
    return n_max + n_min, False


@compiled
def decompose(
    x: Array, max_imf: int, n_sifts: int, upper: Envelope, lower: Envelope, mean: Array,
    modes: Array,
) -> int:
    """Write the modes of `x` and its residue, if not zero, into rows of `modes`; count them."""
    rest = x.copy()
    count, n_extrema, finished = 0, -1, False
    while not finished:
        mode = modes[count]
        mode[:] = rest
        n_extrema, finished = sift(mode, n_sifts, upper, lower, mean)
        count += 1
        rest -= mode
        finished |= rest.max() - rest.min() < MIN_RANGE or np.abs(rest).sum() < MIN_ABSOLUTE_SUM
        finished |= count in (max_imf, modes.shape[0] - 1)
    if n_extrema <= 2:
        count -= 1
        rest += modes[count]
    modes[count] = rest
    return count + int((np.abs(rest) > ZERO_RESIDUE).any())


@compiled
def decompose_rows(series: Array, max_imf: int, n_sifts: int, modes: Array, counts: Indices) -> None:
    """Modes and residue of every series (n_series, n_samples) into rows of `modes`; their counts.

    `modes` has shape (n_series, at most, n_samples); the residue comes last, unless it is zero.
    """
    n_samples = series.shape[1]
    upper, lower, mean = make_envelope(n_samples), make_envelope(n_samples), np.empty(n_samples)
    for row in range(series.shape[0]):
        counts[row] = decompose(series[row], max_imf, n_sifts, upper, lower, mean, modes[row])


@compiled
def mean_first_modes(series: Array, noise: Array, n_sifts: int, means: Array) -> None:
    """Mean of the first modes of every series plus and minus each row of `noise`."""
    n_samples = series.shape[1]
    upper, lower, mean = make_envelope(n_samples), make_envelope(n_samples), np.empty(n_samples)
    mode = np.empty(n_samples)
    for row in range(series.shape[0]):
        means[row] = 0.0
        for trial in range(2 * noise.shape[0]):
            sign = 1.0 if trial % 2 == 0 else -1.0
            mode[:] = series[row] + sign * noise[trial // 2]
            sift(mode, n_sifts, upper, lower, mean)
            means[row] += mode
        means[row] /= 2 * noise.shape[0]
