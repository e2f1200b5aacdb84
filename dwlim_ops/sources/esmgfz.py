"""Non-tidal loading by atmosphere and ocean from the ESMGFZ server of GFZ Potsdam.

Modelled displacement each 3 h (Dill and Dobslaw 2013, doi:10.1002/jgrb.50353): one CSV a station,
year and product, extracted by the server at the nearest node of its half-degree grid, or whole
netCDF files. The analysis of a day comes on the next day, around 10 UTC or as late as the evening;
its mean needs the midnight that ends it, which comes one day later still. A forecast of six days
bridges that, and gives way to the analysis.
"""

import datetime
import re
from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from dwlim_ops.contracts import NOT_KNOWN, Offer, Received, Validators
from dwlim_ops.errors import MalformedInputError, SourceError
from dwlim_ops.sources.datasets import loading_dataset
from dwlim_ops.sources.formats.loading.grids import parse_grid
from dwlim_ops.sources.formats.loading.netcdf import MAGIC
from dwlim_ops.sources.formats.loading.points import parse_point_csv, read_instants
from dwlim_ops.sources.formats.loading.series import (
    PRODUCTS,
    Product,
    daily_means,
    refuse_implausible,
)
from dwlim_ops.sources.formats.sites import Sites
from dwlim_ops.sources.http import Client
from dwlim_ops.sources.ramadda import FILE_NAME, Folders, Hosts, Layout, ServerFile

Array = NDArray[np.float64]
Days = NDArray[np.datetime64]
Stream = Literal["analysis", "forecast"]

STEP_HOURS: Final = 3
FORECAST_DAYS: Final = 6
_ONE_DAY: Final = datetime.timedelta(days=1)
#: The server is asked for one step more than is needed, in case it leaves out the last one.
_MARGIN: Final = datetime.timedelta(hours=STEP_HOURS)
_PROBED: Final = datetime.timedelta(days=40)
_LEAST_SHARE_OF_ROWS: Final = 0.9
_POINT_KEY: Final = re.compile(r"(NTAL|NTOL)_(cf|cm)_(\w+)_(\d{4}|forecast_\d)\.csv")


class _Esmgfz:
    """What the sources of this provider have in common.

    Parameters
    ----------
    hosts : sequence of Client
        Names of the server, the preferred one first; base addresses end in `/repository`.
    stations : Sites
        Places of the GNSS stations.
    layout : Layout
        Frame, folder and variable.
    products : tuple of {"NTAL", "NTOL"}
    """

    name = "loading"

    def __init__(self, hosts: Sequence[Client], stations: Sites, *, layout: Layout,
                 products: tuple[Product, ...] = PRODUCTS) -> None:
        self._folders = Folders(Hosts(hosts), layout)
        self._stations, self._layout, self._products = stations, layout, products

    def newest_visible_day(self, as_of: datetime.datetime) -> datetime.date:
        """The day of `as_of`: what has been fetched may be used."""
        return as_of.astimezone(datetime.UTC).date()

    def _place(self, station: str) -> str:
        row = self._stations.pick([station], where="stations")
        return f"{row.longitude_deg[0]:.4f},{row.latitude_deg[0]:.4f}"

    def _point_query(self, station: str, first: datetime.datetime, last: datetime.datetime
                     ) -> dict[str, str]:
        longitude, _, latitude = self._place(station).partition(",")
        return {
            "submit": "Get Point", "output": "data.gridaspoint", "location.latitude": latitude,
            "location.longitude": longitude, "format": "csv", "calendar": "proleptic_gregorian",
            "fromdate": f"{first:%Y-%m-%d %H:%M:%S} UTC",
            "todate": f"{last:%Y-%m-%d %H:%M:%S} UTC", "variable": self._layout.variable,
        }

    def _parse_point(self, content: bytes, key: str, not_after: datetime.date
                     ) -> tuple[Days, xr.Dataset]:
        product, station, _ = _parts(key)
        place = self._stations.pick([station], where=key)
        series = parse_point_csv(
            content, variable=self._layout.variable, where=key, not_after=not_after,
            longitude_deg=float(place.longitude_deg[0]), latitude_deg=float(place.latitude_deg[0]))
        days, up_mm = daily_means(series.instant, series.up_mm[:, None], step_hours=STEP_HOURS,
                                  where=key)
        refuse_implausible(product, up_mm, series.unit, where=key)
        return days, _one_product(product, days, (station,), up_mm)


