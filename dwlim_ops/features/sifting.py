"""Compiled sifting for empirical mode decomposition, with the decisions of PyEMD 1.10.

Everything compiled by numba stands in this one module, because numba's cache notices a change of
the calling file only. No fast-math: the same input gives the same bits alone and in a batch.

Huang et al. (1998), Proc. R. Soc. Lond. A 454, 903-995; Rilling, Flandrin and Goncalves (2003),
IEEE-EURASIP Workshop NSIP-03, for the mirrored extrema.
"""

from typing import Final

import numpy as np
from numba import njit

from dwlim_ops.features.workspace import Array, Envelope, Indices, Workspace

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


@compiled
def make_envelope(n_samples: int) -> Envelope:
    """Empty workspace of one envelope."""
    n = n_samples + 2 * MIRRORED
    return Envelope(
        np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n), np.empty(n), np.empty(n),
        np.empty(n), np.empty(n), np.empty(n), np.empty((n, 5)), np.empty(n_samples, np.uint8),
    )


@compiled
def make_workspace(n_samples: int) -> Workspace:
    """Empty workspace for series of `n_samples`."""
    return Workspace(make_envelope(n_samples), make_envelope(n_samples), np.empty(n_samples))


@compiled
def find_extrema(x: Array, maxima: Indices, minima: Indices) -> tuple[int, int, int]:
    """Write the positions of the extrema of `x`; return their counts and that of the zeros.

    A run of zeros counts as one zero, a plateau as one extremum at its middle.
    """
    n_max, n_min, n_zero, flat = 0, 0, int(x[0] == 0.0), False
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
def from_end(extrema: Indices, k: int, end: int) -> int:
    """Position of the k-th extremum counted from an end of the series; k = -1 is the end."""
    return end if k < 0 else extrema[k if end == 0 else extrema.size - 1 - k]


@compiled
def mirror_end(x: Array, maxima: Indices, minima: Indices, end: int) -> tuple[int, int, int]:
    """Axis of symmetry at one end; the maxima and minima (`from_end`) that are reflected first.

    The lead is the kind of extremum nearest to the end. If the end value lies on its side of the
    first opposite extremum, the axis is the first lead extremum, provided that the reflections
    reach past the end; otherwise it is the end itself, which counts as an opposite extremum when
    it lies on that side.
    """
    maximum_leads = abs(from_end(maxima, 0, end) - end) < abs(from_end(minima, 0, end) - end)
    lead, other = (maxima, minima) if maximum_leads else (minima, maxima)
    axis, first_lead, first_other = end, 0, 0
    opposite = x[from_end(other, 0, end)]
    if not (x[end] > opposite if maximum_leads else x[end] < opposite):
        first_other = -1
    elif lead.size > 1:
        nearest = from_end(lead, 0, end)
        lead_reach = from_end(lead, min(lead.size - 1, MIRRORED), end)
        other_reach = from_end(other, min(other.size, MIRRORED) - 1, end)
        if min(abs(lead_reach - nearest), abs(other_reach - nearest)) >= abs(nearest - end):
            axis, first_lead = nearest, 1
    return (axis, first_lead, first_other) if maximum_leads else (axis, first_other, first_lead)


@compiled
def place_knots(
    x: Array, envelope: Envelope, n_extrema: int, left: tuple[int, int], right: tuple[int, int]
) -> int:
    """Place knots at the extrema and at reflections given by axis and first extremum; count."""
    extrema, n, last = envelope.extrema[:n_extrema], 0, x.size - 1
    axis, first = left
    for k in range(min(first + MIRRORED, n_extrema) - 1, first - 1, -1):
        sample = from_end(extrema, k, 0)
        n = add_knot(envelope, n, 2 * axis - sample, x[sample])
    for sample in extrema:
        n = add_knot(envelope, n, sample, x[sample])
    axis, first = right
    for k in range(first, min(first + MIRRORED, n_extrema)):
        sample = from_end(extrema, k, last)
        n = add_knot(envelope, n, 2 * axis - sample, x[sample])
    return n


