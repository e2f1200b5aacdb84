"""Making a workspace from a region."""

import re
import shutil
from pathlib import Path

from dwlim_ops.config import read_config
from dwlim_ops.errors import ConfigError
from dwlim_ops.regions import built_in_regions, region_folder
from dwlim_ops.workspace import Workspace, write_atomically

FOLDERS = ("inbox", "store/raw", "state", "published", "region")


def scaffold(root: Path, region: str) -> Workspace:
    """Make a workspace for a built-in region, or for the region of a TOML file.

    The region's outline and basins are copied into `region/`, so that the workspace stands alone.
    Folders of inputs that the region does not hold are made, empty, for the operator to fill.
    A workspace that has a configuration is left alone.

    Raises
    ------
    ConfigError
        No such region, its file cannot be served, or the workspace exists already.
    """
    workspace = Workspace(root)
    if workspace.config_file.exists():
        raise ConfigError("the workspace exists already", where=str(workspace.config_file),
                          remedy="choose another folder, or edit this file")
    source = region_file(region)
    config = read_config(source)
    for name in FOLDERS:
        (root / name).mkdir(parents=True, exist_ok=True)
    text = source.read_text(encoding="utf-8")
    weather = config.sources.weather
    files = [("outline", config.region.outline), ("basins", config.region.basins),
             ("sites", config.sources.gnss.sites), ("steps", config.sources.gnss.steps),
             ("sites", weather.sites if weather is not None else None)]
    for key, path in dict.fromkeys(files):
        if path is not None:
            kept = Path("region") / "_".join(part for part in path.parts if part not in ("..", "/"))
            shutil.copyfile(_existing(source, key, path), root / kept)
            text = _pointing_to(text, key, path, kept)
    sources = (config.sources.gnss, config.sources.weather, config.sources.loading)
    folders = [("folder", source_of.folder) for source_of in sources if source_of is not None]
    folders.append(("rapid_folder", config.sources.gnss.rapid_folder))
    for key, folder in dict.fromkeys(folders):
        if folder is None:
            continue
        if (source.parent / folder).is_dir():
            text = _pointing_to(text, key, folder, (source.parent / folder).resolve())
        else:
            (root / folder).mkdir(parents=True, exist_ok=True)
    write_atomically(workspace.config_file, text.encode())
    read_config(workspace.config_file)
    return workspace


def region_file(region: str) -> Path:
    """Configuration of a built-in region, or the TOML file that is named.

    Raises
    ------
    ConfigError
        There is neither.
    """
    if region in built_in_regions():
        return region_folder(region) / "region.toml"
    path = Path(region)
    if not path.is_file():
        raise ConfigError("no such region", where=region,
                          expected=f"one of {', '.join(built_in_regions())}, or a TOML file")
    return path


def _existing(source: Path, key: str, path: Path) -> Path:
    beside = source.parent / path
    if not beside.is_file():
        raise ConfigError("file of the region is missing", where=f"{source}: {key}",
                          expected=str(beside))
    return beside


def _pointing_to(text: str, key: str, old: Path, new: Path) -> str:
    """The same TOML text with one path replaced; comments and order stay."""
    pattern = rf"(?m)^(\s*{key}\s*=\s*)([\"']){re.escape(str(old))}\2"
    return re.sub(pattern, lambda match: f"{match[1]}{match[2]}{new}{match[2]}", text)
