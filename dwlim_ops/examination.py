"""What `dwlim doctor` looks at in one workspace."""

from datetime import datetime
from importlib import metadata
from pathlib import Path

from dwlim_ops.doctor import Check, checks
from dwlim_ops.errors import ConfigError
from dwlim_ops.session import Session

#: A year of a region's raw files, products and pictures.
NEEDED_BYTES = 5 * 2**30


def examine(session: Session, now: datetime) -> list[Check]:
    """Every check of `doctor.checks`, for the services that this region asks."""
    workspace, services = session.workspace, session.services
    used, home = services.used, Path.home()
    try:
        endpoints = {name: services.endpoints[name] for name in used} if used else {}
    except ConfigError as error:
        return [Check("endpoints", "failed", error.what + ": " + error.where, error.remedy)]
    return checks(
        now=now, newest=session.ledger.newest_wall_time(),
        endpoints=endpoints,
        open_client=services.open, workspace=workspace.root,
        folders=[workspace.raw, workspace.state, workspace.published],
        needed_bytes=NEEDED_BYTES,
        secret_files=[home / ".netrc", home / ".ecmwfdatastoresrc"] if used else [],
        requirements=metadata.requires("dwlim-ops") or [])
