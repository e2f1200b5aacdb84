"""What the stations around a station do: the regional signal, water included."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dwlim_ops.geometry import KM_PER_DEGREE, distance_deg
from dwlim_ops.qc.robust import median_of_nearest

Array = NDArray[np.float64]

#: Weight of a neighbour: 1 / (distance + this).
WEIGHT_DISTANCE_KM: Final = 200.0


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The other stations around each station.

    Parameters
    ----------
    order : ndarray of int (station, k)
        Indices, nearest first, -1 beyond the largest distance.
    weight : ndarray (station, k)
        1 / (distance + 200 km).
    n_nearest, minimum : int
        Neighbours with a value that count at most on a day, and at least.
    """

    order: NDArray[np.int64]
    weight: Array
    n_nearest: int
    minimum: int

    def median(self, values: Array) -> Array:
        """Weighted median of the nearest neighbours of each day, (time, station).

        NaN with too few of them; the neighbours of a day are those with a value on that day, so
        that a station which begins later changes nothing before.
        """
        return median_of_nearest(np.ascontiguousarray(values, dtype=np.float64), self.order,
                                 self.weight, self.n_nearest, self.minimum)


def find_neighbours(longitude_deg: Array, latitude_deg: Array, *, maximum_km: float,
                    n_nearest: int, minimum: int) -> Neighbours:
    """The other stations of each station by distance.

    Parameters
    ----------
    longitude_deg, latitude_deg : ndarray (station,)
    maximum_km : float
        A station further away is no neighbour.
    n_nearest, minimum : int
        See `Neighbours`.
    """
    places = longitude_deg, latitude_deg
    distance_km = distance_deg(*places, *places) * KM_PER_DEGREE
    np.fill_diagonal(distance_km, np.inf)
    order = np.argsort(distance_km, axis=1, kind="stable")[:, :-1]
    distance_km = np.take_along_axis(distance_km, order, axis=1)
    return Neighbours(
        np.where(distance_km <= maximum_km, order, -1).astype(np.int64),
        1.0 / (distance_km + WEIGHT_DISTANCE_KM), n_nearest, minimum)
