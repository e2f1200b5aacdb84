"""NASA: CMR, GES DISC, PO.DAAC and OPeNDAP on one host, Earthdata Login on another.

The dance of UPSTREAMS 4.4: without a good bearer token or cookie the data host sends to the login
host; that wants Basic credentials, gives a page with 200 without them, and sends back to
`/login?code=...` of the data host, which sets a cookie and sends back to the file.
"""

import base64
import binascii
import datetime as dt
import json
import re
from dataclasses import replace
from typing import Final
from urllib.parse import urlencode

from tests.replicas import cmr, gldasfiles, mascons
from tests.replicas.cmr import Granule
from tests.replicas.faults import EarthdataFault
from tests.replicas.messages import (
    Reply,
    Request,
    json_reply,
    not_found,
    page,
    redirect,
    static_file,
)
from tests.replicas.server import Replica
from tests.replicas.world import Box, World

USER, PASSWORD = "replica", "r3plica-Pass"
_COOKIE, _CODE = "accessToken=s3ss10n", "c0de"
_GLDAS: Final = re.compile(
    rf"(?P<name>{cmr.EARLY}|{cmr.MAIN})\.A(?P<day>\d{{8}})\.(?P<suffix>\d{{3}})\.nc4")
_DAP: Final = re.compile(
    r"/collections/(?P<concept>[^/]+)/granules/[^/:]+:(?P<file>[^/]+)\.dap\.nc4")


