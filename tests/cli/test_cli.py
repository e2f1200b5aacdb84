"""The command `dwlim`: help, exit codes, one-line errors, machine-readable answers."""

import csv
import json
import subprocess
import sys
from datetime import date

import pytest
import synthetic
import typer
from synthetic import DAY

from dwlim_ops import __version__
from dwlim_ops.cli import main as cli
from dwlim_ops.simulate.bundle import WEIGHTS
from dwlim_ops.tick import TickReport

AS_OF = "2017-01-02T18:00:00Z"
COMMANDS = {
    name: command
    for group, prefix in ((typer.main.get_command(cli.app), ""),
                          (typer.main.get_command(cli.models_app), "models "))
    for name, command in ((prefix + name, command) for name, command in group.commands.items())
    if not hasattr(command, "commands")
}


def test_there_are_the_commands_of_the_readme():
    assert set(COMMANDS) >= {"init", "run", "replay", "backfill", "demo", "status", "series",
                             "train", "verify", "models list", "models check", "models promote"}


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_help_of_every_command_shows_an_example(command, name):
    code, out, _ = command(*name.split(), "--help")
    assert code == 0
    assert f"Example: dwlim {name}" in " ".join(out.split())


def test_version(command):
    assert command("--version")[:2] == (0, f"{__version__}\n")


def test_run_publishes_and_does_nothing_the_second_time(workspace, command):
    content = synthetic.configuration()
    content["products"]["map_days"] = 1
    synthetic.write_config(workspace.root, content)
    code, out, _ = command("run", workspace.root, "--as-of", AS_OF)
    assert code == 0
    assert out.startswith("done: 2 days published, as of 2017-01-02 18:00 UTC")
    assert sorted(path.name for path in (workspace.published / "maps").iterdir()) == [
        "basins.png", f"twsa_toyland_{DAY:%Y%m%d}_r00.png"]
    code, out, _ = command("run", workspace.root, "--as-of", AS_OF)
    assert (code, out) == (0, "done: 0 days published, as of 2017-01-02 18:00 UTC\n")


def test_a_day_without_a_zone_is_utc_and_a_zone_is_converted(ticked, command):
    for text, shown in (("2016-12-20", "2016-12-20 00:00"),
                        ("2017-01-02T20:00:00+02:00", "2017-01-02 18:00")):
        _, out, _ = command("run", ticked.root, "--as-of", text)
        assert f"as of {shown} UTC" in out


def test_degraded_is_three_and_says_why(ticked, command):
    (ticked.root / "inbox/gnss/nova.up").write_text("20160101 1.0 1.0\n")
    code, out, _ = command("run", ticked.root, "--as-of", AS_OF)
    assert code == 3
    assert out.startswith("degraded:")
    assert "NOVA" in out


def test_failed_is_four(workspace, command):
    for path in (workspace.root / "inbox/gnss").iterdir():
        path.unlink()
    code, out, _ = command("run", workspace.root, "--as-of", AS_OF)
    assert code == 4
    assert "no displacement is known" in out


@pytest.mark.parametrize(("arguments", "words"), [
    (["run", "{none}"], "no such file"),
    (["status", "{none}"], "dwlim init"),
    (["run", "{ws}", "--as-of", "yesterday"], "ISO 8601"),
    (["init", "{ws}", "--region", "australia"], "exists already"),
    (["init", "{none}", "--region", "atlantis"], "no such region"),
    (["series", "{ws}", "--basin", "99"], "no such basin"),
    (["series", "{ws}", "--method", "magic"], "no such method"),
    (["series", "{none}"], "nothing is published yet"),
    (["models", "check", "{ws}"], "no such bundle"),
    (["models", "promote", "{ws}", "small-0"], "no such bundle"),
    (["train", "{ws}", "--role", "large"], "no such table"),
    (["verify", "{ws}"], "no GRACE"),
])
def test_an_error_of_use_is_two_and_one_line(ticked, tmp_path, command, arguments, words):
    places = {"{ws}": str(ticked.root), "{none}": str(tmp_path / "none")}
    code, out, err = command(*(places.get(one, one) for one in arguments))
    assert (code, out) == (2, "")
    lines = [line for line in err.splitlines() if " INFO " not in line]
    assert len(lines) == 1
    assert words in lines[0]
    assert "Traceback" not in err


@pytest.mark.parametrize("arguments", [["run"], ["fly", "ws"], ["run", "ws", "--colour"],
                                       ["replay", "ws", "--from", "1 May", "--to", "2016-01-01"]])
def test_words_that_are_no_command_are_two(command, arguments):
    code, _, err = command(*arguments)
    assert code == 2
    assert "Traceback" not in err


def test_a_damaged_ledger_is_four_and_one_line(ticked, command):
    for path in (ticked.root / "state").glob("ledger.db*"):
        path.unlink()
    (ticked.root / "state/ledger.db").write_bytes(b"not a database at all" * 100)
    code, _, err = command("run", ticked.root, "--as-of", AS_OF)
    assert code == 4
    assert "ledger" in err
    assert "remedy" in err
    assert "Traceback" not in err


