"""The settings a client would use, and where each comes from. Opens nothing but the environment and a key file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from urllib.request import getproxies

from difygen.call.settings import key_from_file
from difygen.doctor.address import EXAMPLES, Address, AddressProblem, parse
from difygen.doctor.app import Key
from difygen.doctor.network import endpoint
from difygen.doctor.report import Section

BASE_URL = "DIFY_BASE_URL"


def check_base_url(section: Section, argument: str | None) -> Address | None:
    """Find the base URL and read it; None where there is none to go on with."""
    text, origin = (argument, "--base-url") if argument is not None else (os.environ.get(BASE_URL), BASE_URL)
    if not text:
        section.problem("settings", "No base URL is set.", f"Give --base-url or set {BASE_URL}, {EXAMPLES}.")
        return None
    try:
        address = parse(text)
    except AddressProblem as problem:
        section.problem("settings", f"{origin}: {problem.message}", problem.fix)
        return None
    section.ok("settings", f"The API is expected at {address.url} (from {origin}).", *_proxy(address))
    return address


def key_of_file(name: str) -> Key:
    """The key in the file of --api-key-file. Raises `UsageProblem`."""
    return Key(key_from_file(name), "the file of --api-key-file")


def key_of_environment(variables: Sequence[str]) -> Key | None:
    """The key that a client would use: that of the first variable that is set."""
    for variable in variables:
        if value := os.environ.get(variable):
            return Key(value, variable)
    return None


def _proxy(address: Address) -> list[str]:
    target = endpoint(address)
    if not target.is_proxy:
        return []
    name = f"{address.scheme.upper()}_PROXY" if address.scheme in getproxies() else "ALL_PROXY"
    return [f"Requests go through the proxy {target.host}:{target.port} ({name} in the environment)."]
