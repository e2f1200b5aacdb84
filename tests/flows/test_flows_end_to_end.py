"""The real command in its own process, with the scheduler that it starts for itself."""

import json
import os
import subprocess
import sys

import pytest
import synthetic
from synthetic import DAY, published_files

pytestmark = pytest.mark.slow


def run(workspace, *arguments):
    environment = {name: value for name, value in os.environ.items()
                   if not name.startswith("PREFECT_")} | {"HOME": str(workspace.root.parent)}
    return subprocess.run(
        [sys.executable, "-m", "dwlim_ops", *arguments], capture_output=True, text=True,
        check=False, timeout=170, env=environment, cwd=workspace.root)


def test_the_command_runs_twice_and_does_nothing_the_second_time(tmp_path):
    content = synthetic.configuration()
    del content["sources"]["weather"]
    content["products"]["map_days"] = 2
    workspace = synthetic.build_workspace(tmp_path / "ws", content=content)
    first = run(workspace, "run", ".", "--as-of", "2017-01-02T18:00:00Z")
    assert first.returncode == 0, first.stderr
    assert first.stdout == "done: 2 days published, as of 2017-01-02 18:00 UTC\n"
    assert "Traceback" not in first.stderr
    latest = json.loads((workspace.published / "latest.json").read_text())
    assert latest["day"] == str(DAY)
    before = published_files(workspace)
    own = {path.rpartition(".")[2] for path in before if not path.startswith(("web/", "cube"))}
    assert own == {"nc", "csv", "json", "png", "html", "tif", "atom", "geojson"}
    second = run(workspace, "run", ".", "--as-of", "2017-01-02T18:00:00Z")
    assert second.returncode == 0, second.stderr
    assert second.stdout == "done: 0 days published, as of 2017-01-02 18:00 UTC\n"
    after = published_files(workspace)
    assert after == before
    assert sorted(after) == sorted(before)
    homes = {path.name for path in workspace.root.iterdir()}
    assert homes <= {"dwlim.toml", "inbox", "region", "store", "state", "published", "models"}
