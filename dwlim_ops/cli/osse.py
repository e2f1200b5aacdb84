"""The command `dwlim osse`: a synthetic Earth, and how well the estimates find its water."""

import json
from typing import Annotated

import typer

from dwlim_ops.cli.common import WorkspaceArgument, clock, open_session, out
from dwlim_ops.errors import ConfigError
from dwlim_ops.workspace import write_atomically

REPORTS = "reports"


def osse(
    workspace: WorkspaceArgument,
    *,
    region: Annotated[str, typer.Option(help="A built-in region or the path of a region's TOML.")],
    n_years: Annotated[int | None, typer.Option(
        "--years", help="Length of the record; default 7, quick 4.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, another Earth.")] = 1,
    coupling: Annotated[float, typer.Option(
        "--weather-coupling", min=0.0, help="How much weather tells of water; 1 as in nature.",
    )] = 1.0,
    quick: Annotated[bool, typer.Option(
        "--quick", help="Four years, small networks, few days: about two minutes.")] = False,
    inputs_only: Annotated[bool, typer.Option(
        "--inputs-only", help="Make the workspace and stop.")] = False,
    thermal: Annotated[bool, typer.Option(
        "--thermal", help="Monuments expand in the files, too; only with --inputs-only.")] = False,
) -> None:
    """Make a synthetic Earth in WS, run all estimates on it, score them against the truth.

    WS becomes a workspace like any other, labelled synthetic: its inbox holds station files,
    weather and loading. The scores go to WS/reports.

    Example: dwlim osse earth --region china --quick
    """
    from dwlim_ops.osse.experiments import FULL, QUICK, run_osse
    from dwlim_ops.osse.report import to_json, to_markdown
    from dwlim_ops.osse.world import make_world, write_workspace
    from dwlim_ops.synthetic.settings import EarthSettings
    from dwlim_ops.telemetry.progress import stages

    if thermal and not inputs_only:
        raise ConfigError("the experiments add thermal expansion themselves", where="--thermal",
                          expected="it together with --inputs-only")
    world = make_world(region, n_years=n_years or (4 if quick else 7), quick=quick, thermal=thermal,
                       settings=EarthSettings(seed=seed, weather_coupling=coupling))
    made = write_workspace(workspace, region, world)
    if inputs_only:
        out.print(f"made {made.root} from seed {seed}; next: dwlim run {made.root} "
                  f"--as-of {world.spans.as_of:%Y-%m-%d}", highlight=False, soft_wrap=True)
        return
    with open_session(workspace) as session, stages() as progress:
        findings = run_osse(session, world, effort=QUICK if quick else FULL, now=clock(),
                            progress=progress)
    text = to_markdown(world, findings)
    reports = made.root / REPORTS
    write_atomically(reports / "osse.md", text.encode())
    write_atomically(reports / "osse.json",
                     json.dumps(to_json(world, findings), indent=1).encode())
    out.print(text, highlight=False, markup=False, soft_wrap=True)
    out.print(f"written: {reports / 'osse.md'}", highlight=False, soft_wrap=True)
