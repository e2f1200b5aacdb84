"""What was parsed of a file, kept on disk: the next process need not decode the file again."""

import json
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from dwlim_ops.archive.cache import Cache

#: Ten years of six files a day, of one version of the code.
KEPT: Final = 20_000
_HEADER: Final = "header"


@dataclass(frozen=True)
class ParsedFiles:
    """Datasets in a cache, under a digest of all that they were parsed from and with."""

    cache: Cache

    def get(self, key: str) -> xr.Dataset | None:
        """What was kept, equal to what was parsed; None if nothing was."""
        arrays = self.cache.get(key)
        return None if arrays is None else from_arrays(arrays)

    def put(self, key: str, parsed: xr.Dataset) -> None:
        """Keep it; as `Cache.put`."""
        self.cache.put(key, to_arrays(parsed))

    def prune(self) -> None:
        """Delete the oldest entries beyond `KEPT`."""
        self.cache.keep_newest(KEPT)


def to_arrays(dataset: xr.Dataset) -> dict[str, NDArray[Any]]:
    """Arrays that hold a dataset whole; attributes must be what JSON can say."""
    variables = [{"name": str(name), "dims": list(one.dims), "attrs": dict(one.attrs)}
                 for name, one in dataset.variables.items()]
    header = {"variables": variables, "coordinates": [str(name) for name in dataset.coords],
              "attrs": dict(dataset.attrs)}
    arrays = {str(number): one.values
              for number, one in enumerate(dataset.variables.values())}
    return {_HEADER: np.array(json.dumps(header)), **arrays}


def from_arrays(arrays: dict[str, NDArray[Any]]) -> xr.Dataset:
    """The dataset of `to_arrays`."""
    header = json.loads(str(arrays[_HEADER]))
    variables = {one["name"]: xr.Variable(one["dims"], arrays[str(number)], one["attrs"])
                 for number, one in enumerate(header["variables"])}
    return xr.Dataset(variables, attrs=header["attrs"]).set_coords(header["coordinates"])
