"""The systemd unit and its guide: systemd itself judges the one, the code the other."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dwlim_ops import cli, cli_common
from dwlim_ops.config import Daemon, Schedule
from dwlim_ops.sources.endpoints import _SERVICES
from dwlim_ops.workspace import Workspace

DEPLOY = Path(__file__).parents[1] / "deploy"
UNIT, GUIDE = DEPLOY / "dwlim.service", DEPLOY / "README.md"
WORST_EXPOSURE = 4.0
INSTALLED = "/opt/dwlim/.venv/bin/dwlim"


@pytest.fixture
def analyze():
    """Runs systemd-analyze; gives exit code and everything that it says."""
    program = shutil.which("systemd-analyze")
    if program is None:
        missing = "systemd-analyze is not there: apt-get install systemd"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)

    def run(*arguments):
        done = subprocess.run([program, "--no-pager", *map(str, arguments)], capture_output=True,
                              text=True, check=False, timeout=60)
        return done.returncode, done.stdout + done.stderr

    return run


@pytest.fixture
def unit(tmp_path):
    """Writes the unit with another program, because nothing is installed here, and one change."""
    def write(old="", new=""):
        text = UNIT.read_text().replace(INSTALLED, sys.executable)
        assert old in text
        path = tmp_path / UNIT.name
        path.write_text(text.replace(old, new) if old else text)
        return path

    return write


def settings():
    """Keys of the unit with all their values."""
    found = {}
    for line in UNIT.read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def commands(heading):
    """Indented lines below a heading of the guide."""
    text = GUIDE.read_text().partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return [line.strip() for line in text.splitlines() if line.startswith("    ")]


# --- the unit


def test_systemd_has_nothing_to_say_of_the_unit(analyze, unit):
    assert analyze("verify", unit()) == (0, "")


@pytest.mark.parametrize(("old", "new"), [
    ("KillMode=mixed", "KillMode=mixt"), ("ProtectHome", "ProtectHouse"),
    ("@system-service", "@system-servant"), (sys.executable, f"{sys.executable}-absent")])
def test_a_mistake_in_the_unit_would_be_noticed(analyze, unit, old, new):
    assert analyze("verify", unit(old, new))[1] != ""


def test_the_unit_exposes_little(analyze, unit):
    code, said = analyze("security", "--offline=true", f"--threshold={round(10 * WORST_EXPOSURE)}",
                         unit())
    (exposure,) = re.findall(r"Overall exposure level for dwlim.service: ([0-9.]+)", said)
    assert code == 0
    assert float(exposure) < WORST_EXPOSURE


def test_the_unit_restarts_after_a_crash_but_not_after_a_mistake():
    found = settings()
    assert found["Restart"] == ["on-failure"]
    assert found["RestartPreventExitStatus"] == [str(cli_common.EXIT_USAGE)]
    assert str(cli_common.EXIT_FAILED) not in found.get("SuccessExitStatus", [])
    assert found["StartLimitIntervalSec"] == ["0"]


def test_a_stop_lets_the_tick_end():
    found = settings()
    assert found["KillMode"] == ["mixed"]
    assert found["TimeoutStopSec"] == ["30min"]
    assert Schedule().tick_timeout_s >= 30 * 60


def test_the_unit_runs_the_daemon_and_it_alone():
    found = settings()
    program, name, workspace = shlex.split(found["ExecStart"][0])
    assert (program, found["Type"]) == (INSTALLED, ["exec"])
    assert name in {command.name or command.callback.__name__
                    for command in cli.app.registered_commands}
    assert Path(workspace).is_relative_to(f"/var/lib/{found['StateDirectory'][0]}")
    assert sorted(path.name for path in DEPLOY.iterdir() if path.suffix != ".png") == [
        "README.md", "dwlim.service"]


def test_caches_and_secrets_have_their_places():
    found = settings()
    folder = f"/var/cache/{found['CacheDirectory'][0]}/"
    places = dict(pair.split("=") for value in found["Environment"] for pair in shlex.split(value))
    assert set(places) == {"NUMBA_CACHE_DIR", "MPLCONFIGDIR"}
    assert all(place.startswith(folder) for place in places.values())
    assert found["EnvironmentFile"] == ["-/etc/dwlim/secrets.env"]
    assert not re.search("token|password|key=", UNIT.read_text(), re.IGNORECASE)


def test_what_the_compiler_needs_is_not_forbidden():
    assert {"MemoryDenyWriteExecute", "ProcSubset"}.isdisjoint(settings())
    assert settings()["ProtectSystem"] == ["strict"]


# --- the guide


def test_from_nothing_to_running_takes_few_commands():
    steps = commands("From nothing to running")
    assert len(steps) < 10
    assert steps[-1] == "systemctl enable --now dwlim"
    assert settings()["User"] == ["dwlim"]
    assert any(step.startswith("useradd") and step.endswith(" dwlim") for step in steps)


def test_every_command_of_the_guide_is_one_of_ours():
    ours = {command.name or command.callback.__name__ for command in cli.app.registered_commands}
    named = re.findall(r"(?:as-dwlim|`dwlim) ([a-z]+)", GUIDE.read_text())
    assert {"init", "status", "doctor", "up"} <= set(named) <= ours


def test_the_guide_names_places_that_there_are():
    text, place = GUIDE.read_text(), Workspace(Path("/ws"))
    assert f":{Daemon().metrics_port}/metrics" in text
    assert f":{Daemon().web_port}/latest.json" in text
    excluded = re.findall(r"--exclude=(\S+)", text)
    assert excluded == ["/store/cache", "/state/prefect"]
    assert place.cache == Path(f"/ws{excluded[0]}")
    variables = {service.variable for service in _SERVICES.values()}
    assert set(re.findall(r"`([A-Z_]+_(?:KEY|TOKEN))`", text)) <= variables


def test_the_guide_names_metrics_that_there_are():
    source = (DEPLOY.parent / "dwlim_ops" / "telemetry" / "metrics.py").read_text()
    named = set(re.findall(r"dwlim_([a-z_]+[a-z])", GUIDE.read_text()))
    assert named
    assert all(json.dumps(name) in source for name in named)