@compiled
def add_knot(envelope: Envelope, n: int, position: int, value: float) -> int:
    """Append a knot unless it repeats the last one; return the new number of knots."""
    if n > 0 and envelope.position[n - 1] == position:
        return n
    envelope.position[n], envelope.value[n] = position, value
    return n + 1


@compiled
def make_knots(x: Array, n_max: int, n_min: int, workspace: Workspace) -> tuple[int, int]:
    """Place the knots of both envelopes of `x`, whose extrema have been found; their counts."""
    upper, lower = workspace.upper, workspace.lower
    maxima, minima = upper.extrema[:n_max], lower.extrema[:n_min]
    left, left_max, left_min = mirror_end(x, maxima, minima, 0)
    right, right_max, right_min = mirror_end(x, maxima, minima, x.size - 1)
    return (
        place_knots(x, upper, n_max, (left, left_max), (right, right_max)),
        place_knots(x, lower, n_min, (left, left_min), (right, right_min)),
    )


@compiled
def fit_splines(upper: Envelope, n_upper: int, lower: Envelope, n_lower: int) -> None:
    """Fit cubic splines through the knots of both envelopes, and write their pieces.

    From four knots on it is the not-a-knot spline; three take no curvature at the ends, two a
    straight line. Each row of a tridiagonal system waits for the division in the row before, so
    that eliminating the rows of both systems in turn takes little longer than those of one.
    """
    row_of_upper, row_of_lower = open_system(upper, n_upper), open_system(lower, n_lower)
    for i in range(2, max(n_upper, n_lower) - 1):
        if i < n_upper - 1:
            row_of_upper = eliminate(upper, n_upper, i, row_of_upper)
        if i < n_lower - 1:
            row_of_lower = eliminate(lower, n_lower, i, row_of_lower)
    close_system(upper, n_upper)
    close_system(lower, n_lower)


@compiled
def open_system(envelope: Envelope, n: int) -> tuple[float, float]:
    """Set up the rows of the slopes s[1] .. s[n-2]; right side and inverse pivot of the first.

    With widths h and secants d the interior rows are
    h[i] s[i-1] + 2 (h[i-1] + h[i]) s[i] + h[i-1] s[i+1] = 3 (h[i] d[i-1] + h[i-1] d[i]).
    The not-a-knot rows of both ends are subtracted from their neighbours, which leaves a
    diagonally dominant system (de Boor 1978, ch. IV).
    """
    position, value, s = envelope.position[:n], envelope.value[:n], envelope.slope[:n]
    h, inverse, d = envelope.width[:n], envelope.inverse_width[:n], envelope.secant[:n]
    for i in range(n - 1):
        h[i] = position[i + 1] - position[i]
        inverse[i] = 1.0 / h[i]
        d[i] = (value[i + 1] - value[i]) * inverse[i]
    if n == 2:
        s[:] = d[0]
        return 0.0, 0.0
    if n == 3:
        s[1] = (h[1] * d[0] + h[0] * d[1]) / (h[0] + h[1])
        s[0], s[2] = 1.5 * d[0] - 0.5 * s[1], 1.5 * d[1] - 0.5 * s[1]
        return 0.0, 0.0
    for i in range(1, n - 1):
        s[i] = 3.0 * (h[i] * d[i - 1] + h[i - 1] * d[i])
    s[0] = not_a_knot_side(h[0], h[1], d[0], d[1])
    s[n - 1] = not_a_knot_side(h[n - 2], h[n - 3], d[n - 2], d[n - 3])
    s[1] -= s[0]
    s[n - 2] -= s[n - 1]
    envelope.inverse_pivot[1] = 1.0 / (h[0] + h[1])
    return s[1], envelope.inverse_pivot[1]