def test_replay_publishes_each_day_when_its_data_came_in(workspace, command):
    code, out, _ = command("replay", workspace.root, "--from", "2016-12-10", "--to", "2016-12-12")
    assert code == 0
    assert out.startswith("done: 3 days published, as of 2016-12-14 23:59 UTC")
    rows = series(command, workspace)
    assert sorted({row["date"] for row in rows}) == ["2016-12-10", "2016-12-11", "2016-12-12"]


def test_backfill_takes_all_that_is_known(ticked, command):
    code, out, _ = command("backfill", ticked.root, "--from", "2016-03-01", "--to", "2016-03-03")
    assert code == 0
    assert out.startswith("done: 3 days published")


def series(command, workspace, *arguments):
    code, out, _ = command("series", workspace.root, *arguments)
    assert code == 0
    return list(csv.DictReader(out.splitlines()))


def test_series_are_filtered_by_basin_and_method(served, command):
    every = series(command, served)
    assert len(every) == 2 * 3 * 3
    assert list(every[0]) == ["date", "basin", "method", "twsa_mm", "sigma_mm", "tier", "revision"]
    one = series(command, served, "--basin", "12")
    assert one == [row for row in every if row["basin"] == "12"]
    both = series(command, served, "--basin", "12", "--method", "dwlim")
    assert [(row["date"], row["method"]) for row in both] == [
        ("2016-12-30", "dwlim"), (str(DAY), "dwlim")]


def test_status_is_json_for_machines_and_lines_for_people(ticked, command):
    (ticked.root / "inbox/gnss/nova.up").write_text("20160101 1.0 1.0\n")
    command("run", ticked.root, "--as-of", AS_OF)
    code, out, _ = command("status", ticked.root, "--json")
    assert code == 0
    facts = json.loads(out)
    assert facts["region"] == synthetic.REGION
    assert facts["newest published day"] == str(DAY)
    assert facts["published days"] == 2
    assert facts["bundle"] == "none: GNSS-only"
    assert facts["stations"] == "30 used of 30"
    assert facts["out of date"] == []
    (reason,) = facts["quarantined"]
    assert "NOVA" in reason
    assert any("NOVA" in text for text in facts["degraded"])
    code, out, _ = command("status", ticked.root)
    assert code == 0
    assert f"newest published day: {DAY}" in out
    assert "NOVA" in out


def test_status_of_a_workspace_that_never_ran(workspace, command):
    code, out, _ = command("status", workspace.root, "--json")
    assert code == 0
    assert json.loads(out)["newest published day"] is None


def test_a_damaged_bundle_degrades_and_status_says_why(trained, command):
    (path,) = (trained.root / "models" / synthetic.REGION).glob(f"*/{WEIGHTS}")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    code, out, _ = command("run", trained.root, "--as-of", AS_OF)
    assert code == 3
    assert "bundle is refused" in out
    facts = json.loads(command("status", trained.root, "--json")[1])
    assert facts["bundle"] == "none: GNSS-only"
    assert any("bundle is refused" in text and WEIGHTS in text for text in facts["degraded"])


def test_train_check_promote_and_run_with_the_bundle(workspace, command):
    code, out, _ = command("train", workspace.root, "--role", "small")
    assert code == 0
    bundle_id = out.strip()
    assert bundle_id.startswith("small-")
    assert command("models", "check", workspace.root)[0] == 2
    assert command("models", "check", workspace.root, "--bundle", "small")[0] == 0
    assert command("models", "promote", workspace.root, bundle_id)[0] == 0
    code, out, _ = command("models", "list", workspace.root)
    assert code == 0
    assert bundle_id in out
    assert "current, small" in out
    code, out, _ = command("models", "check", workspace.root)
    assert (code, out) == (0, f"{bundle_id} is whole and gives its known answer\n")
    assert command("run", workspace.root, "--as-of", AS_OF)[0] == 0
    assert {row["method"] for row in series(command, workspace)} == {
        "tragnss", "dwlim", "dwlim_st"}


def test_init_makes_a_workspace_that_names_the_next_step(tmp_path, command):
    code, out, _ = command("init", tmp_path / "ws", "--region", "australia")
    assert code == 0
    assert "dwlim run" in out
    assert (tmp_path / "ws/dwlim.toml").is_file()


def test_only_the_first_remarks_are_printed(command, ticked, monkeypatch):
    many = tuple(f"remark {number}" for number in range(40))
    monkeypatch.setattr("flows.daily.daily", lambda *_, **__: TickReport(
        synthetic.AS_OF, "degraded", (date(2016, 1, 1),), many))
    code, out, _ = command("run", ticked.root, "--as-of", AS_OF)
    assert code == 3
    assert "remark 9\n" in out
    assert "remark 10" not in out


def test_the_module_is_the_command(tmp_path):
    ended = subprocess.run([sys.executable, "-m", "dwlim_ops", "series", str(tmp_path)],
                           capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr.count("\n") == 1
    assert "nothing is published yet" in ended.stderr


@pytest.mark.parametrize("name", ["replay", "backfill"])
def test_days_in_the_wrong_order_are_a_matter_of_usage(command, workspace, name):
    code, _, err = command(name, workspace.root, "--from", "2016-12-31", "--to", "2016-12-30")
    assert code == 2
    assert "no day in between" in err
