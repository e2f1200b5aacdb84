"""Hyper-parameters of the space-time filter for a region, from its own training years."""

from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import tomli_w

from dwlim_ops.errors import ConfigError
from dwlim_ops.invert.likelihood import TunedSettings, spread_out, tune
from dwlim_ops.invert.spacetime import SpaceTimeModel, SpaceTimeSettings
from dwlim_ops.reconcile import Known
from dwlim_ops.session import Session
from dwlim_ops.space_time import usable_up_mm

Progress = Callable[[str, int, int], None]


def tune_space_time(session: Session, known: Known, *, first: date, last: date, stride_days: int,
                    n_stations: int, progress: Progress) -> TunedSettings:
    """The most likely settings for every `stride_days`-th day of the years given.

    `n_stations` stations, far from one another, are enough and make a trial cheap.

    Raises
    ------
    ConfigError
        No displacement in the years given.
    """
    checked = known.checked.sel(time=slice(str(first), str(last))).isel(
        time=slice(None, None, stride_days))
    up = usable_up_mm(checked)
    share = np.isfinite(up).mean(axis=0) if up.size else np.zeros(1)
    if not share.any():
        raise ConfigError("no displacement to tune on", where=f"{first} to {last}",
                          got=f"a record from {known.days[0]} to {known.days[-1]}",
                          remedy="give years of the record")
    chosen = spread_out(checked["longitude_deg"].values, checked["latitude_deg"].values, share,
                        n_stations)
    stations = checked.isel(station=chosen)

    def make_model(settings: SpaceTimeSettings) -> SpaceTimeModel:
        return session.space_time_model(stations, settings)[0]

    return tune(make_model, session.config.space_time,
                checked["time"].values.astype("datetime64[D]").astype(int), up[:, chosen],
                stations["up_sigma_mm"].values, progress=progress)


def to_toml(tuned: TunedSettings) -> str:
    """The table `[space_time]` for the configuration."""
    values: dict[str, Any] = {name: float(f"{value:.3g}") if isinstance(value, float) else value
                              for name, value in vars(tuned.settings).items()}
    return tomli_w.dumps({"space_time": values})
