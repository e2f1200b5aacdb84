"""The command `dwlim hindcast`: what the alerts of past years would have been worth."""

from datetime import datetime
from typing import Annotated

import typer

from dwlim_ops.cli.common import WorkspaceArgument, clock, open_session, out


def hindcast(
    workspace: WorkspaceArgument,
    *,
    train_from: Annotated[datetime | None, typer.Option(
        formats=["%Y-%m-%d"], help="First training day; default: of the climatology.")] = None,
    train_to: Annotated[datetime | None, typer.Option(
        formats=["%Y-%m-%d"], help="Last training day; default: of the climatology.")] = None,
    test_from: Annotated[datetime | None, typer.Option(
        formats=["%Y-%m-%d"], help="First test day; default: after the training years.")] = None,
    test_to: Annotated[datetime | None, typer.Option(
        formats=["%Y-%m-%d"], help="Last test day; default: the newest.")] = None,
) -> None:
    """Score the alerts of past years, thresholds chosen on training years; writes a report.

    Example: dwlim hindcast demo --train-to 2014-12-31
    """
    from dwlim_ops.config import Span
    from dwlim_ops.hindcast.evaluation import default_test, default_training, take_in
    from dwlim_ops.hindcast.evaluation import hindcast as score
    from dwlim_ops.hindcast.scores import HindcastSettings
    from dwlim_ops.telemetry.progress import stages

    with open_session(workspace) as session, stages() as progress:
        now = clock()
        known = take_in(session, as_of=now, now=now, progress=progress)
        usual = default_training(session, known)
        training = Span(first=train_from.date() if train_from else usual.first,
                        last=train_to.date() if train_to else usual.last)
        after = default_test(known, training) if None in (test_from, test_to) else training
        test = Span(first=test_from.date() if test_from else after.first,
                    last=test_to.date() if test_to else after.last)
        report = score(session, known, training, test, settings=HindcastSettings(),
                       progress=progress)
    out.print(report.text, highlight=False, markup=False, soft_wrap=True)
    out.print(f"written: {report.path}", highlight=False, soft_wrap=True)
