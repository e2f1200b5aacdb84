"""Center for Space Research: one mascon file, replaced in place (UPSTREAMS 6.2)."""

from typing import Final

from tests.replicas import mascons
from tests.replicas.faults import CsrFault
from tests.replicas.messages import Reply, Request, not_found, static_file
from tests.replicas.server import Replica
from tests.replicas.world import Box

FILE: Final = "CSR_GRACE_GRACE-FO_RL0603_Mascons_all-corrections.nc"
#: What it is called under `CsrFault.RENAMED`.
NEW_FILE: Final = "CSR_GRACE_GRACE-FO_RL0604_Mascons_all-corrections.nc"
MASK: Final = "CSR_GRACE_GRACE-FO_RL06_Mascons_v02_LandMask.nc"


class Csr(Replica):
    """The mascon file and its land mask, of the region and 3 deg around, not global."""

    faults = CsrFault
    root = "/outgoing/grace/RL0603_mascons"

    @property
    def extent(self) -> Box:
        """Region of the files."""
        return self.world.box.widened(3.0)

    def answer(self, request: Request) -> Reply:
        if request.method not in {"GET", "HEAD"} or not request.path.startswith(self.root + "/"):
            return not_found(request.path)
        name = request.path.removeprefix(self.root + "/")
        modified = self.world.month_released(
            self.world.mascon_last_month(), self.world.latencies.mascon_after_month_days)
        if name == MASK:
            return static_file(mascons.csr_land_mask(self.extent),
                               modified.replace(year=2019), "application/x-netcdf")
        there = NEW_FILE if self.meets(request, CsrFault.RENAMED) else FILE
        if name != there:
            return not_found(request.path)
        months = tuple(self.world.mascon_months())
        if self.meets(request, CsrFault.DUPLICATE_MONTH):
            months = (*months[:5], months[4], *months[5:])
        if self.meets(request, CsrFault.MONTHS_LOST):
            months = months[:-12]
        return static_file(mascons.csr_file(self.extent, months), modified,
                           "application/x-netcdf")
