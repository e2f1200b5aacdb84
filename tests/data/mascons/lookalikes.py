"""Synthetic mascon files with the layouts of CSR and JPL, see README.md."""

import datetime

import netCDF4
import numpy as np

EPOCH = datetime.date(2002, 1, 1)
#: Months as the providers label them: 2015-04 twice, then a gap.
SPANS = [("2015-03-01", "2015-04-01"), ("2015-04-01", "2015-04-20"), ("2015-04-16", "2015-05-11"),
         ("2015-07-01", "2015-08-01"), ("2018-06-01", "2018-07-01")]


def days(text):
    """Days since the epoch of both files."""
    return (datetime.date.fromisoformat(text) - EPOCH).days


def storage_cm(month, latitude, longitude):
    """Linear in space for longitudes in -180..180, growing by a centimetre a month."""
    return month + latitude / 10.0 + longitude / 100.0


def mascons(provider, *, spacing=2.0, spans=None, units=None, descending=False, scaled=False,
            fill_declared=True, time_units="days since 2002-01-01T00:00:00Z", kind="NETCDF4"):
    """A file of "csr" or "jpl" as bytes; one ocean cell holds the fill value."""
    spans = SPANS if spans is None else spans
    latitude = np.arange(-90 + spacing / 2, 90, spacing)[::-1 if descending else 1]
    longitude = np.arange(spacing / 2, 360, spacing)
    file = netCDF4.Dataset("memory", "w", memory=1 << 16, format=kind)
    for name, size in (("lon", longitude.size), ("lat", latitude.size), ("time", len(spans)),
                       ("bounds" if provider == "jpl" else "timebound", 2)):
        file.createDimension(name, size)
    pair = "bounds" if provider == "jpl" else "timebound"
    for name, axis in (("lon", longitude), ("lat", latitude)):
        variable = file.createVariable(name, "f8", (name,))
        variable.units, variable.axis = f"degrees_{name}", "X" if name == "lon" else "Y"
        variable[:] = axis
    bounds = np.array([[days(a), days(b)] for a, b in spans], float).reshape(-1, 2)
    time = file.createVariable("time", "f8", ("time",))
    time.setncatts({"Units" if provider == "csr" else "units": time_units,
                    "bounds": "time_bounds", "calendar": "gregorian"})
    time[:] = bounds.mean(axis=1)
    file.createVariable("time_bounds", "f8", ("time", pair))[:] = bounds
    lat, lon = np.meshgrid(latitude, (longitude + 180) % 360 - 180, indexing="ij")
    lwe = file.createVariable("lwe_thickness", "f8" if provider == "jpl" else "f4",
                              ("time", "lat", "lon"), zlib=kind == "NETCDF4",
                              fill_value=-99999.0 if fill_declared else None)
    if units != "":
        lwe.setncattr("Units" if provider == "csr" else "units", units or "cm")
    for month in range(len(spans)):
        values = storage_cm(month, lat, lon)
        values[(np.abs(lat) < 1.5) & (np.abs(lon + 150) < 1.5)] = -99999.0
        lwe[month] = values
    if provider == "jpl":
        land = file.createVariable("land_mask", "f8", ("lat", "lon"))
        land[:] = (lon > 0) * 1.0
        if scaled:
            file.createVariable("scale_factor", "f8", ("lat", "lon"), fill_value=-99999.0)[:] = 2.0
    else:
        file.time_epoch = "2002-01-01T00:00:00Z"
    return bytes(file.close())


def land_mask(*, spacing=2.0, wrong=False):
    """CSR's land mask: the eastern hemisphere."""
    latitude = np.arange(-90 + spacing / 2, 90, spacing)
    longitude = np.arange(spacing / 2, 360, spacing)
    file = netCDF4.Dataset("memory", "w", memory=1 << 16, format="NETCDF4_CLASSIC")
    for name, axis in (("lat", latitude), ("lon", longitude)):
        file.createDimension(name, axis.size)
        file.createVariable(name, "f4", (name,))[:] = axis
    mask = np.broadcast_to(longitude < 180, (latitude.size, longitude.size))
    file.createVariable("LO_val", "f4", ("lat", "lon"))[:] = mask * (7.0 if wrong else 1.0)
    return bytes(file.close())
