"""Make the embedded record of the region `australia` from the project's source data.

    python make_sample.py DATA_FOLDER

DATA_FOLDER holds `australia/` and `geo/` as described in `NOTICE.md`. The same input gives the
same bytes. After writing, every number is read back and compared with its source.
"""

import csv
import gzip
import json
import sys
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import shapely
import xarray as xr

from dwlim_ops.geometry import wrap_longitude_deg

HERE: Final = Path(__file__).parent
BASINS: Final = ("184", "189", "191", "193", "202", "208")  # 211, Tasmania, is not in the outline
KELVIN: Final = 273.15
PACKED: Final = {"dtype": "int32", "_FillValue": -(2**31), "zlib": True, "complevel": 9,
                 "shuffle": True}
CREDITS: Final = {"source": "see NOTICE.md beside this file"}


def main(source: Path, target: Path) -> None:
    """Write all files of the region's record to `target`, then verify them."""
    gnss = read_gnss(source / "australia")
    weather = read_weather(source / "australia" / "weather")
    grace = read_grace(source / "australia" / "grace_csr_ddk3_1deg_2002_2013.nc")
    write_netcdf(gnss, target / "gnss.nc", {"up_mm": 0.001, "up_sigma_mm": 0.001})
    write_netcdf(weather, target / "weather.nc",
                 {"temperature_k": 0.01, "pressure_pa": 0.01, "rain_mm": 0.1})
    write_netcdf(grace, target / "grace.nc", {})
    write_outline(source / "australia" / "AUS_border_L1.txt", target / "outline.geojson")
    write_basins(source / "geo" / "world_basins_0p5deg_xanthos.csv.gz", target / "basins.csv")
    verify_gnss(source / "australia", target / "gnss.nc")
    verify_weather(source / "australia" / "weather", target / "weather.nc")
    verify_grace(source / "australia" / "grace_csr_ddk3_1deg_2002_2013.nc", target / "grace.nc")


def read_gnss(folder: Path) -> xr.Dataset:
    """Up and sigma of all stations on one daily axis."""
    sites = read_stations(folder / "sites.all")
    series = {path.name.partition(".")[0].upper(): read_up(path)
              for path in sorted((folder / "gnss_up").glob("*.up.gz"))}
    if set(series) != set(sites.index):
        raise SystemExit(f"stations and sites differ: {set(series) ^ set(sites.index)}")
    table = pd.concat(series, names=["station", "time"]).unstack("station")
    table = table.reindex(pd.date_range(table.index[0], table.index[-1], freq="D"))
    sites = sites.loc[table["up_mm"].columns]
    grid = ("time", "station")
    return xr.Dataset(
        {
            "up_mm": (grid, table["up_mm"].to_numpy(), {
                "units": "mm", "long_name": "vertical displacement, uplift positive",
                "comment": "NTAL, NTOL, trend and steps already removed by the provider"}),
            "up_sigma_mm": (grid, table["up_sigma_mm"].to_numpy(), {
                "units": "mm", "long_name": "formal error of the vertical displacement"}),
        },
        {
            "time": ("time", table.index.to_numpy(), {"long_name": "UTC day"}),
            "station": ("station", sites.index.to_numpy().astype(str)),
            **places(sites, "station"),
            "height_m": ("station", sites["height"].to_numpy(), {
                "units": "m", "long_name": "ellipsoidal height"}),
        },
        {"title": "Daily GNSS vertical displacement, Australia", **CREDITS},
    )


def read_stations(path: Path) -> pd.DataFrame:
    """Places of the stations; the source stores the longitude minus 360."""
    names = ["station", "longitude", "latitude", "height"]
    sites = pd.read_csv(path, sep=r"\s+", header=None, names=names, index_col="station")
    return sites.assign(longitude=wrap_longitude_deg(sites["longitude"]).round(9))


def read_up(path: Path) -> pd.DataFrame:
    """One station file, indexed by day; refuses repeated days."""
    names = ["day", "up_mm", "up_sigma_mm"]
    table = pd.read_csv(path, sep=r"\s+", header=None, names=names, dtype={"day": str})
    table = table.set_index(pd.to_datetime(table.pop("day"), format="%Y%m%d"))
    if not table.index.is_unique or table.isna().to_numpy().any():
        raise SystemExit(f"{path}: repeated days or gaps in the columns")
    return table


