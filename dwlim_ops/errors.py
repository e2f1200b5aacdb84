"""Every error a user or operator can meet: what, where, expected, got, remedy."""


class DwlimError(Exception):
    """Base of all errors that have a cause outside the code.

    Parameters
    ----------
    what : str
        What went wrong, in one clause.
    where : str
        File, key, station, day or variable.
    expected, got : str
        The two sides of the disagreement; empty where there is none.
    remedy : str
        What the reader can do about it.
    """

    def __init__(
        self, what: str, *, where: str, expected: str = "", got: str = "", remedy: str = ""
    ) -> None:
        self.what = what
        self.where = where
        self.expected = expected
        self.got = got
        self.remedy = remedy
        super().__init__(str(self))

    def __reduce__(self) -> tuple[object, ...]:
        facts = {name: getattr(self, name) for name in ("where", "expected", "got", "remedy")}
        return (_rebuild, (type(self), self.what, facts))

    def __str__(self) -> str:
        parts = [f"{self.where}: {self.what}"]
        if self.expected:
            parts.append(f"expected {self.expected}")
        if self.got:
            parts.append(f"got {self.got}")
        if self.remedy:
            parts.append(f"remedy: {self.remedy}")
        return "; ".join(parts)


def _rebuild(kind: type[DwlimError], what: str, facts: dict[str, str]) -> DwlimError:
    return kind(what, **facts)


class ConfigError(DwlimError):
    """`dwlim.toml` or a region file says something that cannot be served."""


class MalformedInputError(DwlimError):
    """A file from outside does not parse or holds impossible values; it is quarantined."""


class SourceError(DwlimError):
    """A provider cannot be reached, refuses us, or has not got the file ready yet."""


class ContractError(DwlimError):
    """A dataset between two stages breaks its contract: a bug of ours, raised loudly."""


class BundleError(DwlimError):
    """A model bundle is damaged or does not serve this region, feature set or engine."""


class StoreError(DwlimError):
    """The raw store, the ledger or the published tree cannot be read or written."""


class BusyError(StoreError):
    """Another process holds the workspace; later it will not."""
