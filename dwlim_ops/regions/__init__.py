"""The regions that ship with the package; each folder holds a `region.toml` and its data."""

from pathlib import Path

from dwlim_ops.errors import ConfigError

_HERE = Path(__file__).parent


def built_in_regions() -> tuple[str, ...]:
    """Names of the regions that ship with the package, sorted."""
    return tuple(sorted(path.parent.name for path in _HERE.glob("*/region.toml")))


def region_folder(name: str) -> Path:
    """Folder of a built-in region.

    Raises
    ------
    ConfigError
        No built-in region has this name.
    """
    known = built_in_regions()
    if name not in known:
        raise ConfigError(
            "unknown region", where=f"region {name!r}",
            expected=f"one of {', '.join(known) or 'none'}",
            remedy="name a built-in region, or give the path of a region file",
        )
    return _HERE / name
