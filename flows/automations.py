"""What Prefect does by itself about runs of the tick that are late, stuck or dead.

Nothing here is needed for right results: work is derived from the ledger, and one process writes at
a time. It keeps a dead run from holding the only place, and the list of runs true.
"""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events.actions import CancelFlowRun, ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture

#: A dead run is noticed after three heartbeats (`PREFECT_FLOWS_HEARTBEAT_FREQUENCY` of the daemon).
DEAD_AFTER = timedelta(seconds=90)
LATE_AFTER = timedelta(hours=1)
#: A run that is over its time-out ends itself; one that does not is killed after so much more.
STUCK_AFTER_TIMEOUT = timedelta(minutes=10)

_ENDS = ("Completed", "Degraded", "Skipped", "Failed", "TimedOut", "Crashed", "Cancelled",
         "Cancelling")
_STARTS = ("Pending", "Running")


def automations(name: str, deployment_id: UUID, timeout: timedelta, *,
                dead_after: timedelta = DEAD_AFTER,
                late_after: timedelta = LATE_AFTER) -> Iterator[AutomationCore]:
    """What is to happen to the runs of one deployment."""
    def missing(after: str, *expected: str, within: timedelta) -> EventTrigger:
        return EventTrigger(
            after={f"prefect.flow-run.{after}"}, within=within, posture=Posture.Proactive,
            expect={f"prefect.flow-run.{state}" for state in expected},
            match={"prefect.resource.id": "prefect.flow-run.*"},
            match_related={"prefect.resource.id": f"prefect.deployment.{deployment_id}"},
            for_each={"prefect.resource.id"})

    yield AutomationCore(
        name=f"{name}: dead", description="Its heart has stopped: it has crashed.",
        trigger=missing("heartbeat", "heartbeat", *_ENDS, within=dead_after),
        actions=[_end(StateType.CRASHED, "no heartbeat")])
    yield AutomationCore(
        name=f"{name}: late", description="Nobody runs it; the next tick catches up.",
        trigger=missing("Late", *_STARTS, *_ENDS, within=late_after),
        actions=[_end(StateType.CANCELLED, "caught up by one tick")])
    yield AutomationCore(
        name=f"{name}: stuck", description="It is over its time-out and has not ended itself.",
        trigger=missing("Running", *_ENDS, within=timeout),
        actions=[CancelFlowRun()])


def _end(state: StateType, message: str) -> ChangeFlowRunState:
    return ChangeFlowRunState(state=state, name=None, message=message, force=False)


async def install(client: PrefectClient, wanted: Iterable[AutomationCore]) -> None:
    """Have the server know each automation once; what it knows already is left as it is."""
    for automation in wanted:
        found = await client.read_automations_by_name(automation.name)
        same = [one for one in found if _content(one) == _content(automation)]
        for other in found:
            if other not in same[:1]:
                await client.delete_automation(other.id)
        if not same:
            await client.create_automation(automation)


def _content(automation: AutomationCore) -> tuple[object, ...]:
    trigger = automation.trigger
    assert isinstance(trigger, EventTrigger)  # noqa: S101  # of that name there are no others
    return (automation.description, automation.enabled, automation.actions, trigger.after,
            trigger.expect, trigger.match, trigger.match_related, trigger.for_each, trigger.posture,
            trigger.threshold, trigger.within)