@compiled
def eliminate(
    envelope: Envelope, n: int, i: int, before: tuple[float, float]
) -> tuple[float, float]:
    """Eliminate s[i-1] from row i; its right side and inverse pivot."""
    h, (side, inverse) = envelope.width, before
    diagonal = 2.0 * (h[i - 1] + h[i]) if i < n - 2 else h[i - 1] + h[i]
    side = envelope.slope[i] - h[i] * inverse * side
    inverse = 1.0 / (diagonal - h[i] * h[i - 2] * inverse)
    envelope.slope[i], envelope.inverse_pivot[i] = side, inverse
    return side, inverse


@compiled
def close_system(envelope: Envelope, n: int) -> None:
    """Substitute back, and write the pieces."""
    h, inverse, d = envelope.width[:n], envelope.inverse_width[:n], envelope.secant[:n]
    s, inverse_pivot, pieces = envelope.slope[:n], envelope.inverse_pivot[:n], envelope.pieces[:n]
    if n > 3:
        slope = 0.0
        for i in range(n - 2, 0, -1):
            slope = s[i] * inverse_pivot[i] - h[i - 1] * inverse_pivot[i] * slope
            s[i] = slope
        s[0] = (s[0] - (h[0] + h[1]) * s[1]) * inverse[1]
        s[n - 1] = (s[n - 1] - (h[n - 3] + h[n - 2]) * s[n - 2]) * inverse[n - 3]
    for i in range(n):
        pieces[i, 0], pieces[i, 1], pieces[i, 2] = envelope.position[i], envelope.value[i], s[i]
    for i in range(n - 1):
        bend = (s[i] + s[i + 1] - 2.0 * d[i]) * inverse[i]
        pieces[i, 3], pieces[i, 4] = (d[i] - s[i]) * inverse[i] - bend, bend * inverse[i]
    pieces[n - 1, 3:] = 0.0


@compiled
def not_a_knot_side(h0: float, h1: float, d0: float, d1: float) -> float:
    """Right side of the end row h1 s[0] + (h0 + h1) s[1], by which the second knot is no knot."""
    return ((3.0 * h0 + 2.0 * h1) * h1 * d0 + h0 * h0 * d1) / (h0 + h1)


@compiled
def mark_pieces(envelope: Envelope, n: int) -> int:
    """Mark the samples after the first at which a piece begins; return the piece of the first."""
    envelope.begins[:] = 0
    piece = 0
    for k in range(1, n):
        begin = envelope.position[k]
        if begin <= 0:
            piece = k
        elif begin < envelope.begins.size:
            envelope.begins[begin] = 1
    return piece


@compiled
def evaluate(pieces: Array, piece: np.uint64, sample: int) -> float:
    """Value of one piece of a spline at a sample of the series."""
    u = sample - pieces[piece, 0]
    slope = pieces[piece, 2] + u * (pieces[piece, 3] + u * pieces[piece, 4])
    return pieces[piece, 1] + u * slope


@compiled
def subtract_mean(mode: Array, n_upper: int, n_lower: int, workspace: Workspace) -> None:
    """Subtract the mean of both envelopes, of so many knots, from `mode` in place."""
    upper, lower, mean = workspace.upper, workspace.lower, workspace.mean
    # numba tests every signed index for being negative: unsigned ones take half the time
    above, below = np.uint64(mark_pieces(upper, n_upper)), np.uint64(mark_pieces(lower, n_lower))
    for i in range(mode.size):
        above += np.uint64(upper.begins[i])
        below += np.uint64(lower.begins[i])
        high, low = evaluate(upper.pieces, above, i), evaluate(lower.pieces, below, i)
        mean[i] = 0.5 * (high + low)
        mode[i] -= mean[i]


