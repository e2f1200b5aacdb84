"""Compiled sifting for empirical mode decomposition, with the decisions of PyEMD 1.10.

All of it stands in this one module, because numba's cache notices a change of the calling file
only. No fast-math: the same input gives the same bits alone, in a batch and on any processor.

Huang et al. (1998), Proc. R. Soc. Lond. A 454, 903-995; Rilling, Flandrin and Goncalves (2003),
IEEE-EURASIP Workshop NSIP-03, for the mirrored extrema.
"""

from typing import Final

import numpy as np
from numba import njit

from dwlim_ops.features.workspace import (
    BLOCK,
    MIRRORED,
    Array,
    Envelope,
    Indices,
    Marks,
    Mirror,
    Pair,
    Workspace,
)

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
def find_extrema(x: Array, turns: Marks, extrema: Indices) -> int:
    """Write the positions of the extrema of `x`, maxima and minima in turn; return their number."""
    before, here, after = x[:-2], x[1:-1], x[2:]
    n_flat = int(x[-1] == x[-2])
    for i in range(here.size):
        rise, next_rise = here[i] - before[i], after[i] - here[i]
        turns[i] = (rise < 0.0) != (next_rise < 0.0)
        n_flat += rise == 0.0
    if n_flat > 0:
        return find_extrema_and_plateaus(x, extrema)
    # numba tests every signed index for being negative, here and below: unsigned ones are faster
    n = np.uint64(0)
    for i in range(here.size):
        extrema[n] = i + 1
        n += np.uint64(turns[i])
    return int(n)


@compiled
def find_extrema_and_plateaus(x: Array, extrema: Indices) -> int:
    """Extrema of a series with equal neighbours: flat tops and bottoms count at their middle.

    PyEMD's conventions at the ends: a plateau from sample 0 takes the last difference of the
    series for the one before it; one from sample 1 or up to the end is no extremum.
    """
    last, start, n = x.size - 1, 0, 0
    while start < last:
        stop = start
        while stop < last and x[stop + 1] == x[stop]:
            stop += 1
        if 0 < stop < last and not (start == 1 and stop > start):
            before = x[start] - x[start - 1] if start > 0 else x[last] - x[last - 1]
            after = x[stop + 1] - x[stop]
            if (before > 0.0 and after < 0.0) or (before < 0.0 and after > 0.0):
                extrema[n] = int(np.round((start + stop) / 2.0))
                n += 1
        start = stop + 1
    return n


@compiled
def count_zeros(x: Array) -> int:
    """Number of zero crossings; a run of zeros counts as one."""
    before, here, n = x[:-1], x[1:], int(x[0] == 0.0)
    for i in range(here.size):
        n += (before[i] * here[i] < 0.0) | ((here[i] == 0.0) & (before[i] != 0.0))
    return n


@compiled
def from_end(extrema: Indices, k: int, end: int) -> int:
    """Position of the k-th extremum counted from an end of the series; k = -1 is the end."""
    return end if k < 0 else extrema[k if end == 0 else extrema.size - 1 - k]


