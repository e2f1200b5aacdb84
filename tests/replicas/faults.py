"""Every way in which a replica can misbehave; letters are those of the fault catalogue.

Entries of the catalogue that are not here: what a replica always does (NGL a, h, j, l; CDS i and m
and the natural mix of j; GES DISC i; ESMGFZ e; GRACE b, d), what only the client can do wrong (GES
DISC c), DNS failure (`server.UNRESOLVABLE_URL`), a dead host (`Replica.stop`), and what happens on
the client's side (disk full, proxy, crash between rename and commit).
"""

from enum import Enum


class General(Enum):
    """Faults of transport, of any service; each meets every kind of request."""

    HANG = "the request is accepted and never answered (NGL b)"
    RESET = "the connection is reset before the answer"
    CLOSED = "the connection is closed without an answer (ESMGFZ c)"
    STALL_IN_BODY = "half of the body, then silence"
    RESET_IN_BODY = "half of the body, then a reset"
    TRUNCATED = "Content-Length of the whole, half of the body (CDS f)"
    CHUNKED_TRUNCATED = "chunked, half of the body, no last chunk"
    DRIP = "the body comes in pieces with pauses of `drip_s`"
    CHUNKED = "chunked, without Content-Length"
    GZIP = "Content-Encoding: gzip, asked for or not"
    ENDLESS = "a chunked body that never ends"
    EMPTY = "200 with an empty body"
    HTML_PAGE = "200 with a page for people (CDS l, GES DISC a, ESMGFZ b)"
    FOREIGN_REDIRECT = "302 to another host, which notes the credentials that reach it"
    REDIRECT_LOOP = "302 to the same address"
    WRONG_DATE = "the Date header is `clock_error` off (clock skew)"
    RATE_LIMITED = "429 with Retry-After"
    UNAVAILABLE = "503"
    SERVER_ERROR = "500"
    FORBIDDEN = "403"
    NOT_FOUND = "404"
    IGNORES_VALIDATORS = "200 with the whole file where 304 was right"
    NO_VALIDATORS = "neither ETag nor Last-Modified"


class NglFault(Enum):
    """Nevada Geodetic Laboratory."""

    TRUNCATED_LINE = "c: the last line of a tenv3 file is cut, the length agrees"
    FILE_SHRUNK = "d: the last third of a final file is gone"
    INTEGER_JUMP = "e: integer metres change in the middle of a file"
    SIGMA_OUT_OF_RANGE = "f: the last three rows have sigma 9.99999"
    RAPID_MISSING = "g: no rapid file, though the list names it"
    RAPID_ONE_DAY = "g: the rapid file holds one day"
    MOVED = "i: every path of the frame IGS20 is gone"
    YEAR_PIVOT = "k: a final file begins in December 1999"
    TWENTY_COLUMNS = "the older layout, without latitude, longitude and height"
    COORDINATES_MOVED = "DataHoldings puts the station 0.02 deg further north"
    STATION_RENAMED = "a station has another name in DataHoldings and in its path"


class CdsFault(Enum):
    """Climate Data Store."""

    RATE_LIMITED = "a: 429 with the text of the service, on every API request"
    UNAVAILABLE = "b: 503 on every API request"
    JOB_FAILED = "c: a job ends as failed"
    JOB_REJECTED = "c: a job ends as rejected"
    ACCEPTED_FOREVER = "d: a job stays accepted"
    RELATIVE_HREF = "e: the asset has a relative address"
    SHORT_CONTENT = "f: the asset is shorter than file:size, its length agrees"
    ZIP_ANSWER = "g: a zip though unarchived was asked for"
    LICENCE = "h: 403, the licence is not accepted"
    NOT_AVAILABLE_YET = "i: 400, none of the data is available yet"
    EXPVER_MIX = "j: the last two days of the request are 0005, the others 0001"
    OLD_NETCDF = "j: the packed layout from before 2024"
    OLD_EXPVER_NETCDF = "j: the layout from before 2024 with a dimension expver"
    HOURS_MISSING = "k: the last six hours of the request are missing"
    HTML = "l: a job's asset is an HTML page"
    JOB_GONE = "n: 404 for the job"
    ASSET_GONE = "the job is there, its asset is not (404)"
    BAD_TOKEN = "401"  # noqa: S105
    TOO_LARGE = "403, cost limits exceeded"
    CORRUPT_GRIB = "the asset has the right size, its last message is cut"


class EarthdataFault(Enum):
    """GES DISC, PO.DAAC, CMR, OPeNDAP and Earthdata Login."""

    LOGIN_HTML = "a: 200 with the login page instead of the file"
    EXPIRED_TOKEN = "b: no bearer token is good any more; as without credentials"  # noqa: S105
    TOKEN_REFUSED = "b: 401 for any bearer token"  # noqa: S105
    REDIRECT_LOOP = "d: the login sends back to the file, the file to the login"
    GONE = "e: 410 of a host that was switched off"
    NO_HITS = "f: CMR finds nothing"
    NEW_VERSION = "g: CMR has version 2.3, with file names in 023, and no 2.2"
    REPROCESSED = "h: later revision dates and other values"
    TRUNCATED_HDF = "j: the HDF5 file is cut, its length agrees"
    DAP_ERROR_200 = "k: a DAP4 error document with 200"
    DAP_ERROR_500 = "k: a DAP4 error document with 500"
    NOT_APPROVED = "403, the application is not approved in the profile"
    RENAMED = "GRACE a: the file of CMR's answer is replaced before it is fetched (404)"
    DUPLICATE_MONTH = "GRACE c: a month stands twice in the mascon file"
    CMR_WRONG_SIZE = "CMR gives a size that the file does not have"


class EsmgfzFault(Enum):
    """ESMGFZ at GFZ Potsdam."""

    UUID_CHANGED = "a: files and folders have new identifiers, the old ones are unknown"
    HTML_ERROR = "b: 200 with an error page"
    DAY_MISSING = "d: the newest day comes at 20 UTC instead of 10 UTC"
    REVERSED_LATITUDE = "f: netCDF files run from south to north"
    COLUMNS_REORDERED = "g: CSV columns in another order than asked for"
    SHORT_CSV = "h: the CSV ends in the middle of a line, without an error"
    MILLIMETRES = "values in mm under a header that says m"


class EcmwfOpenFault(Enum):
    """ECMWF open data."""

    RUN_LATE = "the newest run is not there yet"
    INDEX_MISSING = "404 for every index"
    INDEX_WRONG = "offsets of the index lie 7 bytes too far"
    RANGES_IGNORED = "200 with the whole file where 206 was right"
    MULTIPLE_RANGES_IGNORED = "200 with the whole file for more than one range"
    STEP_MISSING = "the files of the last step of each run are not there"


class CsrFault(Enum):
    """CSR mascons."""

    RENAMED = "a: the file has another name (404)"
    DUPLICATE_MONTH = "c: a month stands twice"
    MONTHS_LOST = "the file ends a year earlier than before"


ServiceFault = NglFault | CdsFault | EarthdataFault | EsmgfzFault | EcmwfOpenFault | CsrFault
Fault = General | ServiceFault
