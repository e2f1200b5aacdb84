"""A whole synthetic Earth: what GNSS stations, weather centres and loading services would give."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dwlim_ops.synthetic.nature import Nature
from dwlim_ops.synthetic.noise import Disturbance, disturb, thermal_expansion_mm
from dwlim_ops.synthetic.patterns import random_waves, red_noise

Array = NDArray[np.float64]

#: Pressure of one millimetre of water, Pa.
PA_PER_MM_WATER = 9.80665
OCEAN_LOADING_MM, OCEAN_LENGTH_KM, OCEAN_MEMORY, N_OCEAN_WAVES = 0.3, 2000.0, 0.9, 20


@dataclass(frozen=True, eq=False)
class Stations:
    """Names and places of stations, each (n_stations,); heights in metres."""

    name: tuple[str, ...]
    longitude_deg: Array
    latitude_deg: Array
    height_m: Array


@dataclass(frozen=True, eq=False)
class Loading:
    """Displacement by atmosphere and ocean, up, mm, (n_days, n_stations) each."""

    ntal_up_mm: Array
    ntol_up_mm: Array


@dataclass(frozen=True, eq=False)
class Earth:
    """A synthetic Earth as its stations feel it; arrays are (n_days, n_stations), mm.

    Attributes
    ----------
    hydrological_mm
        By the water of `nature`, through the forward model.
    loading
        By the atmosphere of `nature` and the ocean, as it truly is.
    modelled_loading
        The same as a loading service says it is.
    thermal_mm
        Expansion of the monuments; not in `observed_mm` unless it was asked for.
    observed_mm
        What a provider of series would give on the days that are not `disturbance.absent`.
    """

    nature: Nature
    stations: Stations
    hydrological_mm: Array
    loading: Loading
    modelled_loading: Loading
    thermal_mm: Array
    disturbance: Disturbance
    observed_mm: Array


def make_earth(nature: Nature, stations: Stations, *, water_response_mm: Array,
               pressure_pa: Array, pressure_response: Array, thermal: bool) -> Earth:
    """Displacement of stations on a synthetic Earth.

    Parameters
    ----------
    nature : Nature
    stations : Stations
    water_response_mm : array (n_patterns, n_stations)
        Up displacement by each pattern of `nature.water_patterns`, from the forward model.
    pressure_pa : array (n_days, n_cells)
        Pressure over the land, on cells of any size.
    pressure_response : array (n_stations, n_cells)
        Up displacement by a unit load on each of these cells, mm per mm of water.
    thermal : bool
        Whether the observed series hold the expansion of the monuments.
    """
    settings, place = nature.settings, (stations.longitude_deg, stations.latitude_deg)
    of_ocean, of_thermal = (np.random.default_rng([settings.seed, part]) for part in (20, 21))
    hydrological = nature.water_series_mm @ water_response_mm
    anomaly = (pressure_pa - pressure_pa.mean(axis=0)) / PA_PER_MM_WATER
    n_days = nature.day.size
    waves = random_waves(of_ocean, length_km=OCEAN_LENGTH_KM, n_waves=N_OCEAN_WAVES)
    ocean = OCEAN_LOADING_MM * (
        red_noise(of_ocean, n_days, N_OCEAN_WAVES, memory=OCEAN_MEMORY) @ waves.at(*place))
    loading = Loading(anomaly @ pressure_response.T, ocean)
    modelled = Loading(settings.loading_gain * loading.ntal_up_mm, ocean)
    expansion = thermal_expansion_mm(of_thermal, nature.weather(*place)[0], settings.thermal_mm)
    disturbance = disturb(nature.day, *place, settings)
    observed = (hydrological + loading.ntal_up_mm + loading.ntol_up_mm + disturbance.error_mm
                + (expansion if thermal else 0.0))
    return Earth(nature, stations, hydrological, loading, modelled, expansion, disturbance,
                 observed)