class EsmgfzAnalysis(_Esmgfz):
    """Point series of the analysis: one granule a station, product and year.

    Parameters
    ----------
    first_day : datetime.date
        Start of the record that is wanted.
    hosts, stations, layout, products
        As for every source of this provider.
    """

    stream = "analysis"

    def __init__(self, hosts: Sequence[Client], stations: Sites, *, first_day: datetime.date,
                 layout: Layout, products: tuple[Product, ...] = PRODUCTS) -> None:
        super().__init__(hosts, stations, layout=layout, products=products)
        self._first_day = first_day

    def offers(self, as_of: datetime.datetime) -> list[Offer]:
        """Years up to the newest complete day that the server has, asked for the first station.

        Raises
        ------
        SourceError
            No host answers.
        """
        self._folders.start_pass()
        offers = []
        for product in self._products:
            newest = self._newest_complete_day(product, as_of)
            for year in range(self._first_day.year, newest.year + 1):
                first = max(self._first_day, datetime.date(year, 1, 1))
                last = min(newest, datetime.date(year, 12, 31))
                offers += [
                    Offer(self.name, self.stream,
                          f"{product}_{self._layout.frame}_{station}_{year}.csv", first, last, None,
                          f"{first:%Y%m%d}-{last:%Y%m%d}-{self._place(station)}")
                    for station in self._stations.name.tolist() if first <= last]
        return sorted(offers, key=lambda offer: offer.valid_from)

    def fetch(self, offer: Offer, known: Validators = NOT_KNOWN) -> Received:  # noqa: ARG002
        """The series up to the midnight that ends the offer; the server cannot say "unchanged".

        Raises
        ------
        SourceError
            No host gives a series that is complete.
        """
        product, station, _ = _parts(offer.key)
        first, last = _midnight(offer.valid_from), _midnight(offer.valid_to + _ONE_DAY)

        def accept(answer: Received) -> Received:
            _refuse_incomplete(answer.content or b"", first, last, where=offer.key)
            return Received(answer.content)

        return self._folders.hosts.get(
            self._layout.path(product), accept,
            params=self._point_query(station, first, last + _MARGIN))

    def parse(self, content: bytes, offer_key: str, *, not_after: datetime.date) -> xr.Dataset:
        """Dataset of contract `LOADING` with one station; the other product is NaN."""
        days, dataset = self._parse_point(content, offer_key, not_after)
        _, _, year = _parts(offer_key)
        _refuse_other_year(days, int(year), offer_key)
        return dataset

    def _newest_complete_day(self, product: Product, as_of: datetime.datetime) -> datetime.date:
        today = _midnight(as_of.astimezone(datetime.UTC).date())
        path, station = self._layout.path(product), self._stations.name.tolist()[0]

        def accept(answer: Received) -> datetime.date:
            instants = read_instants(answer.content or b"", where=path)
            if not instants.size:
                raise SourceError("no value in the last weeks", where=path, expected="a series")
            newest: datetime.date = instants.max().astype("datetime64[D]").item()
            return newest - _ONE_DAY

        return self._folders.hosts.get(
            path, accept, params=self._point_query(station, today - _PROBED, today + _MARGIN))