class Earthdata(Replica):
    """The data host; `login` is the other server, started and stopped with this one.

    CMR needs no login, everything else does. GLDAS files have the whole 600 x 1440 grid with
    values in the world's box and 2 deg around; `subset` by `dap4.ce` honours index ranges. The
    JPL file covers `extent`.

    Attributes
    ----------
    token, expired_token : str
        A bearer token good for 60 days from the start, and one that ended yesterday.
    user, password : str
        Of the login host.
    """

    faults = EarthdataFault

    def __init__(self, world: World, *, port: int = 0, host: str = "127.0.0.1") -> None:
        super().__init__(world, port=port, host=host)
        self.user, self.password = USER, PASSWORD
        self.tokens: dict[str, dt.datetime] = {}
        self.token = self.issue_token(world.now + dt.timedelta(days=60))
        self.expired_token = self.issue_token(world.now - dt.timedelta(days=1))
        self.login = EarthdataLogin(self, host="localhost")

    def start(self) -> None:
        super().start()
        self.login.start()

    def stop(self) -> None:
        super().stop()
        self.login.stop()
        self.unexpected += self.login.unexpected

    def issue_token(self, expires: dt.datetime) -> str:
        """A bearer token, shaped as a JWT with `exp`."""
        claims = {"type": "User", "uid": self.user, "exp": int(expires.timestamp()),
                  "iat": int((expires - dt.timedelta(days=60)).timestamp()),
                  "iss": "https://urs.earthdata.nasa.gov"}
        parts = ({"typ": "JWT", "origin": "Earthdata Login", "alg": "RS256"}, claims)
        token = ".".join([*(_base64(json.dumps(part)) for part in parts), _base64("signature")])
        self.tokens[token] = expires
        return token

    @property
    def extent(self) -> Box:
        """Region of the mascon file."""
        return self.world.box.widened(3.0)

    def answer(self, request: Request) -> Reply:
        path = request.path
        if path.startswith("/search/"):
            return self._search(path, request)
        if path == "/login":
            return self._come_back(request)
        if self.meets(request, EarthdataFault.GONE):
            return page("<h1>410 Gone</h1> This server was switched off.", 410)
        if path.startswith("/collections/"):
            return self._refusal(request) or self._subset(request)
        if path.startswith(("/data/", "/podaac-ops-cumulus-protected/")):
            return self._refusal(request) or self._file(request)
        return not_found(path)

    # Login.

    def _refusal(self, request: Request) -> Reply | None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if self.meets(request, EarthdataFault.LOGIN_HTML):
            return login_page()
        if scheme == "Bearer" and self.meets(request, EarthdataFault.TOKEN_REFUSED):
            return json_reply({"error": "invalid_token",
                               "error_description": "The token is expired"}, 401)
        good_token = (scheme == "Bearer" and self.tokens.get(token, self.world.now) > self.world.now
                      and not self.meets(request, EarthdataFault.EXPIRED_TOKEN))
        good_cookie = _COOKIE in request.headers.get("cookie", "")
        if (good_token or good_cookie) and not self.meets(request, EarthdataFault.REDIRECT_LOOP):
            return None
        query = urlencode({"client_id": "replica", "response_type": "code",
                           "redirect_uri": f"{self.origin}/login",
                           "state": _base64(request.raw_path)})
        return redirect(f"{self.login.origin}/oauth/authorize?{query}")

    def _come_back(self, request: Request) -> Reply:
        if request.parameter("code") != _CODE:
            return page("<h1>Bad request</h1>", 400)
        state = request.parameter("state")
        back = base64.urlsafe_b64decode(state + "=" * (-len(state) % 4)).decode()
        return redirect(self.origin + back, {"Set-Cookie": f"{_COOKIE}; Path=/; HttpOnly"})

    # CMR.

    def _search(self, path: str, request: Request) -> Reply:
        version = "2.3" if self.meets(request, EarthdataFault.NEW_VERSION) else "2.2"
        if path == "/search/collections.umm_json":
            return cmr.search_collections(request, version)
        if path != "/search/granules.umm_json":
            return json_reply({"errors": [f"The mime type or path {path} is not supported"]}, 400)
        if self.meets(request, EarthdataFault.NO_HITS):
            return cmr.search(request, [], {}, self.origin)
        name = request.parameter("short_name")
        concept = request.parameter("collection_concept_id")
        name = name or {c: n for n, c in cmr.CONCEPTS.items()}.get(concept, "")
        granules = self._granules(name, version, request)
        sizes = {g.collection: len(self._content(g)) for g in granules[:1]}
        if self.meets(request, EarthdataFault.CMR_WRONG_SIZE):
            sizes = {collection: size + 4096 for collection, size in sizes.items()}
        return cmr.search(request, granules, sizes, self.origin)

    def _granules(self, name: str, version: str, request: Request) -> list[Granule]:
        if name == cmr.JPL:
            renamed = self.meets(request, EarthdataFault.RENAMED)
            return [cmr.jpl_granule(self.world, months_ago=int(renamed))]
        if name not in cmr.CONCEPTS:
            return []
        again = self.meets(request, EarthdataFault.REPROCESSED)
        return cmr.gldas_granules(self.world, name, request, version=version, reprocessed=again)

    # Files.

    def _content(self, granule: Granule, *, reprocessed: bool = False) -> bytes:
        if granule.collection == cmr.JPL:
            return mascons.jpl_file(self.extent, tuple(self.world.mascon_months()))
        return gldasfiles.whole_file(granule.first, self.world.box,
                                     early=granule.collection == cmr.EARLY,
                                     reprocessed=reprocessed)

    def _file(self, request: Request) -> Reply:
        name = request.path.rpartition("/")[2]
        if request.path.startswith("/podaac"):
            granule = cmr.jpl_granule(self.world)
            content = self._content(granule)
            if self.meets(request, EarthdataFault.DUPLICATE_MONTH):
                months = self.world.mascon_months()
                content = mascons.jpl_file(self.extent, (*months[:5], months[4], *months[5:]))
        else:
            again = self.meets(request, EarthdataFault.REPROCESSED)
            found = self._gldas(name, request, reprocessed=again)
            if found is None:
                return not_found(request.path)
            granule, content = found, self._content(found, reprocessed=again)
        if granule.path != request.path:
            return not_found(request.path)
        if self.meets(request, EarthdataFault.TRUNCATED_HDF):
            content = content[:len(content) // 2]
        return static_file(content, granule.revised, "application/x-netcdf4")

    def _gldas(self, name: str, request: Request, *, reprocessed: bool) -> Granule | None:
        found = _GLDAS.fullmatch(name)
        if found is None:
            return None
        day = dt.datetime.strptime(found["day"] + "+0000", "%Y%m%d%z").date()
        first, last = cmr.gldas_days(self.world, found["name"])
        version = "2.3" if self.meets(request, EarthdataFault.NEW_VERSION) else "2.2"
        granule = cmr.gldas_granule(self.world, found["name"], day, version=version,
                                    reprocessed=reprocessed)
        return granule if first <= day <= last and granule.name == name else None

    def _subset(self, request: Request) -> Reply:
        found = _DAP.fullmatch(request.path)
        again = self.meets(request, EarthdataFault.REPROCESSED)
        granule = found and self._gldas(found["file"], request, reprocessed=again)
        if not found or not granule or cmr.CONCEPTS[granule.collection] != found["concept"]:
            return _dap_error(404, "granule not found")
        if self.meets(request, EarthdataFault.DAP_ERROR_200):
            return replace(_dap_error(500, "could not read the granule"), status=200)
        if self.meets(request, EarthdataFault.DAP_ERROR_500):
            return _dap_error(500, "could not read the granule")
        try:
            content = gldasfiles.subset(
                request.parameter("dap4.ce"), granule.first, self.world.box,
                early=granule.collection == cmr.EARLY, reprocessed=again)
        except gldasfiles.BadConstraintError as error:
            return _dap_error(400, str(error))
        if self.meets(request, EarthdataFault.TRUNCATED_HDF):
            content = content[:len(content) // 2]
        return Reply(content, content_type="application/x-netcdf;ver=4")


class EarthdataLogin(Replica):
    """`urs.earthdata.nasa.gov`: authorisation and tokens."""

    def __init__(self, owner: Earthdata, *, host: str) -> None:
        super().__init__(owner.world, host=host)
        self._owner = owner

    def answer(self, request: Request) -> Reply:
        if request.path == "/oauth/authorize":
            return self._authorise(request)
        if request.path == "/api/users/find_or_create_token" and request.method == "POST":
            if not self._knows(request):
                return json_reply({"error": "invalid_credentials"}, 401)
            expires = self._owner.tokens[self._owner.token]
            return json_reply({"access_token": self._owner.token, "token_type": "Bearer",
                               "expiration_date": f"{expires:%m/%d/%Y}"})
        return not_found(request.path)

    def _authorise(self, request: Request) -> Reply:
        known = self._knows(request)
        if not known and not self._owner.meets(request, EarthdataFault.REDIRECT_LOOP):
            return login_page() if known is None else page("<h1>Invalid credentials</h1>", 401)
        if self._owner.meets(request, EarthdataFault.NOT_APPROVED):
            return page("<h1>Please approve the application NASA GESDISC DATA ARCHIVE</h1>", 403)
        query = urlencode({"code": _CODE, "state": request.parameter("state")})
        return redirect(f"{request.parameter('redirect_uri')}?{query}")

    def _knows(self, request: Request) -> bool | None:
        """Whether the Basic credentials are right; None without any."""
        scheme, _, coded = request.headers.get("authorization", "").partition(" ")
        if scheme != "Basic":
            return None
        try:
            return base64.b64decode(coded) == f"{self._owner.user}:{self._owner.password}".encode()
        except binascii.Error:
            return False


def login_page() -> Reply:
    """What a program without credentials gets, with 200."""
    return page("<title>Earthdata Login</title><form><input name='username'>"
                "<input type='password' name='password'></form>")


def _dap_error(status: int, text: str) -> Reply:
    body = (f'<?xml version="1.0" encoding="UTF-8"?>\n'
            f'<Error xmlns="http://xml.opendap.org/ns/DAP/4.0#" httpcode="{status}">'
            f"<Message>{text}</Message></Error>\n")
    return Reply(body.encode(), status, "application/vnd.opendap.dap4.error+xml")


def _base64(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
