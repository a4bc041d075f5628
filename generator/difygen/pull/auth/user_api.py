"""Apps by a user's token: `/openapi/v1`, which Dify has since 1.15, where its administrator has switched it on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from difygen.console import one_line
from difygen.pull.auth.access import Access, refused, wrong_role
from difygen.pull.catalogue import RemoteApp, RemoteDefinition, Workspace, app_id_of, choose_workspace, walk
from difygen.pull.traffic import ServerProblem, ServerReply, Traffic
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
            return walk(lambda page, limit: self._get("/apps", page=page, limit=limit, workspace_id=self.workspace.id))
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
