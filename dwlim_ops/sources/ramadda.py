"""The RAMADDA server of GFZ Potsdam: several host names, and folders with changing identifiers."""

import datetime
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, TypeVar

from dwlim_ops.contracts import NOT_KNOWN, Received, Validators
from dwlim_ops.errors import MalformedInputError, SourceError
from dwlim_ops.sources.formats.loading.listing import parse_listing
from dwlim_ops.sources.formats.loading.series import PRODUCTS, Product
from dwlim_ops.sources.http import Client, UnavailableError

Frame = Literal["cf", "cm"]
Result = TypeVar("Result")

FOLDER: Final = "entry/show/Home/Elastic+Surface+Loading/{product}/{frame}/2000-now"
FILE_NAME: Final = re.compile(r"ESMGFZ_(NTAL|NTOL)_(cf|cm)_v[\d.]+_3h_(\d{4})(?:_(\d{3})F)?\.nc")
_ONE_DAY: Final = datetime.timedelta(days=1)


class Hosts:
    """Names of one server, tried in order; one that does not answer rests until the next pass.

    Parameters
    ----------
    clients : sequence of Client
        One for each host, the preferred one first.
    """

    def __init__(self, clients: Sequence[Client]) -> None:
        self._clients = tuple(clients)
        self._resting: dict[int, str] = {}

    def start_pass(self) -> None:
        """Every host may be tried again."""
        self._resting.clear()

    def get(self, path: str, accept: Callable[[Received], Result], *,
            params: Mapping[str, str] | None = None, known: Validators = NOT_KNOWN,
            magic: tuple[bytes, ...] = ()) -> Result:
        """What `accept` makes of the first answer that it does not refuse.

        Raises
        ------
        SourceError
            No host gives an acceptable answer; the message has the reason of each.
        """
        reasons = []
        for number, client in enumerate(self._clients):
            if number in self._resting:
                reasons.append(self._resting[number])
                continue
            try:
                return accept(client.get(path, params=params, known=known, magic=magic))
            except UnavailableError as error:
                self._resting[number] = str(error)
                reasons.append(str(error))
            except (SourceError, MalformedInputError) as error:
                reasons.append(str(error))
        raise SourceError("no host gives a usable answer", where=path, got="; ".join(reasons),
                          expected="one of the hosts of this source",
                          remedy="wait for the service, or correct the list of hosts")


@dataclass(frozen=True)
class Layout:
    """Where the products of one frame lie on the server, and the name of the up component."""

    frame: Frame = "cf"
    folder: str = FOLDER
    variable: str = "duV"

    def path(self, product: Product) -> str:
        """Path of a product's folder below the base address."""
        return self.folder.format(product=product, frame=self.frame.upper())


@dataclass(frozen=True)
class ServerFile:
    """One netCDF file on the server; `issued` is the first day of a forecast."""

    name: str
    entry: str
    product: Product
    year: int
    issued: datetime.date | None


@dataclass
class Folders:
    """The netCDF files of the products' folders, looked up once a pass."""

    hosts: Hosts
    layout: Layout
    _files: dict[Product, list[ServerFile]] = field(default_factory=dict)

    def start_pass(self) -> None:
        """Look everything up anew."""
        self.hosts.start_pass()
        self._files.clear()

    def files(self, product: Product) -> list[ServerFile]:
        """Files of a product, oldest first."""
        if product not in self._files:
            path = self.layout.path(product)
            self._files[product] = self.hosts.get(path, lambda answer: self._read(answer, path))
        return [file for file in self._files[product] if file.product == product]

    def newest_forecast(self, product: Product) -> ServerFile:
        """The forecast that is on the server."""
        forecasts = [file for file in self.files(product) if file.issued]
        if not forecasts:
            raise SourceError("no forecast in the folder", where=self.layout.path(product),
                              expected="a file such as ESMGFZ_NTAL_cf_v1.0_3h_2026_001F.nc",
                              remedy="wait for the service")
        return forecasts[-1]

    def with_entry(self, product: Product, name: str, get: Callable[[ServerFile], Result]
                   ) -> Result:
        """`get` of the file; once more if its identifier has changed since it was looked up."""
        known = self._find(product, name)
        try:
            return get(known)
        except SourceError:
            del self._files[product]
            renewed = self._find(product, name)
            if renewed.entry == known.entry:
                raise
            return get(renewed)

    def _find(self, product: Product, name: str) -> ServerFile:
        for file in self.files(product):
            if file.name == name:
                return file
        raise SourceError("the file is gone", where=name, expected="a file of the folder page",
                          remedy="the next pass offers what has replaced it")

    def _read(self, answer: Received, path: str) -> list[ServerFile]:
        files = []
        for name, entry in parse_listing(answer.content or b"", where=path).items():
            match = FILE_NAME.fullmatch(name)
            if match is not None and match[2] == self.layout.frame:
                product = PRODUCTS[PRODUCTS.index(match[1])]
                files.append(ServerFile(name, entry, product, int(match[3]), _issued(match)))
        return sorted(files, key=lambda f: (f.issued or datetime.date(f.year, 1, 1), f.name))


def _issued(match: re.Match[str]) -> datetime.date | None:
    if match[4] is None or not 1 <= int(match[4]) <= 366:
        return None
    return datetime.date(int(match[3]), 1, 1) + (int(match[4]) - 1) * _ONE_DAY
