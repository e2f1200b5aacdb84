"""What a synthetic Earth is like; one seed gives the same Earth, bit for bit."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class EarthSettings:
    """Parameters of `make_earth`. Defaults give Australian GNSS series their measured statistics.

    In the sample of 2011 to 2016: scatter about the 31-day mean 3.4 mm, correlated by 0.3 over
    300 km and by 0.1 over 2300 km; standard deviation of the 31-day mean 2.4 mm; |PCC| with daily
    temperature and pressure 0.1 to 0.3.

    Parameters
    ----------
    seed : int
    annual_mm, annual_spread, season_spread_days
        Typical annual amplitude of the water, spread of its logarithm, and of its phase.
    lag_days : float
        Days from the warmest day to the fullest store.
    interannual_mm, interannual_length_km
        Standard deviation and length of slow storage, periods of 1.5 to 7 years.
    storms_per_year, storm_mm, storm_radius_km, storm_recession_days
        Storms a year and million km2, mean water left, radius and e-folding time (least, most).
    droughts_per_year, drought_mm, drought_radius_km, drought_days
        Likewise for droughts; the days are their length.
    weather_coupling : float
        How much a storm lowers pressure and temperature and a drought raises them; at 1 a storm
        of mean size takes 6 hPa and 2 K. The synoptic noise stays.
    synoptic_pressure_pa, synoptic_temperature_k, synoptic_length_km
        Standard deviation and length of weather that leaves no water.
    white_mm, flicker_mm_per_year_quarter
        Station noise; typical over the stations, which differ by a factor of about 1.3.
    common_mode_mm, common_mode_length_km
        Error shared by neighbours, red over a few days.
    rate_mm_per_year : float
        Spread of tectonic rates.
    thermal_mm : float
        Largest annual amplitude of a monument's expansion; half of the stations have less than a
        quarter of it.
    loading_gain : float
        Share of the atmosphere's loading that the loading model has.
    absent_share, gap_share, outlier_share : float
        Days missing at random, stations with a long gap, outlying days.
    steps_per_year : float
        Steps a station and year, all of them in the list of steps.
    """

    seed: int = 1
    annual_mm: float = 45.0
    annual_spread: float = 0.6
    season_spread_days: float = 25.0
    lag_days: float = 55.0
    interannual_mm: float = 25.0
    interannual_length_km: float = 700.0
    storms_per_year: float = 8.0
    storm_mm: float = 60.0
    storm_radius_km: tuple[float, float] = (120.0, 400.0)
    storm_recession_days: tuple[float, float] = (20.0, 90.0)
    droughts_per_year: float = 0.2
    drought_mm: float = 50.0
    drought_radius_km: tuple[float, float] = (300.0, 800.0)
    drought_days: tuple[float, float] = (180.0, 540.0)
    weather_coupling: float = 1.0
    synoptic_pressure_pa: float = 550.0
    synoptic_temperature_k: float = 3.0
    synoptic_length_km: float = 700.0
    white_mm: float = 2.4
    flicker_mm_per_year_quarter: float = 4.4
    common_mode_mm: float = 1.8
    common_mode_length_km: float = 1500.0
    rate_mm_per_year: float = 0.5
    thermal_mm: float = 3.9
    loading_gain: float = 0.95
    absent_share: float = 0.05
    gap_share: float = 0.3
    outlier_share: float = 0.005
    steps_per_year: float = 0.1