@compiled
def is_mode(mode: Array, n_upper: int, n_lower: int, workspace: Workspace) -> bool:
    """Huang's criteria: maxima above, minima below zero, and a small change by the last sift."""
    maxima, minima = workspace.upper.value[:n_upper], workspace.lower.value[:n_lower]
    if (maxima < 0.0).any() or (minima > 0.0).any():
        return False
    mean = workspace.mean
    change, energy_before = 0.0, 0.0
    for i in range(mode.size):
        change += mean[i] ** 2
        energy_before += (mode[i] + mean[i]) ** 2
    small = change < ENERGY_RATIO_LIMIT * energy_before
    if not small:
        before = mode + mean
        small = change < SCALED_VARIANCE_LIMIT * (before.max() - before.min())
        small |= np.sum((mean / mode) ** 2) < STANDARD_DEVIATION_LIMIT
    return small and bool(np.sum(mode**2) >= MIN_ENERGY)


@compiled
def sift(mode: Array, n_sifts: int, workspace: Workspace) -> tuple[int, bool]:
    """Subtract the mean envelope from `mode` in place until it is an intrinsic mode function.

    `n_sifts` = 0 stops by Huang's criteria, otherwise after that many. Returns the last count of
    extrema and whether too few were left to draw envelopes (the series is then a trend).
    """
    maxima, minima = workspace.upper.extrema, workspace.lower.extrema
    n_max, n_min, n_zero = find_extrema(mode, maxima, minima)
    for sifted in range(1, MAX_SIFTS):
        n_extrema = n_max + n_min
        if n_extrema <= 2:
            return n_extrema, True
        n_upper, n_lower = make_knots(mode, n_max, n_min, workspace)
        fit_splines(workspace.upper, n_upper, workspace.lower, n_lower)
        subtract_mean(mode, n_upper, n_lower, workspace)
        if sifted == n_sifts:
            return n_extrema, False
        n_max, n_min, n_zero = find_extrema(mode, maxima, minima)
        balanced = abs(n_max + n_min - n_zero) < 2
        if n_sifts == 0 and balanced and is_mode(mode, n_upper, n_lower, workspace):
            break
    return n_max + n_min, False


@compiled
def decompose(x: Array, max_modes: int, n_sifts: int, workspace: Workspace, modes: Array) -> int:
    """Write the modes of `x` and its residue, if not zero, into rows of `modes`; count them."""
    rest = x.copy()
    count, n_extrema, finished = 0, -1, False
    while not finished:
        mode = modes[count]
        mode[:] = rest
        n_extrema, finished = sift(mode, n_sifts, workspace)
        count += 1
        rest -= mode
        finished |= rest.max() - rest.min() < MIN_RANGE or np.abs(rest).sum() < MIN_ABSOLUTE_SUM
        finished |= count in (max_modes, modes.shape[0] - 1)
    if n_extrema <= 2:
        count -= 1
        rest += modes[count]
    modes[count] = rest
    return count + int((np.abs(rest) > ZERO_RESIDUE).any())


@compiled
def decompose_rows(x: Array, max_modes: int, n_sifts: int, modes: Array, counts: Indices) -> None:
    """Write modes and residue of every row of `x` into `modes` (n_rows, at most, n_samples)."""
    workspace = make_workspace(x.shape[1])
    for row in range(x.shape[0]):
        counts[row] = decompose(x[row], max_modes, n_sifts, workspace, modes[row])


@compiled
def mean_first_modes(x: Array, noise: Array, n_sifts: int, means: Array) -> None:
    """Write the mean of the first modes of every row of `x` plus and minus each row of `noise`."""
    workspace, mode = make_workspace(x.shape[1]), np.empty(x.shape[1])
    for row in range(x.shape[0]):
        means[row] = 0.0
        for trial in range(2 * noise.shape[0]):
            sign = 1.0 if trial % 2 == 0 else -1.0
            mode[:] = x[row] + sign * noise[trial // 2]
            sift(mode, n_sifts, workspace)
            means[row] += mode
        means[row] /= 2 * noise.shape[0]