@compiled
def mirror_end(x: Array, extrema: Indices, maximum_leads: bool, end: int) -> Mirror:
    """Axis of symmetry at one end; the first extremum of each kind, lead and other, to reflect.

    The lead is the kind nearest to the end. If the end value lies on its side of the first opposite
    extremum, the axis is the first lead extremum, provided that the reflections reach past the
    end; otherwise it is the end itself, which counts as an opposite extremum (-1) when it lies on
    that side.
    """
    nearest, opposite = from_end(extrema, 0, end), x[from_end(extrema, 1, end)]
    if not (x[end] > opposite if maximum_leads else x[end] < opposite):
        return end, 0, -1
    lead_reach = from_end(extrema, 2 * min((extrema.size - 1) // 2, MIRRORED), end)
    other_reach = from_end(extrema, 2 * min(extrema.size // 2, MIRRORED) - 1, end)
    if min(abs(lead_reach - nearest), abs(other_reach - nearest)) < abs(nearest - end):
        return end, 0, 0
    return nearest, 1, 0


@compiled
def place_knots(
    x: Array, extrema: Indices, envelope: Envelope, mirrors: tuple[Mirror, Mirror],
    nearer: tuple[int, int],
) -> int:
    """Place knots at the extrema of one kind and at their reflections; return their number.

    `nearer` is 1 for the ends, left and right, to which an extremum of the other kind is nearer.
    """
    position, value = envelope.position, envelope.value
    axis, first = mirrors[0][0], mirrors[0][1 + nearer[0]]
    n_kind, n = (extrema.size - nearer[0] + 1) // 2, 0
    for k in range(min(first + MIRRORED, n_kind) - 1, first - 1, -1):
        sample = from_end(extrema, 2 * k + nearer[0], 0)
        position[n], value[n] = 2 * axis - sample, x[sample]
        n += 1
    own, own_position, own_value = extrema[nearer[0]:], position[n:], value[n:]
    for i in range(n_kind):
        own_position[i] = own[2 * i]
        own_value[i] = x[np.uint64(own[2 * i])]
    n += n_kind
    axis, first = mirrors[1][0], mirrors[1][1 + nearer[1]]
    for k in range(first, min(first + MIRRORED, n_kind)):
        sample = from_end(extrema, 2 * k + nearer[1], x.size - 1)
        position[n], value[n] = 2 * axis - sample, x[sample]
        n += 1
    return n


@compiled
def make_knots(x: Array, n: int, workspace: Workspace) -> tuple[int, int]:
    """Place the knots of both envelopes of `x`, of which `n` extrema were found; their counts."""
    extrema, upper, lower = workspace.extrema[:n], workspace.upper, workspace.lower
    maximum_first = bool(x[extrema[0]] > x[extrema[1]])
    maximum_last = maximum_first == (n % 2 == 1)
    mirrors = (
        mirror_end(x, extrema, maximum_first, 0),
        mirror_end(x, extrema, maximum_last, x.size - 1),
    )
    return (
        place_knots(x, extrema, upper, mirrors, (int(not maximum_first), int(not maximum_last))),
        place_knots(x, extrema, lower, mirrors, (int(maximum_first), int(maximum_last))),
    )


@compiled
def fit_splines(upper: Envelope, n_upper: int, lower: Envelope, n_lower: int) -> None:
    """Fit cubic splines through the knots of both envelopes.

    From four knots on it is the not-a-knot spline; three, the fewest that there can be, take no
    curvature at the ends. A row of a tridiagonal system waits for the division in the row before
    it, so both systems are eliminated in turn, each from both its ends until they meet: four rows
    take little longer than one.
    """
    steps = min(n_upper, n_lower) // 2
    of_upper, of_lower = open_system(upper, n_upper), open_system(lower, n_lower)
    for step in range(1, steps):
        of_upper = eliminate(upper, n_upper, step, of_upper)
        of_lower = eliminate(lower, n_lower, step, of_lower)
    slopes_of_upper = meet(upper, n_upper, steps, of_upper)
    slopes_of_lower = meet(lower, n_lower, steps, of_lower)
    for step in range(1, steps):
        slopes_of_upper = substitute(upper, n_upper, step, slopes_of_upper)
        slopes_of_lower = substitute(lower, n_lower, step, slopes_of_lower)
    close_system(upper, n_upper, steps, slopes_of_upper)
    close_system(lower, n_lower, steps, slopes_of_lower)


@compiled
def open_system(envelope: Envelope, n: int) -> tuple[Pair, Pair]:
    """Set up the rows of the slopes s[0] .. s[n-1]; the first and the last are ready to be used.

    With widths h and secants d the interior rows are
    h[i] s[i-1] + 2 (h[i-1] + h[i]) s[i] + h[i-1] s[i+1] = 3 (h[i] d[i-1] + h[i-1] d[i]);
    the end rows say that the second knot from the end is no knot (de Boor 1978, ch. IV). A row
    that is ready reads s[i] + ratio[i] s[next] = slope[i].
    """
    position, value = envelope.position[:n], envelope.value[:n]
    h, inverse, d = envelope.width[:n], envelope.inverse_width[:n], envelope.secant[:n]
    ratio, side = envelope.ratio[:n], envelope.slope[:n]
    for i in range(n - 1):
        h[i] = position[i + 1] - position[i]
        inverse[i] = 1.0 / h[i]
        d[i] = (value[i + 1] - value[i]) * inverse[i]
    for i in range(n - 2):
        side[i + 1] = 3.0 * (h[i + 1] * d[i] + h[i] * d[i + 1])
    for end, one, two in ((0, 0, 1), (n - 1, n - 2, n - 3)):
        if n == 3:
            ratio[end], side[end] = 0.5, 1.5 * d[one]
        else:
            both = h[one] + h[two]
            weighted = (2.0 * both + h[one]) * h[two] * d[one] + h[one] * h[one] * d[two]
            ratio[end], side[end] = both * inverse[two], weighted / both * inverse[two]
    return (ratio[0], side[0]), (ratio[n - 1], side[n - 1])


@compiled
def eliminate_row(envelope: Envelope, i: np.uint64, widths: Pair, before: Pair) -> Pair:
    """Make row i ready with the row before it, of some ratio and right side.

    The first of the two widths is the coefficient of the row before, the other that of the next.
    """
    inverse_pivot = 1.0 / (2.0 * (widths[0] + widths[1]) - widths[0] * before[0])
    envelope.slope[i] = (envelope.slope[i] - widths[0] * before[1]) * inverse_pivot
    envelope.ratio[i] = widths[1] * inverse_pivot
    return envelope.ratio[i], envelope.slope[i]


@compiled
def eliminate(envelope: Envelope, n: int, step: int, rows: tuple[Pair, Pair]) -> tuple[Pair, Pair]:
    """Make the rows so many steps from both ends ready with those before them."""
    h, i, j, one = envelope.width, np.uint64(step), np.uint64(n - 1 - step), np.uint64(1)
    return (
        eliminate_row(envelope, i, (h[i], h[i - one]), rows[0]),
        eliminate_row(envelope, j, (h[j - one], h[j]), rows[1]),
    )


@compiled
def meet(envelope: Envelope, n: int, steps: int, rows: tuple[Pair, Pair]) -> Pair:
    """Eliminate the rows that are left from some step on, and solve the two in the middle."""
    for step in range(steps, n // 2):
        rows = eliminate(envelope, n, step, rows)
    below, (ratio, side) = rows
    i, one = np.uint64((n - 1) // 2), np.uint64(1)
    if n % 2 == 1:
        below = eliminate_row(envelope, i, (envelope.width[i], envelope.width[i - one]), below)
    scale = 1.0 / (1.0 - below[0] * ratio)
    slopes = (below[1] - below[0] * side) * scale, (side - ratio * below[1]) * scale
    envelope.slope[i], envelope.slope[i + one] = slopes
    return slopes


@compiled
def substitute(envelope: Envelope, n: int, step: int, slopes: Pair) -> Pair:
    """Slopes so many steps below and above the two in the middle."""
    ratio, slope = envelope.ratio, envelope.slope
    i, j = np.uint64((n - 1) // 2 - step), np.uint64((n + 1) // 2 + step)
    slope[i] -= ratio[i] * slopes[0]
    slope[j] -= ratio[j] * slopes[1]
    return slope[i], slope[j]


@compiled
def close_system(envelope: Envelope, n: int, steps: int, slopes: Pair) -> None:
    """Substitute what is left from some step on; write the pieces and their first samples."""
    for step in range(steps, n // 2):
        slopes = substitute(envelope, n, step, slopes)
    s, inverse, d = envelope.slope[:n], envelope.inverse_width[:n], envelope.secant[:n]
    if n % 2 == 1:
        s[0] -= envelope.ratio[0] * s[1]
    value, second, third = envelope.value[:n], envelope.second[:n], envelope.third[:n]
    one, two, three = envelope.after[0, :n], envelope.after[1, :n], envelope.after[2, :n]
    for i in range(n - 1):
        c3 = (s[i] + s[i + 1] - 2.0 * d[i]) * inverse[i]
        c2 = (d[i] - s[i]) * inverse[i] - c3
        c3 *= inverse[i]
        second[i], third[i] = c2, c3
        one[i] = value[i] + (s[i] + (c2 + c3))
        two[i] = value[i] + 2.0 * (s[i] + 2.0 * (c2 + 2.0 * c3))
        three[i] = value[i] + 3.0 * (s[i] + 3.0 * (c2 + 3.0 * c3))


@compiled
def draw(envelope: Envelope, n: int) -> None:
    """Evaluate the spline through `n` knots at every sample.

    From each knot in the series a block is written, past the next knot if that is nearer: its own
    block overwrites the rest. Most knots lie 2 to 4 samples apart where the time is spent, and
    asking how far costs more than writing.
    """
    curve, position, after = envelope.curve, envelope.position, envelope.after
    n_samples, value = curve.size - BLOCK, envelope.value
    first = np.uint64(np.searchsorted(position[1 : n - 1], 0.0, side="right"))
    last = np.uint64(np.searchsorted(position[1 : n - 1], n_samples))
    i, one = np.uint64(0), np.uint64(1)
    for k in range(first, last + one):
        end = np.uint64(position[k + one] if k < last else n_samples)
        done = i
        if k > first:
            curve[i], curve[i + one] = value[k], after[0, k]
            curve[i + np.uint64(2)], curve[i + np.uint64(3)] = after[1, k], after[2, k]
            done += np.uint64(BLOCK)
        u = float(done) - position[k]
        while done < end:
            for _ in range(BLOCK):
                higher = envelope.slope[k] + u * (envelope.second[k] + u * envelope.third[k])
                curve[done] = value[k] + u * higher
                u += 1.0
                done += one
        i = end


@compiled
def subtract_mean(mode: Array, n_upper: int, n_lower: int, workspace: Workspace) -> None:
    """Subtract the mean of both envelopes, of so many knots, from `mode` in place."""
    draw(workspace.upper, n_upper)
    draw(workspace.lower, n_lower)
    high, low = workspace.upper.curve, workspace.lower.curve
    for i in range(mode.size):
        mode[i] -= 0.5 * (high[i] + low[i])


@compiled
def is_mode(mode: Array, n_upper: int, n_lower: int, workspace: Workspace) -> bool:
    """Huang's criteria: maxima above, minima below zero, and a small change by the last sift."""
    upper, lower, n = workspace.upper, workspace.lower, mode.size
    if upper.value[:n_upper].min() < 0.0 or lower.value[:n_lower].max() > 0.0:
        return False
    mean = 0.5 * (upper.curve[:n] + lower.curve[:n])
    before = mode + mean
    change = np.sum(mean**2)
    small = (
        change < ENERGY_RATIO_LIMIT * np.sum(before**2)
        or change < SCALED_VARIANCE_LIMIT * (before.max() - before.min())
        or np.sum((mean / mode) ** 2) < STANDARD_DEVIATION_LIMIT
    )
    return bool(small and np.sum(mode**2) >= MIN_ENERGY)


@compiled
def sift(mode: Array, n_sifts: int, workspace: Workspace) -> tuple[int, bool]:
    """Subtract the mean envelope from `mode` in place until it is an intrinsic mode function.

    `n_sifts` = 0 stops by Huang's criteria, otherwise after that many. Returns the last count of
    extrema and whether too few were left to draw envelopes (the series is then a trend).
    """
    turns, extrema = workspace.turns, workspace.extrema
    n_extrema = find_extrema(mode, turns, extrema)
    for sifted in range(1, MAX_SIFTS):
        if n_extrema <= 2:
            return n_extrema, True
        n_upper, n_lower = make_knots(mode, n_extrema, workspace)
        fit_splines(workspace.upper, n_upper, workspace.lower, n_lower)
        subtract_mean(mode, n_upper, n_lower, workspace)
        if sifted == n_sifts:
            return n_extrema, False
        n_extrema = find_extrema(mode, turns, extrema)
        balanced = n_sifts == 0 and abs(n_extrema - count_zeros(mode)) < 2
        if balanced and is_mode(mode, n_upper, n_lower, workspace):
            break
    return n_extrema, False


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
def sum_first_modes(
    x: Array, noise: Array, n_sifts: int, workspace: Workspace, rows: tuple[Array, Array]
) -> None:
    """Write the sum of the first modes of `x` plus and minus each row of `noise` into one row.

    The second of the `rows` is overwritten.
    """
    total, mode = rows
    total[:] = 0.0
    for pair in noise:
        for sign in (1.0, -1.0):
            mode[:] = x + sign * pair
            sift(mode, n_sifts, workspace)
            total += mode
