"""The systemd units and the guide: systemd itself judges the one, the code the other."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import typer

from dwlim_ops.cli import common as cli_common
from dwlim_ops.cli import main as cli
from dwlim_ops.config import Config, Daemon, Schedule
from dwlim_ops.sources.endpoints import _SERVICES

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
UNITS = DEPLOY / "systemd"
SERVICE, BACKUP, DRIFT, *TIMERS = (UNITS / name for name in (
    "dwlim@.service", "dwlim-backup@.service", "dwlim-drift@.service", "dwlim-backup@.timer",
    "dwlim-drift@.timer"))
GUIDE, THREATS = DEPLOY / "OPERATIONS.md", DEPLOY / "SECURITY.md"
WORST_EXPOSURE = 2.0
BIN = "/opt/dwlim/.venv/bin"
#: Typer carries a click of its own.
USAGE_ERROR = typer.BadParameter.__bases__[0]
PLACEHOLDERS = {"BUNDLE_ID": "x", "FILE": "x"}


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
def units(tmp_path):
    """Writes the units with programs that are there, and one change; gives their paths."""
    def write(old="", new=""):
        paths = []
        for unit in (SERVICE, BACKUP, DRIFT, *TIMERS):
            text = re.sub(rf"{BIN}/\w+", sys.executable, unit.read_text())
            if unit == SERVICE:
                assert old in text
                text = text.replace(old, new) if old else text
            (tmp_path / unit.name).write_text(text)
            paths.append(tmp_path / unit.name)
        return paths

    return write


def settings(unit):
    """Keys of a unit with all their values."""
    found = {}
    for line in unit.read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def commands(heading):
    """Indented lines below a heading of the guide."""
    text = GUIDE.read_text().partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return [line.strip() for line in text.splitlines() if line.startswith("    ")]


# --- the units


def test_systemd_has_nothing_to_say_of_the_units(analyze, units):
    assert analyze("verify", *units()) == (0, "")


@pytest.mark.parametrize(("old", "new"), [
    ("KillMode=mixed", "KillMode=mixt"), ("ProtectHome", "ProtectHouse"),
    ("@system-service", "@system-servant"), (sys.executable, f"{sys.executable}-absent"),
    ("SetCredential=PGPASSWORD:\\x20", "SetCredential=PGPASSWORD")])
def test_a_mistake_in_the_unit_would_be_noticed(analyze, units, old, new):
    assert analyze("verify", *units(old, new))[1] != ""


@pytest.mark.parametrize("number", [0, 1, 2])
def test_the_units_expose_little(analyze, units, number):
    code, said = analyze("security", "--offline=true", f"--threshold={round(10 * WORST_EXPOSURE)}",
                         units()[number])
    (exposure,) = re.findall(r"Overall exposure level for [^:]*: ([0-9.]+)", said)
    assert code == 0
    assert float(exposure) < WORST_EXPOSURE


def test_the_unit_restarts_after_a_crash_but_not_after_a_mistake():
    found = settings(SERVICE)
    assert found["Restart"] == ["on-failure"]
    assert found["RestartPreventExitStatus"] == [str(cli_common.EXIT_USAGE)]
    assert str(cli_common.EXIT_FAILED) not in found.get("SuccessExitStatus", [])
    assert found["StartLimitIntervalSec"] == ["0"]


def test_a_stop_lets_the_tick_end():
    found = settings(SERVICE)
    assert found["KillMode"] == ["mixed"]
    assert found["TimeoutStopSec"] == ["30min"]
    assert Schedule().tick_timeout_s >= 30 * 60


def test_the_unit_runs_the_daemon_of_its_instance_with_its_credentials():
    found = settings(SERVICE)
    line = shlex.split(found["ExecStart"][0])
    assert line == [f"{BIN}/python", "-m", "dwlim_ops.credentials", f"{BIN}/dwlim", "up",
                    "/var/lib/dwlim/%i"]
    assert found["Type"] == ["exec"]
    assert found["StateDirectory"] == ["dwlim/%i"]
    assert [program for program, _ in line_of(["dwlim", "up", "x"])] == ["up"]


def test_caches_have_their_places():
    found = settings(SERVICE)
    folder = f"/var/cache/{found['CacheDirectory'][0]}/"
    places = dict(pair.split("=") for value in found["Environment"] for pair in shlex.split(value))
    assert set(places) == {"NUMBA_CACHE_DIR", "MPLCONFIGDIR"}
    assert all(place.startswith(folder) for place in places.values())


def test_every_secret_is_a_file_that_may_be_missing():
    found = settings(SERVICE)
    loaded = dict(value.split(":", 1) for value in found["LoadCredential"])
    absent = dict(value.split(":", 1) for value in found["SetCredential"])
    assert loaded == {name: f"/etc/dwlim/credentials/{name}" for name in loaded}
    assert absent == dict.fromkeys(loaded, "\\x20")
    assert {service.variable for service in _SERVICES.values()} - {""} <= set(loaded)
    assert {"PREFECT_SERVER_API_AUTH_STRING", "PREFECT_API_DATABASE_CONNECTION_URL",
            "PGPASSWORD"} <= set(loaded)
    assert "EnvironmentFile" not in found


def test_what_the_compiler_needs_is_not_forbidden():
    assert {"MemoryDenyWriteExecute", "ProcSubset"}.isdisjoint(settings(SERVICE))
    assert settings(SERVICE)["ProtectSystem"] == ["strict"]


def test_the_backup_reaches_no_network_and_waits_for_a_tick():
    found = settings(BACKUP)
    assert found["PrivateNetwork"] == ["yes"]
    assert found["TimeoutStartSec"] == ["3h"]
    _, option, shell = shlex.split(found["ExecStart"][0].replace("%%", "%").replace("$$", "$"))
    done = subprocess.run(["/bin/sh", option, shell.replace(f"exec {BIN}/dwlim", "echo dwlim")],
                          capture_output=True, text=True, check=True)
    ((_, options),) = line_of(shlex.split(done.stdout))
    assert re.fullmatch(r"%i-\d{8}T\d{6}Z\.tar", options["file"].name)
    assert options["file"].is_relative_to("/var/lib/dwlim-backups")
    assert "dwlim-backups" in found["StateDirectory"][0]


def test_the_drift_report_has_the_secrets_of_the_daemon_and_is_no_failure_when_it_finds_some():
    found, of_daemon = settings(DRIFT), settings(SERVICE)
    for key in ("LoadCredential", "SetCredential", "Environment", "User"):
        assert found[key] == of_daemon[key]
    line = shlex.split(found["ExecStart"][0])
    assert line[:3] == shlex.split(of_daemon["ExecStart"][0])[:3]
    ((name, _),) = line_of(["dwlim", *line[4:]])
    assert name == "models drift"
    assert found["SuccessExitStatus"] == [str(cli_common.EXIT_DEGRADED)]


def test_the_helper_runs_the_command_as_the_service_does(tmp_path):
    fake = tmp_path / "systemd-run"
    fake.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    fake.chmod(0o755)
    done = subprocess.run([UNITS / "as-dwlim", "status", "/a b"], capture_output=True, text=True,
                          check=True, env={"PATH": f"{tmp_path}:/usr/bin:/bin",
                                           "DWLIM_UNIT": str(SERVICE)})
    words = done.stdout.splitlines()
    assert words[-6:] == [f"{BIN}/python", "-m", "dwlim_ops.credentials", f"{BIN}/dwlim", "status",
                          "/a b"]
    found = settings(SERVICE)
    for key in ("LoadCredential", "SetCredential"):
        assert [word.partition("=")[2] for word in words if word.startswith("--property")
                and f"={key}=" in word] == [f"{key}={value}" for value in found[key]]
    assert [word for word in words if word.startswith("--setenv=")] == [
        f"--setenv={pair}" for value in found["Environment"] for pair in shlex.split(value)]
    assert "--uid=dwlim" in words


# --- the guide


def line_of(words):
    """The command that a line names with its parsed arguments; click refuses a wrong one."""
    context, found = None, typer.main.get_command(cli.app)
    names = []
    arguments = [PLACEHOLDERS.get(word, word) for word in words[1:]]
    while hasattr(found, "commands"):
        names.append(arguments.pop(0))
        found = found.commands[names[-1]]
    context = found.make_context(" ".join(names), arguments)
    return [(" ".join(names), context.params)]


def lines_of_ours(path):
    """Every indented line of a page that runs `dwlim`."""
    return [line.strip() for line in path.read_text().splitlines()
            if re.match(r"    (as-)?dwlim ", line)]


@pytest.mark.parametrize("line", sorted(set(lines_of_ours(GUIDE))))
def test_every_command_of_the_guide_is_accepted(line):
    line_of(shlex.split(line))


@pytest.mark.parametrize("line", ["dwlim restart x", "dwlim init x", "dwlim status x --jason",
                                  "dwlim backfill x --from 2020 --to 2021"])
def test_a_command_that_there_is_not_would_be_noticed(line):
    with pytest.raises((KeyError, USAGE_ERROR)):
        line_of(shlex.split(line))


def test_commands_in_the_text_are_ours_too():
    ours = set(typer.main.get_command(cli.app).commands)
    named = re.findall(r"`(?:as-)?dwlim ([a-z]+)", GUIDE.read_text() + THREATS.read_text())
    assert named
    assert set(named) <= ours


def test_from_nothing_to_running_takes_few_commands():
    steps = commands("From nothing to running")
    assert len(steps) < 10
    assert steps[-1] == (
        "systemctl enable --now dwlim@australia dwlim-backup@australia.timer "
        "dwlim-drift@australia.timer")
    assert settings(SERVICE)["User"] == ["dwlim"]
    assert any(step.startswith("useradd") and step.endswith(" dwlim") for step in steps)


def test_what_a_step_copies_is_there():
    for pattern in re.findall(r"/opt/dwlim/(deploy/\S+)", GUIDE.read_text()):
        assert list(ROOT.glob(pattern)), pattern
    for unit in re.findall(r"(dwlim(?:-backup)?)@\w+(\.timer)?", GUIDE.read_text()):
        assert (UNITS / f"{unit[0]}@{unit[1] or '.service'}").exists()
    assert {target for line in GUIDE.read_text().splitlines()
            for target in re.findall(r"make -C \S+ (\w+)", line)} <= set(
        re.findall(r"(?m)^(\w+):", (ROOT / "Makefile").read_text()))


def test_the_guide_names_ports_keys_and_headings_that_there_are():
    text = GUIDE.read_text()
    assert f":{Daemon().metrics_port}/metrics" in text
    assert f":{Daemon().web_port}/latest.json" in text
    assert f"port {Daemon().prefect_port}" in text
    for heading in re.findall(r'(?:see|:|without) "([A-Z][^"]+)"', text):
        assert f"## {heading}" in text
    for table, key in re.findall(r"`\[(\w+)\] (\w+)", text):
        assert key in Config.model_fields[table].annotation.model_fields
    for key in re.findall(r"`(\w+_port)`", text):
        assert key in Daemon.model_fields


def test_the_credentials_of_the_guide_are_those_of_the_unit():
    table = GUIDE.read_text().partition("| file | for |")[2].partition("\n\n")[0]
    named = set(re.findall(r"`([A-Z_]+)`", table))
    loaded = {value.partition(":")[0] for value in settings(SERVICE)["LoadCredential"]}
    assert named == loaded


def test_the_tests_that_the_threat_notes_name_are_there():
    for pattern in re.findall(r"`(tests/[^`]*)`", THREATS.read_text()):
        assert list(ROOT.glob(pattern.rstrip("/"))), pattern
    assert "constraints.txt" in THREATS.read_text()
    assert "pip-audit" in THREATS.read_text()


def test_the_version_of_the_guide_is_that_of_the_project():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"checkout v{version}\n" in GUIDE.read_text()