class EsmgfzForecast(_Esmgfz):
    """Point series of the newest six-day forecast: one granule a station and product.

    The key ends in the weekday of the issue, so that the forecasts of the last week stay in force
    together and a newer one replaces that of the week before. Days after the fetch are kept: they
    serve when the server is down on them.

    Parameters
    ----------
    hosts, stations, layout, products
        As for every source of this provider.
    """

    stream = "forecast"

    def offers(self, as_of: datetime.datetime) -> list[Offer]:  # noqa: ARG002
        """The forecast that the folder page of each product names.

        Raises
        ------
        SourceError
            No host answers, or there is no forecast.
        """
        self._folders.start_pass()
        offers = []
        for product in self._products:
            file = self._folders.newest_forecast(product)
            issued = _issue_day(file)
            offers += [
                Offer(self.name, self.stream, f"{product}_{self._layout.frame}_{station}"
                      f"_forecast_{issued.isoweekday()}.csv", issued,
                      issued + (FORECAST_DAYS - 1) * _ONE_DAY, None,
                      f"{file.name}-{self._place(station)}")
                for station in self._stations.name.tolist()]
        return sorted(offers, key=lambda offer: offer.valid_from)

    def fetch(self, offer: Offer, known: Validators = NOT_KNOWN) -> Received:  # noqa: ARG002
        """The series of one station.

        Raises
        ------
        SourceError
            The forecast has been replaced since it was offered, or no host answers.
        """
        product, station, _ = _parts(offer.key)
        first = _midnight(offer.valid_from)
        query = self._point_query(station, first, first + FORECAST_DAYS * _ONE_DAY)

        def accept(answer: Received) -> Received:
            _refuse_incomplete(answer.content or b"", first, first + _ONE_DAY, where=offer.key)
            return Received(answer.content)

        return self._folders.with_entry(
            product, offer.version.partition(".nc")[0] + ".nc",
            lambda file: self._folders.hosts.get(
                "entry/show", accept, params={"entryid": file.entry, **query}))

    def parse(self, content: bytes, offer_key: str, *, not_after: datetime.date) -> xr.Dataset:
        """Dataset of contract `LOADING` with one station; days up to five after `not_after`."""
        return self._parse_point(content, offer_key, _horizon(not_after))[1]


class EsmgfzGrids(_Esmgfz):
    """Whole netCDF files, for networks too large to be asked for point by point.

    Parameters
    ----------
    stream : {"analysis", "forecast"}
        The yearly files, or the newest six-day file of each product.
    first_year : int
        First yearly file that is wanted.
    hosts, stations, layout, products
        As for every source of this provider.
    """

    def __init__(self, hosts: Sequence[Client], stations: Sites, *, stream: Stream,
                 first_year: int, layout: Layout,
                 products: tuple[Product, ...] = PRODUCTS) -> None:
        super().__init__(hosts, stations, layout=layout, products=products)
        self.stream: str = stream
        self._first_year = first_year

    def offers(self, as_of: datetime.datetime) -> list[Offer]:
        """Files that the folder pages name; that of the current year is looked at every day.

        Raises
        ------
        SourceError
            No host answers.
        """
        self._folders.start_pass()
        today = as_of.astimezone(datetime.UTC).date()
        offers = []
        for product in self._products:
            if self.stream == "forecast":
                file = self._folders.newest_forecast(product)
                issued = _issue_day(file)
                offers.append(self._offer(file, issued, issued + (FORECAST_DAYS - 1) * _ONE_DAY,
                                          file.entry))
                continue
            for file in self._folders.files(product):
                if file.issued is None and self._first_year <= file.year <= today.year:
                    first, last = (datetime.date(file.year, *day) for day in ((1, 1), (12, 31)))
                    growing = f"-{today:%Y%m%d}" if last >= today - _ONE_DAY else ""
                    offers.append(self._offer(file, first, min(last, today), file.entry + growing))
        return sorted(offers, key=lambda offer: offer.valid_from)

    def fetch(self, offer: Offer, known: Validators = NOT_KNOWN) -> Received:
        """The file, unless it has not changed.

        Raises
        ------
        SourceError
            The file is gone, is no netCDF file, or no host answers.
        """
        product, _, _ = _parts(offer.key)

        def get(file: ServerFile) -> Received:
            return self._folders.hosts.get(
                f"entry/get/{file.name}", lambda answer: answer, known=known, magic=MAGIC,
                params={"entryid": file.entry})

        return self._folders.with_entry(product, offer.key, get)

    def parse(self, content: bytes, offer_key: str, *, not_after: datetime.date) -> xr.Dataset:
        """Dataset of contract `LOADING` with all stations; the other product is NaN."""
        product, _, year = _parts(offer_key)
        variable = self._layout.variable
        limit = _horizon(not_after) if self.stream == "forecast" else not_after
        series = parse_grid(content, [variable], self._stations, not_after=limit,
                            where=offer_key)[variable]
        days, up_mm = daily_means(series.instant, series.up_mm, step_hours=STEP_HOURS,
                                  where=offer_key)
        refuse_implausible(product, up_mm, series.unit, where=offer_key)
        if self.stream == "analysis":
            _refuse_other_year(days, int(year), offer_key)
        return _one_product(product, days, tuple(self._stations.name.tolist()), up_mm)

    def _offer(self, file: ServerFile, first: datetime.date, last: datetime.date, version: str
               ) -> Offer:
        return Offer(self.name, self.stream, file.name, first, last, None, version)


