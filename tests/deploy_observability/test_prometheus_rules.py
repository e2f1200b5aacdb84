"""Rules, their cases, Alertmanager's routes: judged by the programs that will read them."""

import json
import re
import shutil
import subprocess
import time
from datetime import UTC, datetime, timedelta

import pytest
import yaml
from observability import DEPLOY, RULES, free_port, program, run

from dwlim_ops.cli import main as cli
from dwlim_ops.telemetry.metrics import FAMILIES, PREFIX

CASES = sorted((DEPLOY / "prometheus" / "tests").glob("*.yml"))
ALERTMANAGER = DEPLOY / "alertmanager" / "alertmanager.yml"
RUNBOOK = DEPLOY / "RUNBOOK.md"
RECEIVERS = {"critical": "on-call", "warning": "operators", "none": "watchdog"}
UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def groups(path):
    return yaml.safe_load(path.read_text())["groups"]


def alerts():
    return {rule["alert"]: rule for group in groups(RULES / "alerts.yml")
            for rule in group["rules"]}


def records():
    return {rule["record"] for group in groups(RULES / "recording.yml")
            for rule in group["rules"]}


def seconds(text):
    return sum(int(n) * UNITS_S[unit] for n, unit in re.findall(r"(\d+)([smhd])", text))


def cases():
    return [(test, one) for path in CASES for test in yaml.safe_load(path.read_text())["tests"]
            for one in test["alert_rule_test"]]


def test_promtool_accepts_rules_and_configuration():
    promtool = program("promtool")
    done = run(promtool, "check", "rules", "--lint=all", "--lint-fatal", *sorted(RULES.glob("*")))
    assert done.returncode == 0, done.stdout + done.stderr
    done = run(promtool, "check", "config", "--lint=all",
               DEPLOY / "prometheus" / "prometheus.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 rule files found" in done.stdout


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_alerts_fire_when_they_must_and_are_silent_when_they_must_not(path):
    done = run(program("promtool"), "test", "rules", path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", sorted(alerts()))
def test_every_alert_has_both_cases(name):
    of_alert = [one["exp_alerts"] for _, one in cases() if one["alertname"] == name]
    assert any(of_alert)
    assert any(not expected for expected in of_alert)


def test_a_silent_case_has_data_when_it_is_looked_at():
    for test, one in cases():
        for series in test["input_series"]:
            counts = [int(n) + 1 for n in re.findall(r"x(\d+)", series["values"])]
            singles = len([t for t in series["values"].split() if "x" not in t])
            length_s = (sum(counts) + singles - 1) * seconds(test["interval"])
            assert length_s >= seconds(one["eval_time"]), test["name"]


@pytest.mark.parametrize("name", sorted(alerts()))
def test_an_alert_says_what_it_is_and_where_its_page_stands(name):
    rule = alerts()[name]
    assert rule["labels"] == {"severity": rule["labels"]["severity"]}
    assert rule["labels"]["severity"] in RECEIVERS
    said = rule["annotations"]
    assert set(said) == {"summary", "description", "runbook_url"}
    assert "{{" not in said["summary"]
    assert not said["summary"].endswith(".")
    assert said["description"].endswith(".")
    assert "$labels.instance" in said["description"] or name == "DwlimWatchdog"
    prefix = "file:///opt/dwlim/deploy/RUNBOOK.md#"
    assert said["runbook_url"] == prefix + name.lower()


def page(name):
    parts = re.split(r"^## (.*)$", RUNBOOK.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True)).get(name)


@pytest.mark.parametrize("name", sorted(alerts()))
def test_the_runbook_has_a_page_for_the_alert(name):
    text = page(name)
    assert text is not None
    for part in ("**Means.**", "**See.**", "**Do.**", "**Escalate.**"):
        assert part in text
    assert re.search(r"^    \S", text, flags=re.MULTILINE) or "`" in text


def test_the_runbook_has_no_page_of_an_alert_that_is_gone():
    headings = re.findall(r"^## (Dwlim\w+)$", RUNBOOK.read_text(), flags=re.MULTILINE)
    assert sorted(headings) == sorted(alerts())


def test_every_command_of_the_runbook_is_one_of_ours():
    text = RUNBOOK.read_text()
    ours = {command.name or command.callback.__name__ for command in cli.app.registered_commands}
    groups_of_ours = {group.name: {command.name for command in
                                   group.typer_instance.registered_commands}
                      for group in cli.app.registered_groups}
    named = re.findall(r"as-dwlim ([a-z]+)(?: ([a-z]+))?", text)
    assert named
    for first, second in named:
        assert first in ours or second in groups_of_ours.get(first, set()), f"{first} {second}"


def test_rules_ask_for_metrics_that_there_are():
    known = {f"{PREFIX}_{family.name}" for family in FAMILIES} | {"dwlim_ledger_readable"}
    known |= {"dwlim_drift_", "dwlim_st"}  # a pattern of names, and an estimate
    for path in sorted(RULES.glob("*.yml")):
        for group in groups(path):
            for rule in group["rules"]:
                assert set(re.findall(r"\bdwlim_[a-z_]+", rule["expr"])) <= known, rule
                assert set(re.findall(r"\bdwlim:[a-z_:0-9]+", rule["expr"])) <= records(), rule


def test_amtool_accepts_alertmanager():
    done = run(program("amtool"), "check-config", ALERTMANAGER)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 inhibit rules" in done.stdout


@pytest.mark.parametrize(("severity", "receiver"), RECEIVERS.items())
def test_severity_decides_who_is_told(severity, receiver):
    done = run(program("amtool"), "config", "routes", "test", f"--config.file={ALERTMANAGER}",
               f"severity={severity}", "job=dwlim", "instance=host:9108")
    assert (done.returncode, done.stdout.strip()) == (0, receiver)


@pytest.fixture(scope="module")
def alertmanager(tmp_path_factory):
    """Address of an Alertmanager with our configuration, and a function that asks amtool."""
    folder, port = tmp_path_factory.mktemp("alertmanager"), free_port()
    amtool, url = program("amtool"), f"http://127.0.0.1:{port}"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [program("prometheus-alertmanager"), f"--config.file={ALERTMANAGER}",
             f"--storage.path={folder}", f"--web.listen-address=127.0.0.1:{port}",
             "--cluster.listen-address="], stdout=log, stderr=log)

    def ask(*arguments):
        return run(amtool, f"--alertmanager.url={url}", *arguments)

    end = time.monotonic() + 30
    while ask("config", "show").returncode != 0:
        assert time.monotonic() < end, (folder / "log").read_text()
        time.sleep(0.3)
    yield ask
    process.terminate()
    process.wait(30)
    shutil.rmtree(folder)


