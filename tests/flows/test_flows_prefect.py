"""Prefect itself: a real server, asked for what the daemon relies on."""

import asyncio
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import prefect_server
import pytest
import sqlalchemy as sa
import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from prefect.events.clients import get_events_client
from prefect.events.schemas.events import Event
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_URL,
    PREFECT_SERVER_ALLOW_EPHEMERAL_MODE,
    temporary_settings,
)
from prefect.states import Running, Scheduled

from dwlim_ops.config import Schedule
from dwlim_ops.daemon import SERVER_DEFAULTS
from flows.automations import automations, install
from flows.scheduled import tick
from flows.service import _deploy, deployment_name

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
FILE = ROOT / "deploy" / "prefect.yaml"
AUTHENTICATION = "desk:of-no-use-elsewhere"
SHORT, LONG = timedelta(seconds=10), timedelta(hours=5)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server that asks for a password and looks for missing events every second."""
    with prefect_server.running(
            tmp_path_factory.mktemp("prefect"), PREFECT_SERVER_API_AUTH_STRING=AUTHENTICATION,
            PREFECT_API_AUTH_STRING=AUTHENTICATION,
            PREFECT_SERVER_EVENTS_PROACTIVE_GRANULARITY="PT1S",
            PREFECT_SERVER_SERVICES_LATE_RUNS_LOOP_SECONDS="1",
            PREFECT_SERVER_SERVICES_LATE_RUNS_AFTER_SECONDS="1", **SERVER_DEFAULTS) as found:
        yield found


@pytest.fixture
def client(server):
    """Runs a coroutine function with a client of the server."""
    def run(function):
        async def with_client():
            async with get_client() as opened:
                return await function(opened)

        with temporary_settings({PREFECT_API_URL: server.url, PREFECT_API_AUTH_STRING:
                                 AUTHENTICATION, PREFECT_SERVER_ALLOW_EPHEMERAL_MODE: False}):
            return asyncio.run(with_client())

    return run


def status(url):
    return httpx.get(url, timeout=20).status_code


def test_without_the_password_only_health_is_told(server):
    assert status(f"{server.url}/health") == 200
    for path in ("admin/version", "flows/count", "automations/", "variables/name/x"):
        assert status(f"{server.url}/{path}") == 401


def test_with_the_password_the_client_is_served(client):
    assert client(lambda opened: opened.api_version())


def test_the_server_was_not_told_the_password_on_its_command_line(server):
    line = Path(f"/proc/{server.process.pid}/cmdline").read_bytes()
    assert AUTHENTICATION.encode() not in line
    assert b"start" in line


# --- the deployment that the daemon serves


def test_the_deployment_says_when_how_often_and_under_which_name(client, workspace):
    async def look(opened):
        schedule = Schedule(tick_cron="7 3 * * *", tick_timeout_s=1800)
        await _deploy(workspace, "toyland", schedule)
        await _deploy(workspace, "toyland", schedule)
        found = await opened.read_deployment_by_name(f"tick/{deployment_name('toyland')}")
        return found, await opened.read_automations()

    found, known = client(look)
    assert [(one.schedule.cron, one.active) for one in found.schedules] == [("7 3 * * *", True)]
    assert set(found.tags) == {"dwlim", "toyland"}
    assert found.global_concurrency_limit.limit == 1
    assert found.concurrency_options.collision_strategy == "CANCEL_NEW"
    assert found.parameters == {"workspace": str(workspace.root.resolve())}
    assert sorted(one.name for one in known if "tick-toyland" in one.name) == [
        f"dwlim tick-toyland: {what}" for what in ("dead", "late", "stuck")]
    (stuck,) = (one for one in known if one.name == "dwlim tick-toyland: stuck")
    assert stuck.trigger.within == timedelta(seconds=1800 + 600)


# --- automations


@asynccontextmanager
async def deployed(opened, name):
    """A deployment that nobody serves, and the related resource of its runs' events."""
    deployment = await tick.ato_deployment(name, parameters={"workspace": "/nowhere"})
    deployment_id = await deployment.aapply()
    yield deployment_id
    await opened.delete_deployment(deployment_id)


async def becomes(opened, run_id, wanted):
    end = time.monotonic() + 45
    while True:
        run = await opened.read_flow_run(run_id)
        if run.state.type == wanted:
            return run.state
        assert time.monotonic() < end, f"it is {run.state!r}, not {wanted}"
        await asyncio.sleep(0.5)


