"""`dwlim osse`, `dwlim init --region china`, and a synthetic workspace run like any other."""

import json

import pytest
import synthetic
import xarray as xr

from dwlim_ops.config import read_config
from dwlim_ops.workspace import Workspace


@pytest.fixture
def region(tmp_path):
    """The region file of the tests' small region."""
    return synthetic.build_workspace(tmp_path / "toyland").config_file


def test_a_synthetic_workspace_runs_like_any_other_and_says_what_it_is(command, tmp_path, region):
    root = tmp_path / "earth"
    code, out, _ = command("osse", root, "--region", region, "--years", 4, "--inputs-only")
    assert code == 0
    assert "dwlim run" in out
    assert not (root / "reports").exists()
    config = Workspace(root).config_file
    config.write_text(config.read_text().replace("horizon_days = 2", "horizon_days = 1"))
    code, out, _ = command("run", root, "--as-of", "2015-01-03")
    assert (code, out.splitlines()[0]) == (0, "done: 1 days published, as of 2015-01-03 00:00 UTC")
    latest = json.loads((root / "published/latest.json").read_text())
    assert latest["synthetic"] is True
    with xr.open_dataset(root / "published" / latest["path"]) as product:
        assert product.attrs["synthetic"] == "true"
        assert product.attrs["id"].startswith("twsa_synthetic_")
        for name in ("title", "summary", "comment"):
            assert product.attrs[name].startswith("SYNTHETIC EARTH, NO OBSERVATION")


def test_a_workspace_is_not_made_twice(command, tmp_path, region):
    arguments = "osse", tmp_path / "earth", "--region", region, "--quick", "--inputs-only"
    assert command(*arguments)[0] == 0
    code, _, err = command(*arguments)
    assert code == 2
    assert "exists already" in err


def test_too_few_years_are_a_usage_error(command, tmp_path, region):
    code, _, err = command("osse", tmp_path / "earth", "--region", region, "--years", 3)
    assert code == 2
    assert "too short a record" in err


def test_expansion_is_not_added_twice(command, tmp_path, region):
    code, _, err = command("osse", tmp_path / "earth", "--region", region, "--thermal")
    assert code == 2
    assert "--inputs-only" in err
    assert not (tmp_path / "earth").exists()


def test_china_is_scaffolded_for_real_files(command, tmp_path):
    assert command("init", tmp_path / "ws", "--region", "china")[0] == 0
    config = read_config(tmp_path / "ws/dwlim.toml")
    assert not config.region.synthetic
    assert (tmp_path / "ws" / config.sources.gnss.folder).is_dir()
    assert (tmp_path / "ws" / config.sources.gnss.sites).is_file()


@pytest.mark.slow
def test_the_whole_command_writes_its_tables(command, tmp_path, region):
    root = tmp_path / "earth"
    code, out, _ = command("osse", root, "--region", region, "--quick")
    assert code == 0
    text = (root / "reports/osse.md").read_text()
    assert text.strip() in out
    assert "no observation is in it" in text
    values = json.loads((root / "reports/osse.json").read_text())
    assert values["synthetic"] is True
    assert {one["experiment"] for one in values["scores"]} == {
        "whole network", "30% of the stations lost", "thermal expansion"}
    methods = {one["method"] for one in values["scores"]}
    assert methods >= {"tragnss", "dwlim", "dwlim_st"}
    assert {board["size_deg"] for board in values["checkerboards"]} == {4.0, 6.0, 8.0}
    card = next((root / "models").rglob("card.md")).read_text()
    assert f"synthetic_{synthetic.REGION}" in card
