"""Load Love numbers of the PREM Earth, in the frame that the displacements are given in."""

import gzip
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from dwlim_ops.errors import ContractError

Array = NDArray[np.float64]
Frame = Literal["ce", "cf", "cm"]

#: Radial response to a uniform load (compression of the whole Earth), PREM.
H_DEGREE_ZERO: Final = -0.13273
_TABLE: Final = "prem_load_love_numbers.csv.gz"


@dataclass(frozen=True, eq=False)
class LoveNumbers:
    """Radial load Love numbers `h[n]`, n = 0 to 5000; every later degree takes the last value."""

    frame: Frame
    h: Array

    @property
    def h_asymptotic(self) -> float:
        """The value of every degree beyond the table."""
        return float(self.h[-1])


@lru_cache
def load_love_numbers(frame: Frame = "cf") -> LoveNumbers:
    """Radial load Love numbers of PREM (Wang et al. 2012) in a declared frame.

    Parameters
    ----------
    frame : {"cf", "ce", "cm"}
        Origin: centre of the outer surface's figure, centre of the solid Earth, or centre of mass
        of Earth and load. Only degree 1 differs (Blewitt 2003): with the table's h_1, l_1 (CE),
        CF has 2 (h_1 - l_1) / 3 and CM has h_1 - 1.

    Raises
    ------
    ContractError
        Unknown frame.

    Examples
    --------
    >>> [round(float(load_love_numbers(frame).h[1]), 4) for frame in ("ce", "cf", "cm")]
    [-0.2857, -0.2595, -1.2857]
    """
    packed = (files("dwlim_ops.invert") / "data" / _TABLE).read_bytes()
    lines = gzip.decompress(packed).decode("ascii").splitlines()
    _, radial, lateral, _ = np.loadtxt(lines, delimiter=",", skiprows=1, unpack=True)
    degree_one = {
        "ce": radial[0],
        "cf": 2.0 / 3.0 * (radial[0] - lateral[0]),
        "cm": radial[0] - 1.0,
    }
    if frame not in degree_one:
        raise ContractError(
            "unknown frame", where="load_love_numbers", expected="ce, cf or cm", got=repr(frame)
        )
    h = np.concatenate([[H_DEGREE_ZERO, degree_one[frame]], radial[1:]])
    h.flags.writeable = False
    return LoveNumbers(frame, h)
