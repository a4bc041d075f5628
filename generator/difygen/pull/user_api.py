"""Apps by a user's token: `/openapi/v1`, which Dify has since 1.15, where its administrator has switched it on.

A token is given, or comes of a sign-in with a browser: the device flow (RFC 8628), which needs no password. The person
opens a page of Dify's and types a short code there; the token that comes of it is for this run, and is revoked at its
end, unless it was asked to be kept in a file.
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
from difygen.pull.access import Access, is_sendable, refused, wrong_role
from difygen.pull.catalogue import RemoteApp, RemoteDefinition, Workspace, app_id_of, choose_workspace, collect_apps
from difygen.pull.traffic import ServerProblem, ServerReply, Traffic
from difygen.servers import runtime_module
from difygen.wording import quoted

ROOT = "/openapi/v1"
RATE = 55
"""Requests in a minute. Dify allows 60 for each token, and other programs may use it, too."""

_FIRST = (1, 15, 0)
_NO_SUCH_PATH = "requested URL was not found"
_READERS = ("normal", "dataset_operator")
"""Roles in a workspace that may export nothing."""

_SWITCHED_OFF = (
    "Ask the administrator to set OPENAPI_ENABLED=true and ENABLE_OAUTH_BEARER=true for the api container; until then "
    "sign in with an admin key or a password."
)
_NOT_TAKEN = (
    "Was it revoked, has it expired (after 14 days by default), or did another sign-in under the same device name "
    "replace it? Sign in again (`difyctl auth login`). All tokens are refused where ENABLE_OAUTH_BEARER is not true."
)

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


class UserApi:
    """What a user's token opens. Raises `ServerProblem` where something cannot be had."""

    def __init__(self, traffic: Traffic, access: Access, wanted: str | None) -> None:
        """Sign in, and choose the workspace: the one that is `wanted` by id or name, else the current one."""
        self._traffic, self._access = traffic, access
        traffic.secrets.append(access.secret)
        self._path = {"export": "export", "describe": "describe"}
        self._has_versions = True
        check_switched_on(traffic)
        self.workspace = self._choose_workspace(wanted or access.workspace or None)

    def close(self) -> None:
        """Leave the token as it is: it was given, not made."""

    def apps(self) -> tuple[list[RemoteApp], int]:
        """Return all apps of the workspace whose API is on, and how many the server did not tell."""
        try:
            return collect_apps(
                lambda page, limit: self._get("/apps", page=page, limit=limit, workspace_id=self.workspace.id)
            )
        except ServerProblem as problem:
            raise self._explained(problem) from None

    def find(self, app_id: str) -> RemoteApp | None:
        """Return an app that is not among those listed; None where there is none."""
        try:
            info = self._describe(app_id, "info").get("info")
        except ServerProblem as problem:
            if problem.status == 404:
                return None
            raise self._explained(problem) from None
        return RemoteApp.of(info)

    def definition(self, app: RemoteApp, *, draft: bool) -> RemoteDefinition:
        """Return the definition of an app: its published version, where the server can tell which that is."""
        version = "" if draft or not app.has_versions else self._published(app)
        query = {"include_secret": "false", **({"workflow_id": version} if version else {})}
        try:
            data = self._either("export", f"/apps/{app.id}", "dsl", query).get("data")
        except ServerProblem as problem:
            raise self._explained(problem) from None
        return RemoteDefinition.of(app, data, version)

    def parameters(self, app: RemoteApp) -> Mapping[str, Any] | None:
        """Return what the published version of an app takes, as `/parameters` tells it; None where it tells none."""
        try:
            found = self._describe(app.id, "parameters").get("parameters")
        except ServerProblem as problem:
            raise self._explained(problem) from None
        return found if isinstance(found, dict) and found.get("user_input_form") else None

    def _choose_workspace(self, wanted: str | None) -> Workspace:
        if self._access.secret.starts_with("dfoe_"):
            raise ServerProblem(
                "The token is one of an external sign-on (dfoe_), which runs apps and exports none.",
                "Take the token of an account of Dify's own (dfoa_), or another way in.",
            )
        try:
            rows = self._get("/workspaces").get("workspaces")
        except ServerProblem as problem:
            raise self._explained(problem, first=True) from None
        chosen = choose_workspace(rows, wanted)
        if chosen.role in _READERS:
            raise ServerProblem(
                f"The role of this token's user in {quoted(chosen.name)} is {chosen.role!r}, which may export nothing.",
                "Ask for the role of an editor there, or name another `workspace`.",
            )
        return chosen

    def _published(self, app: RemoteApp) -> str:
        """Return the id of the published version, which servers tell since some release after 1.16; else nothing."""
        if not self._has_versions:
            return ""
        try:
            rows = self._get(f"/apps/{app.id}/versions", limit=20).get("data")
        except ServerProblem as problem:
            if problem.status != 404:
                raise self._explained(problem) from None
            self._has_versions = _NO_SUCH_PATH not in problem.said
            return ""
        for row in rows if isinstance(rows, list) else ():
            if isinstance(row, dict) and row.get("current") is True:
                return app_id_of(row.get("id"))
        return ""

    def _describe(self, app_id: str, fields: str) -> Mapping[str, Any]:
        return self._either("describe", f"/apps/{app_id}", "", {"fields": fields})

    def _either(self, what: str, path: str, newer: str, query: Mapping[str, str]) -> Mapping[str, Any]:
        """Ask by the path of 1.15 or by that of 1.16, whichever the server has; that is found out once."""
        paths = dict.fromkeys((self._path[what], newer))
        for ending in paths:
            try:
                found = self._get(f"{path}/{ending}".rstrip("/"), **query)
            except ServerProblem as problem:
                if problem.status == 404 and _NO_SUCH_PATH in problem.said and ending == self._path[what] != newer:
                    continue
                raise
            self._path[what] = ending
            return found
        raise AssertionError("the last path answers or raises")

    def _get(self, path: str, **query: str | int) -> Mapping[str, Any]:
        reply: ServerReply = self._traffic.get(
            f"{ROOT}{path}", query, {"Authorization": f"Bearer {self._access.secret.reveal()}"}
        )
        return self._traffic.members(reply)

    def _explained(self, problem: ServerProblem, *, first: bool = False) -> ServerProblem:
        if problem.said == "service_api_disabled":
            hint = "Switch the API of the app on in Dify (API Access), or sign in with an admin key or a password."
            return problem.but("The API of the app is switched off, and users' tokens open no such app.", hint)
        if problem.status == 401 or (first and problem.status == 500 and problem.code == "internal_server_error"):
            return problem.but(f"Dify does not take the token of {self._access.origin}: {problem.message}", _NOT_TAKEN)
        if problem.status == 403:
            return wrong_role(problem)
        if problem.status == 500 and problem.code == "internal_server_error":
            hint = "See the log of Dify's API; a token that was revoked meanwhile is answered so, too."
            return problem.but(problem.message, hint)
        if problem.status == 426:
            return problem.but(problem.message, "The server wants a newer client: update difygen.")
        return refused(problem, self._traffic)


def check_switched_on(traffic: Traffic) -> None:
    """Raise what it means that the server takes no tokens of users; take note of its release."""
    reply = traffic.get(f"{ROOT}/_version")
    if reply.status == 200 and isinstance(reply.members.get("version"), str):
        traffic.version = one_line(reply.members["version"])[:60]
        return
    problem = traffic.problem(reply)
    release = traffic.release
    if reply.status == 404 and reply.version:
        if release is not None and release < _FIRST:
            why = f"Dify {reply.version} takes no users' tokens, which came with 1.15."
            raise problem.but(why, "Sign in with an admin key or a password.")
        raise problem.but(f"Dify {reply.version} takes no users' tokens: they are switched off.", _SWITCHED_OFF)
    raise refused(problem, traffic)


# Signing in with a browser


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
