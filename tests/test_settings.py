"""What a product was made with, put into one file and taken out again."""

import json
from datetime import date
from pathlib import Path

import pytest
import synthetic

from dwlim_ops.config import read_config
from dwlim_ops.errors import StoreError
from dwlim_ops.scaffold import scaffold
from dwlim_ops.session import Session
from dwlim_ops.settings import NOT_OF_PRODUCTS, settings_content, unpack_settings
from dwlim_ops.workspace import Workspace


def every_kind_of_key():
    """A configuration with tables, lists, dates and paths at every depth."""
    content = synthetic.configuration()
    content["region"] |= {"citations": ["one", "two; \"quoted\""], "licence": "Ö 4.0"}
    content["sources"]["gnss"]["steps"] = "region/steps.csv"
    content["sources"]["loading"] = {"kind": "grids", "folder": "inbox/loading", "frame": "cf",
                                     "variables": {"NTAL": "up"}, "first_day": date(2016, 2, 29)}
    content["sources"]["grace"] = {"kind": "services"}
    content["endpoints"] = {"ngl": {"base_urls": ["https://a.example.org", "https://b.example.org"],
                                    "attempts": 2}}
    content["http"] = {"contact": "me@example.org", "proxies": {"https": "http://proxy:3128"}}
    return content


def workspace_of(root, kind):
    if kind == "australia":
        return scaffold(root, "australia")
    workspace = synthetic.build_workspace(root, content=every_kind_of_key())
    (root / "region/steps.csv").write_text("date,station\n2016-03-01,S003\n")
    return workspace


def opened(workspace, settings_root=None):
    session = Session(workspace, settings_root=settings_root)
    try:
        config = session.config.model_dump(exclude=NOT_OF_PRODUCTS)
        return config, session.configuration, session.given_steps, session.settings_sha256
    finally:
        session.close()


@pytest.mark.parametrize("kind", ["australia", "synthetic"])
def test_what_is_unpacked_is_what_was_packed(tmp_path, kind):
    workspace = workspace_of(tmp_path / "ws", kind)
    content = settings_content(read_config(workspace.config_file), workspace.root)
    folder = tmp_path / "then"
    folder.mkdir()
    unpack_settings(content, folder, root=workspace.root)
    assert opened(workspace, settings_root=folder) == opened(workspace)
    assert settings_content(read_config(folder / "dwlim.toml"), folder) == content
    names = set(json.loads(content)["files"])
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*")
            if path.is_file()} == names | {"dwlim.toml"}
    for name in names:
        assert (folder / name).read_bytes() == (workspace.root / name).read_bytes()


def test_every_small_file_of_the_configuration_is_kept(tmp_path):
    workspace = workspace_of(tmp_path, "synthetic")
    content = settings_content(read_config(workspace.config_file), workspace.root)
    assert set(json.loads(content)["files"]) == {
        "region/outline.geojson", "region/basins.csv", "region/stations.csv", "region/steps.csv",
        "region/weather_sites.csv"}


def test_a_change_of_any_small_file_is_another_content(tmp_path):
    workspace = workspace_of(tmp_path, "synthetic")
    config = read_config(workspace.config_file)
    before = settings_content(config, workspace.root)
    assert settings_content(config, workspace.root) == before
    for name in json.loads(before)["files"]:
        path = workspace.root / name
        kept = path.read_text()
        path.write_text(kept + "\n")
        assert settings_content(config, workspace.root) != before, name
        path.write_text(kept)


def with_outside(tmp_path):
    """A workspace whose outline lies elsewhere, its packed settings, and an empty folder."""
    outside = tmp_path / "elsewhere/outline.geojson"
    outside.parent.mkdir()
    content = synthetic.configuration()
    content["region"]["outline"] = str(outside)
    workspace = synthetic.build_workspace(tmp_path / "ws", content=content)
    outside.write_text(synthetic.region_files()["outline.geojson"])
    packed = settings_content(read_config(workspace.config_file), workspace.root)
    folder = tmp_path / "then"
    folder.mkdir()
    return workspace, outside, packed, folder


def test_a_file_outside_of_the_workspace_serves_while_it_has_not_changed(tmp_path):
    workspace, outside, packed, folder = with_outside(tmp_path)
    before = outside.stat()
    unpack_settings(packed, folder, root=workspace.root)
    assert opened(workspace, settings_root=folder) == opened(workspace)
    assert outside.stat() == before
    assert not list(folder.rglob("*.geojson"))


@pytest.mark.parametrize("change", [lambda path: path.write_text(path.read_text() + " "),
                                    Path.unlink], ids=["changed", "gone"])
def test_a_file_outside_of_the_workspace_that_changed_is_refused(tmp_path, change):
    workspace, outside, packed, folder = with_outside(tmp_path)
    change(outside)
    with pytest.raises(StoreError, match="has changed since") as caught:
        unpack_settings(packed, folder, root=workspace.root)
    assert caught.value.where == str(outside)
    assert not (outside.exists() and outside.read_text() == synthetic.region_files()[
        "outline.geojson"])


def test_the_configuration_that_is_kept_is_that_of_the_day(tmp_path):
    workspace = workspace_of(tmp_path / "ws", "synthetic")
    first = opened(workspace)
    changed = every_kind_of_key()
    changed["inversion"]["beta"] = 0.2
    synthetic.write_config(workspace.root, changed)
    second = opened(Workspace(workspace.root))
    assert first[1] != second[1]
    assert first[3] != second[3]
