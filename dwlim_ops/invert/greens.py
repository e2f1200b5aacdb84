"""Vertical displacement by a disk of water on a spherical elastic Earth.

u(theta) = K H sum_{n>=0} h_n Gamma_n / (2n + 1) P_n(cos theta),   K = 4 pi G R rho_w / g,
Gamma_0 = (1 - cos a) / 2,   Gamma_n = (P_{n-1}(cos a) - P_{n+1}(cos a)) / 2
for a disk of angular radius a and water height H, theta the distance from its centre
(Farrell 1972; Bevis et al. 2016, doi:10.1002/2016JB012844).

The series converges too slowly to be cut. With h_n = h_inf beyond the table's last degree N, it
is split (Kummer) into h_inf times the sum of all degrees, which is an elliptic integral, and a
smooth remainder sum_{n<=N} (h_n - h_inf) ..., which is finite. So the sum is exact.
"""

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ellipkm1, elliprj

from dwlim_ops.errors import ContractError
from dwlim_ops.geometry import EARTH_RADIUS_KM
from dwlim_ops.invert.love import Frame, LoveNumbers, load_love_numbers

Array = NDArray[np.float64]

GRAVITATIONAL_CONSTANT: Final = 6.674e-11
GRAVITY_M_S2: Final = 9.82
WATER_DENSITY_KG_M3: Final = 1000.0
#: K of the module's formula: a length per length of water, hence dimensionless.
LOAD_FACTOR: Final = (
    4.0 * np.pi * GRAVITATIONAL_CONSTANT * EARTH_RADIUS_KM * 1e3 * WATER_DENSITY_KG_M3
    / GRAVITY_M_S2
)
_NODES_PER_BLOCK: Final = 512


def disk_displacement_mm(
    distance_deg: ArrayLike, radius_deg: ArrayLike, *, frame: Frame = "ce"
) -> Array:
    """Up displacement, mm, by one metre of water on a disk.

    Parameters
    ----------
    distance_deg : array_like
        Distance from the centre of the disk, 0 to 180 degrees.
    radius_deg : array_like
        Angular radius of the disk, over 0 to 180 degrees; broadcast against `distance_deg`.
    frame : {"ce", "cf", "cm"}
        Frame of the displacement, see `load_love_numbers`.

    Returns
    -------
    numpy.ndarray
        Negative near the load, in the broadcast shape.

    Raises
    ------
    ContractError
        A distance or radius out of range.

    Examples
    --------
    >>> disk_displacement_mm([0.0, 1.0], 0.28).round(3).tolist()
    [-4.568, -0.357]
    """
    distance, radius = np.broadcast_arrays(
        np.asarray(distance_deg, float), np.asarray(radius_deg, float)
    )
    in_range = (distance >= 0) & (distance <= 180) & (radius > 0) & (radius <= 180)
    if not in_range.all():
        raise ContractError(
            "distance or radius out of range", where="disk_displacement_mm",
            expected="distance in [0, 180] and radius in (0, 180] degrees",
            got=f"{distance[~in_range].flat[0]:g}, {radius[~in_range].flat[0]:g}",
        )
    love = load_love_numbers(frame)
    displacement = np.empty(distance.shape)
    for value in np.unique(radius):
        chosen = radius == value
        theta, disk = np.radians(distance[chosen]), np.radians(np.array([value]))
        displacement[chosen] = smooth_part(theta, disk, love)[0] + uniform_part(theta, value, love)
    return 1000.0 * displacement


def smooth_part(theta: Array, disk_radius: Array, love: LoveNumbers) -> Array:
    """Remainder of the split: degrees 0 to N with h_n - h_inf; radians; shape (disks, points).

    Dimensionless (metres of up per metre of water), without any feature finer than 1/N.
    """
    last = love.h.size - 1
    edge_steps = _legendre_steps(disk_radius, last + 1)
    gamma = -0.5 * (edge_steps[:-1] + edge_steps[1:])
    gamma[0] = np.sin(disk_radius / 2.0) ** 2
    degree = np.arange(last + 1.0)
    weight = LOAD_FACTOR * (love.h - love.h_asymptotic) / (2.0 * degree + 1.0)
    coefficients = (weight[:, None] * gamma).T
    out = np.empty((disk_radius.size, theta.size))
    for start in range(0, theta.size, _NODES_PER_BLOCK):
        block = slice(start, start + _NODES_PER_BLOCK)
        legendre = np.cumsum(_legendre_steps(theta[block], last), axis=0)
        out[:, block] = coefficients @ legendre
    return out


def uniform_part(theta: Array, disk_radius_deg: float, love: LoveNumbers) -> Array:
    """Main part of the split: h_inf times the sum over all degrees; theta in radians.

    sum_n Gamma_n / (2n + 1) P_n(cos theta) is the mean over the unit sphere of 1 / chord, taken
    over the disk only. Around the edge it becomes, with K and R_J the complete elliptic integral
    of the first kind and Carlson's integral,
    sin a / pi [K(m) / c - d sin theta / (3 s c^3) R_J(0, 1 - m, 1, d^2 / c^2)],
    s, c = sin, cos of (theta + a) / 2, d = cos((theta - a) / 2),
    1 - m = sin^2((theta - a) / 2) / s^2; plus 1 where the disk covers the antipode of the point.
    """
    a = np.radians(disk_radius_deg)
    to_antipode = theta + a - np.pi
    # opposite the edge both terms grow without bound and cancel; the sum itself is smooth there
    theta = np.where(np.abs(to_antipode) < 1e-6, np.pi - a + 1e-6, theta)
    half_sum, half_difference = (theta + a) / 2.0, (theta - a) / 2.0
    s, c, d = np.sin(half_sum), np.cos(half_sum), np.cos(half_difference)
    complement = np.maximum((np.sin(half_difference) / s) ** 2, 1e-30)
    third_kind = elliprj(0.0, complement, 1.0, (d / c) ** 2)
    total = np.sin(a) / np.pi * (
        ellipkm1(complement) / c - d * np.sin(theta) / (3.0 * s * c**3) * third_kind
    )
    return LOAD_FACTOR * love.h_asymptotic * (total + (half_sum > np.pi / 2.0))


def _legendre_steps(theta: Array, last_degree: int) -> Array:
    """P_n - P_{n-1} at cos(theta), n = 0 to `last_degree`, P_{-1} = 0; shape (degrees, points).

    Recurrence in differences, which keeps full precision at small angles:
    (n + 1) D_{n+1} = n D_n - 2 (2n + 1) sin^2(theta / 2) P_n.
    """
    versine = 2.0 * np.sin(theta / 2.0) ** 2
    steps = np.empty((last_degree + 1, theta.size))
    steps[0] = 1.0
    step, legendre = np.zeros(theta.size), np.ones(theta.size)
    for n in range(last_degree):
        step = (n * step - (2 * n + 1) * versine * legendre) / (n + 1)
        legendre = legendre + step
        steps[n + 1] = step
    return steps