def _parts(key: str) -> tuple[Product, str, str]:
    """Product, station and year of a key; of a whole file the station is empty.

    Raises
    ------
    MalformedInputError
        Not a key of this provider.
    """
    match = _POINT_KEY.fullmatch(key)
    whole = FILE_NAME.fullmatch(key)
    if match is not None:
        product, station, year = match[1], match[3], match[4]
    elif whole is not None:
        product, station, year = whole[1], "", whole[3]
    else:
        raise MalformedInputError("unknown file", where=key,
                                  expected="a name such as NTAL_cf_ALIC_2026.csv")
    return PRODUCTS[PRODUCTS.index(product)], station, year


def _one_product(product: Product, days: Days, stations: tuple[str, ...], up_mm: Array
                 ) -> xr.Dataset:
    absent = np.full_like(up_mm, np.nan)
    ntal, ntol = (up_mm if product == name else absent for name in PRODUCTS)
    return loading_dataset(days, stations, ntal, ntol)


def _refuse_incomplete(content: bytes, first: datetime.datetime, last: datetime.datetime, *,
                       where: str) -> None:
    """Refuse a generated CSV that ends early or lacks many rows; it comes without a length."""
    instants = read_instants(content, where=where)
    begin, end = (np.datetime64(time.replace(tzinfo=None), "s") for time in (first, last))
    inside = np.unique(instants[(instants >= begin) & (instants <= end)])
    expected = (last - first) // datetime.timedelta(hours=STEP_HOURS) + 1
    if not (inside == end).any() or inside.size < _LEAST_SHARE_OF_ROWS * expected:
        raise SourceError(
            "series is not complete", where=where, expected=f"{expected} rows up to {end}",
            got=f"{inside.size} up to {inside.max()}" if inside.size else "no row of these days",
            remedy="the next pass asks again")


def _refuse_other_year(days: Days, year: int, where: str) -> None:
    if not (days.astype("datetime64[Y]") == np.datetime64(str(year), "Y")).all():
        raise MalformedInputError("days of another year", where=where, expected=str(year),
                                  got=f"{days[0]} to {days[-1]}")


def _midnight(day: datetime.date) -> datetime.datetime:
    return datetime.datetime.combine(day, datetime.time(), datetime.UTC)


def _horizon(not_after: datetime.date) -> datetime.date:
    return not_after + (FORECAST_DAYS - 1) * _ONE_DAY


def _issue_day(file: ServerFile) -> datetime.date:
    return file.issued or datetime.date(file.year, 1, 1)