def test_what_follows_from_something_worse_is_not_told_beside_it(alertmanager):
    named = set(re.findall(r"Dwlim\w+", ALERTMANAGER.read_text()))
    assert named <= set(alerts())
    ends = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    for instance, names in {"a:1": ["DwlimDown", "DwlimDaysStale", "DwlimDiskAlmostFull"],
                            "b:1": ["DwlimTickFailing", "DwlimDegradedLong", "DwlimInputLate"],
                            "c:1": ["DwlimDaysStale", "DwlimDiskFilling"]}.items():
        for name in names:
            severity = alerts()[name]["labels"]["severity"]
            done = alertmanager("alert", "add", f"alertname={name}", f"severity={severity}",
                                "job=dwlim", f"instance={instance}", f"--end={ends}")
            assert done.returncode == 0, done.stderr
    expected = {("a:1", "DwlimDown"), ("a:1", "DwlimDiskAlmostFull"), ("b:1", "DwlimTickFailing"),
                ("b:1", "DwlimInputLate"), ("c:1", "DwlimDaysStale"), ("c:1", "DwlimDiskFilling")}
    end = time.monotonic() + 30
    while True:
        told = json.loads(alertmanager("alert", "query", "--active", "--output=json").stdout)
        active = {(one["labels"]["instance"], one["labels"]["alertname"]) for one in told
                  if one["status"]["state"] == "active"}
        if active == expected or time.monotonic() > end:
            break
        time.sleep(0.5)
    assert active == expected
