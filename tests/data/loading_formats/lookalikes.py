"""Synthetic files with the layouts of modelled loading, see README.md."""

import json

import netCDF4
import numpy as np

STEP = np.timedelta64(3, "h")


def instants(first, n_days, *, last_midnight=True):
    """Each 3 h from the midnight that begins `first`."""
    n = n_days * 8 + (1 if last_midnight else 0)
    return np.datetime64(first, "s") + np.arange(n) * STEP


def up_m(n, *, sigma_mm=2.0, seed=0):
    """A smooth random series of a given standard deviation, metres."""
    noise = np.random.default_rng(seed).normal(size=n + 24)
    smooth = np.convolve(noise, np.ones(24) / 24.0, mode="valid")[:n]
    return (smooth - smooth.mean()) / smooth.std() * sigma_mm / 1000.0


def point_csv(times, values, *, longitude=133.75, latitude=-23.75, variable="duV", unit="m",
              columns=("time", "latitude", "longitude", "value")):
    """The server's point CSV."""
    label = f'{variable}[unit="{unit}"]' if unit else variable
    names = {"time": "time", "latitude": 'latitude[unit="degrees_north"]',
             "longitude": 'longitude[unit="degrees_east"]', "value": label}
    lines = [",".join(names[column] for column in columns)]
    for time, value in zip(times, values, strict=True):
        fields = {"time": f"{time.astype('datetime64[s]')}Z", "latitude": f"{latitude:.3f}",
                  "longitude": f"{longitude:.3f}", "value": f"{value:.9E}"}
        lines.append(",".join(fields[column] for column in columns))
    return ("\n".join(lines) + "\n").encode()


def station_text(times, values, *, order="R EW NS", unit="m"):
    """Station files of the GFZ tools; horizontals are ten and twenty times the radial value."""
    radial = np.asarray(values) * {"m": 1.0, "mm": 1000.0}[unit]
    parts = {"R": radial, "NS": 10.0 * radial, "EW": 20.0 * radial}
    dotted = order == "R NS EW"
    lines = ["# NTAL CF, bilinear", "# lat -23.67 lon 133.89", "# displacement",
             f"# {'date time' if dotted else 'year month day hour'} {order}"]
    for row, time in enumerate(times):
        at = time.astype("datetime64[s]").item()
        label = f"{at:%Y-%m-%d %H:%M}" if dotted else f"{at.year} {at.month} {at.day} {at.hour}"
        lines.append(label + "".join(f" {parts[name][row]:.6E}" for name in order.split()))
    return ("\n".join(lines) + "\n").encode()


def daily_enu_text(days, up_mm):
    """`yyyymmdd e n u`, mm, without header."""
    rows = [f"{str(day).replace('-', '')}  {0.1:.5f}  {-0.2:.5f}  {value:.5f}"
            for day, value in zip(days, up_mm, strict=True)]
    return ("\n".join(rows) + "\n").encode()


def daily_csv_text(days, up_mm):
    """`vertical,north,east,Date`, metres."""
    rows = [f"{value / 1000.0:.10f},0.0001000000,-0.0002000000,{day}"
            for day, value in zip(days, up_mm, strict=True)]
    return ("\n".join(["vertical,north,east,Date", *rows]) + "\n").encode()


def grid_netcdf(times, field, *, latitude, longitude, names=("lat", "lon"), variables=None,
                units="m", kind="NETCDF4", packed=False, time_units=None):
    """Maps of `field(instant number, latitude, longitude)` in metres, as netCDF bytes."""
    epoch = times[0].astype("datetime64[Y]").astype("datetime64[s]")
    file = netCDF4.Dataset("memory", "w", memory=1 << 16, format=kind)
    for name, size in zip(("time", *names), (len(times), len(latitude), len(longitude)),
                          strict=True):
        file.createDimension(name, size)
    time = file.createVariable("time", "f8", ("time",))
    time.units = time_units or f"days since {str(epoch)[:10]} 00:00:00"
    time[:] = (times - epoch) / np.timedelta64(1, "D")
    for name, axis in zip(names, (latitude, longitude), strict=True):
        file.createVariable(name, "f4", (name,))[:] = axis
    lat, lon = np.meshgrid(latitude, longitude, indexing="ij")
    for variable, factor in (variables or {"duV": 1.0, "duNS": 10.0, "duEW": 20.0}).items():
        values = np.stack([field(step, lat, lon) * factor for step in range(len(times))])
        kind_of = "i2" if packed else "f4"
        created = file.createVariable(variable, kind_of, ("time", *names), zlib=kind == "NETCDF4",
                                      fill_value=-32767 if packed else None)
        if packed:
            created.scale_factor = 1e-6
        if units:
            created.units = units
        created[:] = values
    return bytes(file.close())


def folder_html(files):
    """A RAMADDA folder page: name to identifier."""
    rows = []
    for number, (name, entry) in enumerate(files.items()):
        if number % 3 == 0:
            rows.append(f'<a href="/repository/entry/show?entryid={entry}">{name}</a>')
        elif number % 3 == 1:
            rows.append(f'<a href="/repository/entry/get/{name}?entryid={entry}"><img src="d.gif">'
                        "</a>")
        else:
            rows.append(f"<script>addEntry('{entry}','{name}');</script>")
    return ("<!DOCTYPE html><html><body>"
            '<a href="/repository/entry/show?entryid=2827909c-6c9d-46fd-ba2c-f806bf215170">Home</a>'
            f"{''.join(rows)}</body></html>").encode()


def folder_json(files):
    """The same folder as JSON."""
    return json.dumps([{"id": entry, "name": name, "type": "cdm_grid", "services": []}
                       for name, entry in files.items()]).encode()


def between(first, last):
    """Instants of a query `yyyy-mm-dd hh:mm:ss UTC`, both included."""
    begin, end = (np.datetime64(text.removesuffix(" UTC"), "s") for text in (first, last))
    return np.arange(begin, end + np.timedelta64(1, "s"), STEP)
