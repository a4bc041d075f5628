"""Base URLs: what is wrong with one, where its API root is, and which others are worth a try. Opens no connection."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from difygen.doctor.runtime import runtime_module

DEFAULT_PORTS = {"http": 80, "https": 443}
API_PORT = 5001  # where Dify's API process listens when no nginx stands before it
EXAMPLES = (
    "for example http://localhost/v1 (Docker), http://localhost:5001/v1 (API process) or https://api.dify.ai/v1 (Cloud)"
)


@dataclass(frozen=True, slots=True)
class Address:
    """Where an API root is. `path` has no slash at its end, and `/v1` is part of it."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def url(self) -> str:
        """The API root as a base URL, without a port where that says nothing."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if DEFAULT_PORTS[self.scheme] == self.port else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.path}"


class AddressProblem(Exception):
    """A text that is no base URL: what is wrong, and what to write instead."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.message, self.fix = message, fix


def parse(text: str) -> Address:
    """The API root that a base URL means, by the rules of the generated client itself."""
    settings = runtime_module("_settings")
    if text.strip()[:1] in ("'", '"'):
        raise AddressProblem("The base URL has quotes around it.", f"Write it without them: {EXAMPLES}.")
    try:
        parts = urlsplit(settings.normalize_base_url(text))
        return Address(parts.scheme, parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme], parts.path)
    except ValueError as error:  # the client's ConfigurationError is one
        raise AddressProblem(f"{str(error).rstrip('.')}.", f"Write it like this: {EXAMPLES}.") from error


def candidates(address: Address) -> Iterator[Address]:
    """Other API roots on the same host, the likeliest first: other paths, the other scheme, and the ports that Dify uses."""
    places = [
        (address.scheme, address.port),
        (_other(address.scheme), address.port),
        ("http", API_PORT),
        ("http", 80),
        ("https", 443),
    ]
    prefix = address.path.removesuffix("/v1")
    paths = dict.fromkeys([address.path, "/v1", f"{prefix}/api/v1", "/api/v1", prefix.rpartition("/")[0] + "/v1"])
    seen = {address}
    for scheme, port in places:
        for path in paths:
            candidate = Address(scheme, address.host, port, path)
            if candidate not in seen:
                seen.add(candidate)
                yield candidate


def _other(scheme: str) -> str:
    return "https" if scheme == "http" else "http"
