"""Signing in with a browser: the device flow of `/openapi/v1` (RFC 8628), which needs no password.

The person opens a page of Dify's and types a short code there; the token that comes of it is for this run, and is
revoked at its end, unless it was asked to be kept in a file.
"""

from __future__ import annotations

import json
import os
import platform
import re
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from difygen.console import UsageProblem, one_line, say
from difygen.pull.auth.access import Access, is_sendable, refused
from difygen.pull.auth.user_api import ROOT, UserApi, check_switched_on
from difygen.pull.traffic import ServerProblem, ServerReply, Traffic
from difygen.servers import runtime_module

CLIENTS = ("difygen", "difyctl")
"""Names of programs, as servers know them (OPENAPI_KNOWN_CLIENT_IDS): ours, and the one that all know by default."""

LONGEST = 1800.0
"""Seconds that a code may be good for. Dify's are for 900."""

_ENDINGS = {
    "access_denied": ("The sign-in was refused in the browser.", ""),
    "expired_token": (
        "Nobody has signed in with the code in time.",
        "Run it again. If the page said that the server failed, its administrator has to set ENABLE_OAUTH_BEARER=true.",
    ),
}


def sign_in_by_browser(traffic: Traffic, access: Access, wanted: str | None, keep: str | None) -> BrowserApi:
    """Sign in by a code that somebody types into a page of Dify's. Raises `ServerProblem` where that comes to nothing.

    `keep` is a file for the token, which only its owner can read.
    """
    with _kept(keep) as write:
        client, begun = _begin(traffic)
        token, until = _wait(traffic, client, begun)
        api = BrowserApi(traffic, replace(access, secret=token, origin="this sign-in"), wanted)
        try:
            if keep is not None:
                write(token.reveal())
                api.is_kept = True
                say(f"The token is in {keep}, for you alone to read, until {until}: --token-file {keep} takes it.")
        except BaseException:
            api.close()
            raise
    return api


class BrowserApi(UserApi):
    """What the token of a sign-in opens. The token ends with it, unless it is kept."""

    is_kept = False

    def __init__(self, traffic: Traffic, access: Access, wanted: str | None) -> None:
        """Choose the workspace; revoke the token where there is none to choose."""
        try:
            super().__init__(traffic, access, wanted)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Revoke the token, which nobody else has."""
        if not self.is_kept:
            with suppress(ServerProblem):
                bearer = {"Authorization": f"Bearer {self._access.secret.reveal()}"}
                self._traffic.delete(f"{ROOT}/account/sessions/self", bearer)


def _begin(traffic: Traffic) -> tuple[str, Mapping[str, Any]]:
    """Ask for a code, and say what to do with it; return the name of the program that the server knows, and the code.

    The label is another one each time, as a sign-in ends those before it that have the same.
    """
    label = f"difygen pull on {one_line(platform.node())[:60] or 'a machine'} ({secrets.token_hex(3)})"
    for client in CLIENTS:
        reply = _post(traffic, "code", {"client_id": client, "device_label": label})
        if reply.members.get("error") != "unsupported_client":
            break
    else:
        raise ServerProblem(
            "Dify lets neither difygen nor difyctl sign people in with a browser.",
            "Ask the administrator to name one of them in OPENAPI_KNOWN_CLIENT_IDS, or take another way in.",
        )
    if reply.status == 404:
        check_switched_on(traffic)
    if reply.status != 200:
        raise refused(traffic.problem(reply), traffic)
    begun = traffic.members(reply)
    code, page = begun.get("user_code"), begun.get("verification_uri")
    if not isinstance(begun.get("device_code"), str) or not isinstance(page, str) or not isinstance(code, str):
        raise traffic.problem(reply)
    if not re.fullmatch(r"https?://[!-~]+", page) or not re.fullmatch(r"[0-9A-Za-z-]{4,20}", code):
        raise traffic.problem(reply)
    traffic.secrets.append(runtime_module("_settings").Secret(begun["device_code"]))
    say(f"To sign in at {traffic.origin}, open {page} in a browser, and type the code {code} there.")
    return client, begun


def _wait(traffic: Traffic, client: str, begun: Mapping[str, Any]) -> tuple[Any, str]:
    """Ask, as often as the server wants to be asked, until somebody has signed in.

    Returns the token, which the server gives once, as a secret, and the day until which it is good.
    """
    pause = _seconds(begun.get("interval"), 5.0)
    until = time.monotonic() + min(_seconds(begun.get("expires_in"), 900.0), LONGEST)
    while time.monotonic() < until:
        time.sleep(pause)
        try:
            reply = _post(traffic, "token", {"device_code": begun["device_code"], "client_id": client})
        except ServerProblem as problem:
            if problem.code != "lost":
                raise
            continue
        error, token = reply.members.get("error"), reply.members.get("token")
        if reply.status == 200 and isinstance(token, str) and is_sendable(token):
            secret = runtime_module("_settings").Secret(token)
            traffic.secrets.append(secret)
            return secret, one_line(str(reply.members.get("expires_at") or ""))[:10] or "it expires"
        if error == "slow_down" or reply.status == 429:
            pause += 5.0
        elif error in _ENDINGS:
            raise ServerProblem(*_ENDINGS[error])
        elif error != "authorization_pending":
            raise refused(traffic.problem(reply), traffic)
    raise ServerProblem(*_ENDINGS["expired_token"])


def _post(traffic: Traffic, what: str, body: Mapping[str, str]) -> ServerReply:
    return traffic.post(f"{ROOT}/oauth/device/{what}", lambda: json.dumps(body).encode())


def _seconds(value: object, otherwise: float) -> float:
    """Return a number of seconds of the server's, as far as it is one that makes sense."""
    return max(float(value), 1.0) if isinstance(value, int | float) and 0 < value < 1e6 else otherwise


@contextmanager
def _kept(file: str | None) -> Iterator[Callable[[str], None]]:
    """Give a function that writes a token into a file, all at once, readable for its owner alone.

    Whether that can be is found out before anybody signs in: a token is handed out once.
    """
    if file is None:
        yield lambda token: None
        return
    try:
        handle, path = tempfile.mkstemp(dir=os.path.dirname(file) or ".", prefix=".difygen-token-")  # 0600
    except OSError as error:
        raise UsageProblem(f"Cannot write {file}: {(error.strerror or str(error)).lower()}.") from error

    scratch = os.fdopen(handle, "w", encoding="utf-8", newline="\n")

    def write(token: str) -> None:
        try:
            with scratch:  # closed first: Windows moves no file that is open
                scratch.write(f"{token}\n")
            os.replace(path, file)
        except OSError as error:
            raise UsageProblem(f"Cannot write {file}: {(error.strerror or str(error)).lower()}.") from error

    try:
        yield write
    finally:
        with suppress(OSError):
            scratch.close()
            os.unlink(path)
