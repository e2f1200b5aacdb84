"""Requests to providers: one client, its endpoint, its errors, and downloaded zip files."""

from dwlim_ops.sources.http.client import Client
from dwlim_ops.sources.http.endpoint import Auth, Endpoint
from dwlim_ops.sources.http.failures import NotFoundError, RefusedError, UnavailableError
from dwlim_ops.sources.http.zips import safe_zip_member

__all__ = [
    "Auth", "Client", "Endpoint", "NotFoundError", "RefusedError", "UnavailableError",
    "safe_zip_member",
]
