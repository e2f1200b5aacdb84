"""The runner of the daemon: serves the scheduled tick until it is told to stop.

Run by `dwlim up` as `python -m flows.service WS`; Prefect's environment is set by then.
"""

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from prefect import serve
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import (
    ConcurrencyLimitConfig,
    ConcurrencyLimitStrategy,
    StateType,
)
from prefect.deployments.runner import EntrypointType, RunnerDeployment
from prefect.states import Cancelled, Crashed

from dwlim_ops.config import Schedule, read_config
from dwlim_ops.workspace import Workspace
from flows.automations import STUCK_AFTER_TIMEOUT, automations, install
from flows.scheduled import tick


def deployment_name(region: str) -> str:
    """Name under which a region's tick is deployed."""
    return f"tick-{region}"


def serve_ticks(workspace: Workspace, region: str, schedule: Schedule) -> None:
    """Serve the tick until SIGTERM; a tick that runs is finished first.

    One tick runs at a time; one that comes due meanwhile is left out. What was missed while the
    daemon was down is caught up by one tick at once.
    """
    deployment = asyncio.run(_deploy(workspace, region, schedule))
    serve(deployment, pause_on_shutdown=False, print_starting_message=False, limit=1)


async def _deploy(workspace: Workspace, region: str, schedule: Schedule) -> RunnerDeployment:
    name = deployment_name(region)
    deployment = await tick.ato_deployment(
        name, cron=schedule.tick_cron, parameters={"workspace": str(workspace.root.resolve())},
        concurrency_limit=ConcurrencyLimitConfig(
            limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW),
        tags=["dwlim", region], entrypoint_type=EntrypointType.MODULE_PATH)
    async with get_client() as client:
        deployment_id = await deployment.aapply()
        await clear_leftovers(client, name, datetime.now(UTC))
        timeout = timedelta(seconds=schedule.tick_timeout_s) + STUCK_AFTER_TIMEOUT
        await install(client, automations(f"dwlim {name}", deployment_id, timeout))
        await client.create_flow_run_from_deployment(deployment_id, name="catch-up")
    return deployment


async def clear_leftovers(client: PrefectClient, name: str, now: datetime) -> tuple[int, int]:
    """Settle the runs of a daemon that is gone; returns how many were missed and how many broken.

    A run that came due while nobody ran it is cancelled. One that was killed would hold the only
    place until its lease ends: it is said to have crashed.
    """
    runs = await client.read_flow_runs(
        deployment_filter=DeploymentFilter(name=DeploymentFilterName(any_=[name])),
        flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(
            any_=[StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING]))))
    missed = [run for run in runs if run.state_type == StateType.SCHEDULED
              and run.expected_start_time is not None and run.expected_start_time <= now]
    broken = [run for run in runs if run.state_type != StateType.SCHEDULED]
    for run in missed:
        await client.set_flow_run_state(
            run.id, Cancelled(message="caught up by one tick"), force=True)
    for run in broken:
        await client.set_flow_run_state(
            run.id, Crashed(message="its daemon was killed"), force=True)
    return len(missed), len(broken)


def main() -> None:
    """Serve the workspace named on the command line."""
    workspace = Workspace(Path(sys.argv[1]))
    config = read_config(workspace.config_file)
    serve_ticks(workspace, config.region.name, config.schedule)


if __name__ == "__main__":
    main()
