"""A small made-up Earth with a clock: its stations, its fields, and what is out by now."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tests.replicas import fields
from tests.replicas.fields import Array, Times


@dataclass(frozen=True)
class Box:
    """Degrees; longitudes in [-180, 180)."""

    west: float
    south: float
    east: float
    north: float

    def widened(self, margin_deg: float) -> "Box":
        """The same box with a margin, within the Earth."""
        return Box(max(self.west - margin_deg, -180.0), max(self.south - margin_deg, -60.0),
                   min(self.east + margin_deg, 180.0), min(self.north + margin_deg, 90.0))

    def axes(self, step_deg: float, first_deg: float = 0.0) -> tuple[Array, Array]:
        """Longitudes and latitudes, ascending, of the nodes first + k step in the box."""
        return tuple(  # type: ignore[return-value]
            first_deg + step_deg * np.arange(np.ceil((low - first_deg) / step_deg - 1e-9),
                                             np.floor((high - first_deg) / step_deg + 1e-9) + 1)
            for low, high in ((self.west, self.east), (self.south, self.north)))


#: Names for `--region-like`; "toyland" is the region of `tests/synthetic.py`.
REGIONS: Final = {
    "toyland": Box(10.0, 40.0, 22.0, 50.0), "australia": Box(113.0, -44.0, 154.0, -10.0),
    "china": Box(73.0, 18.0, 135.0, 54.0), "yunnan": Box(97.0, 21.0, 107.0, 30.0),
}


@dataclass(frozen=True)
class Station:
    """A GNSS station."""

    name: str
    longitude_deg: float
    latitude_deg: float
    height_m: float


@dataclass(frozen=True)
class Series:
    """Daily heights of one station: raw, with loading, trend, steps and noise."""

    day: NDArray[np.datetime64]
    up_mm: Array
    sigma_mm: Array


@dataclass(frozen=True)
class Latencies:
    """When each product comes out (reference: UPSTREAMS, 0.1)."""

    rapid: dt.timedelta = dt.timedelta(days=2, hours=18)
    rapid_window_days: int = 60
    final_age_at_batch_days: int = 10
    era5t: dt.timedelta = dt.timedelta(days=4, hours=13)
    era5_after_month_days: int = 60
    open_data: dt.timedelta = dt.timedelta(hours=7)
    open_data_window_days: int = 4
    gldas_early_after_month_days: int = 35
    gldas_main_after_month_days: int = 90
    loading_hour: int = 10
    loading_late_hour: int = 20
    forecast_days: int = 6
    mascon_after_month_days: int = 85


class World:
    """What the services publish, and when.

    Parameters
    ----------
    box : Box
        Where the stations are; region-sized files cover it with a margin.
    now : datetime.datetime or None
        Aware UTC; assign `world.now` to move the clock. None: the clock of the machine.
    first_day : datetime.date
        First day of the GNSS series.
    stations : sequence of Station, optional
        Instead of `n_stations` made-up ones.
    seed : int
        Of places and noise; the same seed gives the same bytes.
    """

    def __init__(
        self, box: Box = REGIONS["toyland"], *,
        now: dt.datetime | None = dt.datetime(2026, 11, 22, 21, tzinfo=dt.UTC),
        first_day: dt.date = dt.date(2025, 1, 1), stations: Sequence[Station] = (),
        n_stations: int = 30, seed: int = 20261122, latencies: Latencies = Latencies(),
        mascon_first_month: dt.date = dt.date(2002, 4, 1),
    ) -> None:
        self.box, self.first_day, self.seed, self.latencies = box, first_day, seed, latencies
        self.mascon_first_month = mascon_first_month
        self._n_stations, self._stations, self._now = n_stations, tuple(stations), now

    @property
    def now(self) -> dt.datetime:
        """The clock of the services, UTC."""
        return self._now or dt.datetime.now(dt.UTC).replace(microsecond=0)

    @now.setter
    def now(self, moment: dt.datetime | None) -> None:
        if moment is not None and moment.tzinfo is None:
            raise ValueError("world.now needs a time zone")
        self._now = moment and moment.astimezone(dt.UTC)

    @cached_property
    def stations(self) -> tuple[Station, ...]:
        """In order of their names: `S000`, `S001`, ... where they are made up."""
        if self._stations:
            return self._stations
        random = np.random.default_rng(self.seed)
        box, number = self.box, self._n_stations
        longitude = random.uniform(box.west + 0.3, box.east - 0.3, number).round(4)
        latitude = random.uniform(box.south + 0.3, box.north - 0.3, number).round(4)
        height = fields.orography_m(longitude, latitude) + random.uniform(5.0, 60.0, number)
        return tuple(Station(f"S{k:03d}", *map(float, place))
                     for k, place in enumerate(zip(longitude, latitude, height.round(5),
                                                   strict=True)))

    def station(self, name: str) -> Station | None:
        """The station of that name; upper and lower case differ."""
        return next((s for s in self.stations if s.name == name), None)

    # When things come out.

    def rapid_last_day(self) -> dt.date:
        """Newest day of the rapid solutions."""
        return (self.now - self.latencies.rapid).date()

    def rapid_first_day(self) -> dt.date:
        """Oldest day of the rolling rapid files."""
        window = dt.timedelta(days=self.latencies.rapid_window_days - 1)
        return max(self.rapid_last_day() - window, self.first_day)

    def rapid_released(self) -> dt.datetime:
        """When the rapid files were last written."""
        start = dt.datetime.combine(self.rapid_last_day(), dt.time(), dt.UTC)
        return start + self.latencies.rapid

    def final_released(self) -> dt.datetime:
        """When the final files were last written: a Tuesday, 12:00 UTC."""
        noon = self.now.replace(hour=12, minute=0, second=0, microsecond=0)
        tuesday = noon - dt.timedelta(days=(noon.weekday() - 1) % 7)
        return tuesday if tuesday <= self.now else tuesday - dt.timedelta(days=7)

    def final_last_day(self) -> dt.date:
        """Newest day of the final solutions: a Saturday, 10 to 17 days ago."""
        age = dt.timedelta(days=self.latencies.final_age_at_batch_days)
        return (self.final_released() - age).date()

    def era5_last_hour(self) -> dt.datetime:
        """Newest hour of ERA5T."""
        moment = self.now - self.latencies.era5t
        return moment.replace(minute=0, second=0, microsecond=0)

    def era5_final_until(self) -> dt.date:
        """Last day that is ERA5 (0001); later ones are ERA5T (0005)."""
        return self._last_whole_month(self.latencies.era5_after_month_days)

    def open_data_runs(self) -> list[dt.datetime]:
        """Runs of ECMWF open data in the rolling window, oldest first."""
        newest = self.now - self.latencies.open_data
        newest = newest.replace(hour=newest.hour // 6 * 6, minute=0, second=0, microsecond=0)
        count = 4 * self.latencies.open_data_window_days
        return [newest - dt.timedelta(hours=6 * k) for k in range(count)][::-1]

    def gldas_main_until(self) -> dt.date:
        """Last day of the stream with GRACE."""
        return self._last_whole_month(self.latencies.gldas_main_after_month_days)

    def gldas_early_until(self) -> dt.date:
        """Last day of the early product; it begins the day after `gldas_main_until`."""
        return self._last_whole_month(self.latencies.gldas_early_after_month_days)

    def loading_last_day(self, *, late: bool = False) -> dt.date:
        """Newest day of the loading analysis; `late`: it comes in the evening."""
        hour = self.latencies.loading_late_hour if late else self.latencies.loading_hour
        return (self.now - dt.timedelta(days=1, hours=hour)).date()

    def mascon_last_month(self) -> dt.date:
        """First day of the newest month of the mascons."""
        return self._last_whole_month(self.latencies.mascon_after_month_days).replace(day=1)

    def mascon_months(self) -> list[dt.date]:
        """First day of every month of the mascons; none between the two missions."""
        month, last = self.mascon_first_month, self.mascon_last_month()
        months = []
        while month <= last:
            if not dt.date(2017, 7, 1) <= month <= dt.date(2018, 5, 1):
                months.append(month)
            month = next_month(month)
        return months

    def month_released(self, month: dt.date, after_month_days: int) -> dt.datetime:
        """When a product by whole months gave that month."""
        end = dt.datetime.combine(next_month(month), dt.time(12), dt.UTC)
        return end + dt.timedelta(days=after_month_days)

    def _last_whole_month(self, after_month_days: int) -> dt.date:
        moment = self.now - dt.timedelta(days=after_month_days, hours=12)
        return moment.date().replace(day=1) - dt.timedelta(days=1)

    # GNSS.

    def final_series(self, station: Station) -> Series:
        """Raw final heights from `first_day` to the newest batch; three days in 100 are absent."""
        whole, present = self._solutions(station)
        return _cut(whole, present, self.first_day, self.final_last_day())

    def rapid_series(self, station: Station) -> Series:
        """Raw rapid heights of the last 60 days: `rapid_offset_mm` and some noise more."""
        whole, _ = self._solutions(station)
        random = np.random.default_rng([self.seed, 2, self.stations.index(station)])
        up = whole.up_mm + self.rapid_offset_mm(station)
        up = up + 0.5 * random.standard_normal(up.size)
        present = random.uniform(size=up.size) > 0.08
        rapid = Series(whole.day, up, 1.2 * whole.sigma_mm)
        return _cut(rapid, present, self.rapid_first_day(), self.rapid_last_day())

    def rapid_offset_mm(self, station: Station) -> float:
        """Rapid minus final, constant for a station, -3 to 3 mm."""
        return (self.stations.index(station) * 7 % 13 - 6) / 2.0

    def step_mm(self, station: Station) -> float:
        """Offset from `step_day` on, of every seventh station."""
        return 12.0 if self.stations.index(station) % 7 == 3 else 0.0

    @property
    def step_day(self) -> dt.date:
        """Day of the antenna changes."""
        return self.first_day + dt.timedelta(days=200)

    def clean_up_mm(self, station: Station, day: Times) -> Array:
        """What hydrology alone does to the station, without trend, steps, loading and noise."""
        place = np.array([station.longitude_deg]), np.array([station.latitude_deg])
        return fields.daily_mean(fields.hydrology_up_mm, day, *place)[:, 0]

    def _solutions(self, station: Station) -> tuple[Series, NDArray[np.bool_]]:
        number = self.stations.index(station)
        return _solutions(station, number, seed=self.seed, first_day=self.first_day,
                          step_day=self.step_day, step_mm=self.step_mm(station))


@lru_cache(maxsize=512)
def _solutions(
    station: Station, number: int, *, seed: int, first_day: dt.date, step_day: dt.date,
    step_mm: float,
) -> tuple[Series, NDArray[np.bool_]]:
    day = np.datetime64(first_day, "D") + np.arange(1500)
    place = np.array([station.longitude_deg]), np.array([station.latitude_deg])
    up = sum(fields.daily_mean(field, day, *place)[:, 0]
             for field in (fields.hydrology_up_mm, fields.ntal_up_mm, fields.ntol_up_mm))
    random = np.random.default_rng([seed, 1, number])
    up = up + (number % 5 - 2) * np.arange(day.size) / 365.25
    up = up + step_mm * (day >= np.datetime64(step_day))
    up = up + 1.5 * random.standard_normal(day.size)
    sigma = 2.5 + random.gamma(2.0, 0.4, day.size)
    return Series(day, up, sigma), random.uniform(size=day.size) > 0.03


def _cut(series: Series, present: NDArray[np.bool_], first: dt.date, last: dt.date) -> Series:
    if np.datetime64(last) > series.day[-1]:
        raise ValueError(f"the made-up series end on {series.day[-1]}; set a later first_day")
    inside = (series.day >= np.datetime64(first)) & (series.day <= np.datetime64(last)) & present
    return Series(series.day[inside], series.up_mm[inside], series.sigma_mm[inside])


def next_month(month: dt.date) -> dt.date:
    """First day of the month after that of `month`."""
    return (month.replace(day=1) + dt.timedelta(days=32)).replace(day=1)