def test_automations_are_made_once_and_renewed_when_they_change(client):
    async def look(opened):
        async with deployed(opened, "once") as deployment_id:
            async def ids():
                return {one.name: one.id for one in await opened.read_automations()
                        if one.name.startswith("once")}

            await install(opened, automations("once", deployment_id, LONG))
            first = await ids()
            await install(opened, automations("once", deployment_id, LONG))
            again = await ids()
            await install(opened, automations("once", deployment_id, 2 * LONG))
            return first, again, await ids()

    first, again, changed = client(look)
    assert len(first) == 3
    assert again == first
    assert {name for name in first if first[name] != changed[name]} == {"once: stuck"}
    assert changed.keys() == first.keys()


def test_a_run_without_a_heartbeat_is_said_to_have_crashed(client):
    async def look(opened):
        async with deployed(opened, "dead") as deployment_id:
            await install(opened, automations("dead", deployment_id, LONG, dead_after=SHORT))
            run = await opened.create_flow_run_from_deployment(deployment_id, state=Running())
            async with get_events_client() as events:
                await events.emit(Event(
                    event="prefect.flow-run.heartbeat",
                    resource={"prefect.resource.id": f"prefect.flow-run.{run.id}"},
                    related=[{"prefect.resource.id": f"prefect.deployment.{deployment_id}",
                              "prefect.resource.role": "deployment"}]))
            return await becomes(opened, run.id, StateType.CRASHED)

    assert client(look).message == "no heartbeat"


def test_a_run_that_nobody_starts_is_cancelled(client):
    async def look(opened):
        async with deployed(opened, "late") as deployment_id:
            await install(opened, automations("late", deployment_id, LONG, late_after=SHORT))
            due = datetime.now(UTC) - timedelta(minutes=1)
            run = await opened.create_flow_run_from_deployment(
                deployment_id, state=Scheduled(scheduled_time=due))
            return await becomes(opened, run.id, StateType.CANCELLED)

    assert client(look).message == "caught up by one tick"


def test_a_run_over_its_time_is_cancelled(client):
    async def look(opened):
        async with deployed(opened, "stuck") as deployment_id:
            await install(opened, automations("stuck", deployment_id, SHORT))
            run = await opened.create_flow_run_from_deployment(deployment_id)
            await opened.set_flow_run_state(run.id, Running(), force=True)
            return await becomes(opened, run.id, StateType.CANCELLING)

    assert "Cancelled by Automation" in client(look).message


# --- prefect.yaml


def test_the_file_deploys_the_tick_as_the_daemon_does(server, client, workspace, tmp_path):
    async def pool(opened):
        from prefect.client.schemas.actions import WorkPoolCreate
        await opened.create_work_pool(WorkPoolCreate(name="desk", type="process"))

    client(pool)
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file",
             str(FILE)], cwd=ROOT, check=False, capture_output=True, text=True, timeout=120,
            env={**server.environment, "DWLIM_WORKSPACE": str(workspace.root),
                 "DWLIM_WORK_POOL": "desk"})
        assert done.returncode == 0, done.stdout + done.stderr
    found = client(lambda opened: opened.read_deployment_by_name("tick/tick"))
    ours = Schedule()
    assert [(one.schedule.cron, one.active) for one in found.schedules] == [(ours.tick_cron, True)]
    assert found.global_concurrency_limit.limit == 1
    assert found.concurrency_options.collision_strategy == "CANCEL_NEW"
    assert found.parameters == {"workspace": str(workspace.root)}
    assert (found.work_pool_name, found.tags) == ("desk", ["dwlim"])
    assert found.entrypoint == "flows/scheduled.py:tick"


def test_the_file_names_the_version_that_runs():
    wanted = yaml.safe_load(FILE.read_text())["prefect-version"]
    assert f"prefect=={wanted}\n" in (ROOT / "constraints.txt").read_text()


# --- PostgreSQL


def test_the_server_of_the_daemon_runs_on_postgresql(postgresql_server, tmp_path):
    url = postgresql_server.new_database()
    asynchronous = url.replace("+psycopg", "+asyncpg")
    with prefect_server.running(
            tmp_path, PREFECT_API_DATABASE_CONNECTION_URL=asynchronous, **SERVER_DEFAULTS) as one:
        assert status(f"{one.url}/ready") == 200
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        names = set(sa.inspect(connection).get_table_names())
    engine.dispose()
    assert {"flow_run", "deployment", "automation"} <= names
    assert not list((tmp_path / "prefect").glob("*.db"))
