"""A configuration with the small files that it names: what a product was made with."""

import json
from pathlib import Path
from typing import Any

import tomli_w

from dwlim_ops.config import Config
from dwlim_ops.errors import StoreError

SCHEMA_VERSION = 1
#: Tables of the configuration that no product depends on.
NOT_OF_PRODUCTS = {"http", "endpoints", "schedule", "training", "daemon", "ledger", "retention",
                   "cube", "alerts", "page"}


def settings_content(config: Config, root: Path) -> bytes:
    """The configuration as TOML, and the text of outline, basins, sites and steps by their path."""
    files = {str(path): (root / path).read_text() for path in _named_files(config)}
    toml = tomli_w.dumps(config.model_dump(
        mode="json", exclude_none=True, exclude=NOT_OF_PRODUCTS))
    return json.dumps({"schema_version": SCHEMA_VERSION, "toml": toml, "files": files},
                      sort_keys=True).encode()


def unpack_settings(content: bytes, folder: Path, *, root: Path) -> None:
    """Lay the configuration and its files into an empty folder, as they lay below `root`.

    Raises
    ------
    StoreError
        A file lies outside of the workspace and has changed since.
    """
    settings: dict[str, Any] = json.loads(content)
    (folder / "dwlim.toml").write_text(settings["toml"])
    for name, text in settings["files"].items():
        here, there = folder / name, root / name
        if here.resolve().is_relative_to(folder.resolve()):
            here.parent.mkdir(parents=True, exist_ok=True)
            here.write_text(text)
            continue
        if not Path(name).is_absolute() or not there.is_file() or there.read_text() != text:
            raise StoreError(
                "a file of the configuration has changed since, or cannot be told apart",
                where=name, expected="the content that the product was made with",
                remedy="restore it; keep such files inside of the workspace")


def _named_files(config: Config) -> list[Path]:
    sources = config.sources
    named = [config.region.outline, config.region.basins, sources.gnss.sites, sources.gnss.steps,
             sources.weather.sites if sources.weather else None]
    return [path for path in named if path is not None]
