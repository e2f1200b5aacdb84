"""Making a workspace from a region."""

import shutil

import pytest
import synthetic

from dwlim_ops.config import read_config
from dwlim_ops.errors import ConfigError
from dwlim_ops.region import load_region
from dwlim_ops.scaffold import FOLDERS, scaffold
from dwlim_ops.session import Session


@pytest.fixture
def region(tmp_path):
    """A region's own folder, outside the workspace."""
    return synthetic.build_workspace(tmp_path / "my_region", content=_without_weather()).root


def _without_weather():
    content = synthetic.configuration()
    del content["sources"]["weather"]
    return content


def test_a_workspace_of_the_sample_stands_alone(tmp_path):
    workspace = scaffold(tmp_path / "ws", "australia")
    assert all((workspace.root / folder).is_dir() for folder in FOLDERS)
    config = read_config(workspace.config_file)
    assert config.region.outline.parts == ("region", "outline.geojson")
    geometry = load_region(config.region, workspace.root)
    assert len(geometry.basins.identifier) > 3
    assert str(tmp_path) not in workspace.config_file.read_text()


def test_comments_and_order_of_the_region_file_stay(tmp_path):
    workspace = scaffold(tmp_path / "ws", "australia")
    from dwlim_ops.regions import region_folder

    before = (region_folder("australia") / "region.toml").read_text().splitlines()
    after = workspace.config_file.read_text().splitlines()
    changed = [new for old, new in zip(before, after, strict=True) if old != new]
    assert sorted(line.split(" = ")[0] for line in changed) == ["basins", "outline"]


def test_a_region_of_files_runs_where_its_folder_is_gone_but_for_the_data(tmp_path, region):
    workspace = scaffold(tmp_path / "ws", str(region / "dwlim.toml"))
    shutil.rmtree(region / "region")
    session = Session(workspace)
    report = synthetic.run_tick(session)
    session.close()
    assert report.outcome == "done"
    assert synthetic.DAY in report.published


def test_a_region_of_files_with_weather_runs_too(tmp_path):
    region = synthetic.build_workspace(tmp_path / "my_region").root
    workspace = scaffold(tmp_path / "ws", str(region / "dwlim.toml"))
    session = Session(workspace)
    report = synthetic.run_tick(session)
    session.close()
    assert report.outcome == "done", report.degraded


def test_folders_that_are_not_there_yet_are_those_of_the_workspace(tmp_path, region):
    shutil.rmtree(region / "inbox/gnss")
    workspace = scaffold(tmp_path / "ws", str(region / "dwlim.toml"))
    assert read_config(workspace.config_file).sources.gnss.folder.parts == ("inbox", "gnss")


def test_an_existing_workspace_is_left_alone(tmp_path, region):
    workspace = scaffold(tmp_path / "ws", "australia")
    before = workspace.config_file.read_bytes()
    with pytest.raises(ConfigError, match="exists already"):
        scaffold(tmp_path / "ws", str(region / "dwlim.toml"))
    assert workspace.config_file.read_bytes() == before


def test_an_unknown_region_says_which_there_are(tmp_path):
    with pytest.raises(ConfigError, match=r"atlantis.*australia"):
        scaffold(tmp_path / "ws", "atlantis")
    assert not (tmp_path / "ws").exists()


@pytest.mark.parametrize(("name", "key"), [
    ("outline.geojson", "outline"), ("basins.csv", "basins"), ("stations.csv", "sites")])
def test_a_missing_file_of_the_region_is_named_by_key_and_path(tmp_path, region, name, key):
    (region / "region" / name).unlink()
    with pytest.raises(ConfigError, match=key) as caught:
        scaffold(tmp_path / "ws", str(region / "dwlim.toml"))
    assert name in str(caught.value)
    assert not (tmp_path / "ws/dwlim.toml").exists()