def read_weather(folder: Path) -> xr.Dataset:
    """Daily means at the sites, up to the last day for which every site has a row."""
    table = daily_means(folder / "observations.csv.gz")
    sites = pd.read_csv(folder / "stations.csv", index_col="station").sort_index()
    n_sites = table.groupby("date")["site"].nunique()
    table = table[table["date"] <= n_sites.index[n_sites == len(sites)].max()]
    wide = table.set_index(["date", "site"]).unstack("site")
    wide = wide.reindex(pd.date_range(wide.index[0], wide.index[-1], freq="D"))
    sites = sites.loc[wide["rain_mm"].columns].rename(
        columns={"longitude_degE": "longitude", "latitude_degN": "latitude"})
    grid, local = ("time", "site"), "local day, see NOTICE.md"
    described = {
        "temperature_k": {"units": "K", "long_name": "mean of daily minimum and maximum",
                          "comment": local},
        "pressure_pa": {"units": "Pa", "long_name": "mean-sea-level pressure, mean of 09 and 15 h",
                        "comment": local},
        "rain_mm": {"units": "mm", "long_name": "rain of the 24 h to 09 h", "comment": local},
    }
    return xr.Dataset(
        {name: (grid, wide[name].to_numpy(), notes) for name, notes in described.items()},
        {
            "time": ("time", wide.index.to_numpy(), {"long_name": "local day"}),
            "site": ("site", sites.index.to_numpy().astype(str)),
            **places(sites, "site"),
            "bom_number": ("site", sites["bom_number"].to_numpy(np.int32), {
                "long_name": "station number of the Australian Bureau of Meteorology"}),
        },
        {"title": "Daily weather at sites, Australia", **CREDITS},
    )


def daily_means(path: Path) -> pd.DataFrame:
    """Columns date, site, temperature_k, pressure_pa, rain_mm; a mean needs both its halves."""
    raw = pd.read_csv(path, parse_dates=["date"])
    pressure_hpa = (raw["mslp_09h_hPa"] + raw["mslp_15h_hPa"]) / 2
    return pd.DataFrame({
        "date": raw["date"], "site": raw["station"],
        "temperature_k": ((raw["t_min_degC"] + raw["t_max_degC"]) / 2 + KELVIN).round(2),
        "pressure_pa": (pressure_hpa * 100).round(2),
        "rain_mm": raw["rain_mm"],
    })


def read_grace(path: Path) -> xr.Dataset:
    """Monthly water storage anomaly in mm, with the span of days that each solution stands for."""
    with xr.open_dataset(path) as data:
        thickness_cm, middle = data["lwe_thickness"].load(), pd.DatetimeIndex(data["time"].values)
        attributes = dict(data.attrs)
    starts, ends, whole = zip(*(span(moment) for moment in middle), strict=True)
    bounds = np.array([starts, ends], dtype="datetime64[ns]").T
    return xr.Dataset(
        {
            "twsa_mm": (thickness_cm.dims, thickness_cm.values * np.float32(10), {
                "units": "mm", "long_name": "water storage anomaly relative to the 2002-2016 mean",
                "comment": "degrees 0 and 1 omitted; leakage over coasts not corrected"}),
            "time_bounds": (("time", "bound"), bounds),
            "calendar_month": ("time", np.array(whole, np.int8), {
                "long_name": "1: time_bounds are a calendar month; 0: the source names only the "
                             "middle, and time_bounds are the 30 days around it"}),
        },
        {
            "time": ("time", middle.floor("D").to_numpy(), {
                "long_name": "day of the middle of the solution", "bounds": "time_bounds"}),
            "lat": ("lat", thickness_cm["lat"].values, {"units": "degrees_north"}),
            "lon": ("lon", thickness_cm["lon"].values, {"units": "degrees_east"}),
        },
        attributes,
    )


def span(middle: pd.Timestamp) -> tuple[pd.Timestamp, pd.Timestamp, bool]:
    """First day, day after the last, and whether that is a calendar month.

    The source gives (first day + last day) / 2, both at 00:00.
    """
    first = middle.normalize().replace(day=1)
    after = first + pd.offsets.MonthBegin(1)
    if middle == first + (after - first - pd.Timedelta(days=1)) / 2:
        return first, after, True
    begin = (middle + pd.Timedelta(hours=12) - pd.Timedelta(days=15)).normalize()
    return begin, begin + pd.Timedelta(days=30), False


def places(sites: pd.DataFrame, dim: str) -> dict[str, tuple[str, np.ndarray, dict[str, str]]]:
    """Longitude and latitude as coordinates."""
    return {
        "longitude_deg": (dim, sites["longitude"].to_numpy(float), {"units": "degrees_east"}),
        "latitude_deg": (dim, sites["latitude"].to_numpy(float), {"units": "degrees_north"}),
    }


def write_netcdf(data: xr.Dataset, path: Path, steps: dict[str, float]) -> None:
    """Write compressed; variables of `steps` are packed in multiples of their step."""
    encoding: dict[str, dict[str, object]] = {
        str(name): {"zlib": True, "complevel": 9, "shuffle": True, "_FillValue": None}
        for name in data.data_vars
    }
    for name, step in steps.items():
        encoding[name] = {**PACKED, "scale_factor": step, "chunksizes": (data.sizes["time"], 1)}
    for name in map(str, data.coords):
        text = data[name].dtype.kind == "U"
        encoding[name] = {"dtype": "S1"} if text else {"_FillValue": None}
    days: dict[str, object] = {
        "units": "days since 2000-01-01", "calendar": "proleptic_gregorian", "dtype": "int32",
        "_FillValue": None,
    }
    encoding["time"] = days
    if "time_bounds" in data:
        encoding["time_bounds"] = days
    data.to_netcdf(path, engine="netcdf4", encoding=encoding)


def write_outline(source: Path, target: Path) -> None:
    """One closed ring `lon lat` to GeoJSON, exterior counter-clockwise (RFC 7946)."""
    ring = np.loadtxt(source)
    polygon = shapely.Polygon(ring)
    if not (polygon.is_valid and (ring[0] == ring[-1]).all()):
        raise SystemExit(f"{source}: not one closed ring")
    oriented = ring if polygon.exterior.is_ccw else ring[::-1]
    feature = {"type": "Feature", "properties": {"name": "Australia, mainland"},
               "geometry": {"type": "Polygon", "coordinates": [oriented.tolist()]}}
    target.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}) + "\n")


def write_basins(source: Path, target: Path) -> None:
    """Cells of the basins of the mainland, in the order of the source."""
    with gzip.open(source, "rt", newline="") as stream, target.open("w", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["lon", "lat", "basin", "name"])
        for row in csv.DictReader(stream):
            if row["basin_id"] in BASINS:
                writer.writerow([row["longitude"], row["latitude"], row["basin_id"],
                                 row["basin_name"]])


def verify_gnss(folder: Path, path: Path) -> None:
    """Compare every value and place with the station files."""
    with xr.open_dataset(path) as data:
        first, n_values = data["time"].values[0], 0
        for column, station in enumerate(data["station"].values.astype(str).tolist()):
            content = (folder / "gnss_up" / f"{station.lower()}.up.gz").read_bytes()
            rows = [line.split() for line in gzip.decompress(content).decode().splitlines()]
            days = pd.to_datetime([day for day, _, _ in rows], format="%Y%m%d").to_numpy()
            index = (days - first) // np.timedelta64(1, "D")
            for position, name in enumerate(("up_mm", "up_sigma_mm"), start=1):
                stored = data[name].values[index, column].round(3).tolist()
                require(stored == [float(row[position]) for row in rows], f"{station}: {name}")
            n_values += len(rows)
        for name in ("up_mm", "up_sigma_mm"):
            require(int(data[name].count()) == n_values, f"number of values of {name}")
        for line in (folder / "sites.all").read_text().splitlines():
            station, longitude, latitude, height = line.split()
            place = data.sel(station=station)
            stored = [float(place[k]) for k in ("longitude_deg", "latitude_deg", "height_m")]
            expected = [float(longitude) + 360, float(latitude), float(height)]
            require(np.allclose(stored, expected, rtol=0, atol=1e-9), f"place of {station}")


def verify_weather(folder: Path, path: Path) -> None:
    """Compare every value with the daily observations; nothing may be there beside them."""
    with xr.open_dataset(path) as data:
        last = str(data["time"].values[-1])[:10]
        values = {str(name): data[name].values for name in data.data_vars}
        row_of = {str(day)[:10]: row for row, day in enumerate(data["time"].values)}
        column_of = {name: column for column, name in enumerate(data["site"].values.astype(str))}
        counted = {name: int(data[name].count()) for name in values}
    n_values = dict.fromkeys(values, 0)
    text = gzip.decompress((folder / "observations.csv.gz").read_bytes()).decode()
    for row in csv.DictReader(text.splitlines()):
        if row["date"] > last:
            continue
        expected = {
            "temperature_k": mean(row["t_min_degC"], row["t_max_degC"], 1.0, KELVIN),
            "pressure_pa": mean(row["mslp_09h_hPa"], row["mslp_15h_hPa"], 100.0, 0.0),
            "rain_mm": mean(row["rain_mm"], row["rain_mm"], 1.0, 0.0),
        }
        cell = row_of[row["date"]], column_of[row["station"]]
        for name, value in expected.items():
            same = np.isclose(values[name][cell], value, rtol=0, atol=1e-6, equal_nan=True)
            require(bool(same), f"{name} of {row['station']} on {row['date']}")
            n_values[name] += value == value  # noqa: PLR0124  # not NaN
    require(counted == n_values, "number of weather values")


def mean(first: str, second: str, factor: float, offset: float) -> float:
    """Mean of two fields, NaN if one is empty or NA."""
    numbers = [np.nan if field in ("", "NA") else float(field) for field in (first, second)]
    return sum(numbers) / 2 * factor + offset


def verify_grace(source: Path, path: Path) -> None:
    """Compare every value with the source, in the precision of the source."""
    with xr.open_dataset(source) as original, xr.open_dataset(path) as data:
        same = np.allclose(data["twsa_mm"].values, original["lwe_thickness"].values * 10.0,
                           rtol=1e-6, atol=0)
        require(same and data.sizes["time"] == original.sizes["time"], "GRACE values")
        middle, bounds = original["time"].values, data["time_bounds"].values
        require(bool(((bounds[:, 0] <= middle) & (middle < bounds[:, 1])).all()), "GRACE spans")


def require(satisfied: bool, what: str) -> None:
    """Stop the script if a check against the source fails."""
    if not satisfied:
        raise SystemExit(f"{what}: differs from the source")


if __name__ == "__main__":
    main(Path(sys.argv[1]), HERE)
    for file in sorted(HERE.glob("*")):
        print(f"{file.stat().st_size:9d} {file.name}")
