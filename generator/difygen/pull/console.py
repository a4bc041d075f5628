"""Apps by the API of Dify's console, unofficial but there in every release: with an admin key, or a session of a user.

A session is begun by e-mail and password, and carried in each release's own way: a bearer token until 1.9.1, cookies
and a CSRF token since; the password is sent in Base64 since 1.11.2. Nothing of it is kept.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Protocol

from difygen.console import UsageProblem, one_line
from difygen.pull.access import EMAIL, PASSWORD, WORKSPACE, Access, is_sendable, refused, wrong_role
from difygen.pull.catalogue import RemoteApp, RemoteDefinition, Workspace, app_id_of, choose_workspace, collect_apps
from difygen.pull.traffic import ServerProblem, ServerReply, Traffic
from difygen.servers import runtime_module
from difygen.wording import listed, quoted

ROOT = "/console/api"
CSRF_HEADER = "X-CSRF-Token"

FIRST_WITH_BASE64 = (1, 11, 2)
FIRST_WITH_VERSIONS = (1, 9, 0)
"""The first release that exports a version by its id; those before give the draft for it, without a word."""

_COOKIES = ("access_token", "refresh_token", "csrf_token")
_CSRF = "CSRF token"


class Session(Protocol):
    """What proves to the console who asks."""

    def headers(self) -> Mapping[str, str]:
        """Return the headers of a request."""

    def renew(self) -> bool:
        """Begin anew what has expired; whether that was possible."""

    def explained(self, problem: ServerProblem) -> ServerProblem:
        """Return what a refusal means."""

    def close(self) -> None:
        """End it."""


class AdminSession:
    """The admin key of a server: acts in one workspace as its owner."""

    def __init__(self, traffic: Traffic, access: Access, workspace: str | None) -> None:
        if not workspace or not app_id_of(workspace):
            raise UsageProblem(
                f"An admin key acts in one workspace: set {WORKSPACE} or `workspace` to its id, a UUID. The console's "
                "requests for /workspaces show it in a browser, and so does the table `tenants` of the database."
            )
        self._access, self._workspace = access, workspace
        traffic.secrets.append(access.secret)

    def headers(self) -> Mapping[str, str]:
        """Return the key and the workspace. Cookies would win over them, and none are kept."""
        return {"Authorization": f"Bearer {self._access.secret.reveal()}", "X-WORKSPACE-ID": self._workspace}

    def renew(self) -> bool:
        """Return False: a key does not expire."""
        return False

    def close(self) -> None:
        """Do nothing: there is no session that could end."""

    def explained(self, problem: ServerProblem) -> ServerProblem:
        """Return what a refusal means: the server says the same of all that can be wrong."""
        if problem.status != 401:
            return problem
        return problem.but(
            f"Dify does not take the admin key for the workspace: {problem.message}",
            f"One of three: {self._access.origin} is not the server's ADMIN_API_KEY, ADMIN_API_KEY_ENABLE is not true "
            f"there, or it has no workspace {self._workspace}.",
        )


class PasswordSession:
    """A session of a user, begun by e-mail and password."""

    def __init__(self, traffic: Traffic, access: Access, ask: Callable[[Access], Any]) -> None:
        """Sign in. Raises `ServerProblem` where the server does not let this user in."""
        self._traffic, self._access = traffic, access
        self._tokens: dict[str, tuple[str, Any]] = {}
        self._bearer: Any = None
        self._check_password_is_a_way()
        self._password = ask(access)
        traffic.secrets.append(self._password)
        self._sign_in()

    def headers(self) -> Mapping[str, str]:
        """Return the cookies with the CSRF token, or the bearer token of older releases."""
        if self._bearer is not None:
            return {"Authorization": f"Bearer {self._bearer.reveal()}"}
        cookies = "; ".join(f"{name}={value.reveal()}" for name, value in self._tokens.values())
        return {"Cookie": cookies, CSRF_HEADER: self._tokens["csrf_token"][1].reveal()}

    def renew(self) -> bool:
        """Take new tokens for the refresh token, which works once; else sign in again."""
        if "refresh_token" in self._tokens and self._bearer is None:
            name, value = self._tokens["refresh_token"]
            reply = self._traffic.post(f"{ROOT}/refresh-token", lambda: b"{}", {"Cookie": f"{name}={value.reveal()}"})
            if reply.status == 200 and self._keep(reply):
                return True
        self._sign_in()
        return True

    def close(self) -> None:
        """Sign out, so that the refresh token is worth nothing from now on."""
        with suppress(ServerProblem):
            self._traffic.post(f"{ROOT}/logout", lambda: b"{}", self.headers())

    def explained(self, problem: ServerProblem) -> ServerProblem:
        """Return what a refusal means in the middle of a session."""
        if problem.status == 401 and _CSRF in problem.said:
            return problem.but(
                f"Dify misses the CSRF token of the session: {problem.message}",
                f"Something in between takes the header {CSRF_HEADER} or cookies away, or changes them.",
            )
        return problem

    def _check_password_is_a_way(self) -> None:
        """Refuse before a password is asked for where the server takes none: SSO alone, codes by e-mail, Cloud."""
        reply = self._traffic.get(f"{ROOT}/system-features")
        if reply.status != 200:
            problem = self._traffic.problem(reply)
            raise refused(problem, self._traffic)
        features = reply.members
        if features.get("enable_email_password_login") is not False:
            return
        ways = [
            word
            for key, word in (
                ("sso_enforced_for_signin", "SSO"),
                ("enable_email_code_login", "codes by e-mail"),
                ("enable_social_oauth_login", "GitHub or Google"),
            )
            if features.get(key) is True
        ]
        others = f": it lets people in by {listed(ways)}" if ways else ""
        raise ServerProblem(
            f"{self._traffic.origin} takes no passwords{others}.",
            "Sign in with a browser (--auth browser, Dify 1.15 and later), or take a user's token or an admin key.",
        )

    def _sign_in(self) -> None:
        """Sign in with the password, in the form that the server's release wants."""
        release = self._traffic.release
        in_base64 = release is None or release >= FIRST_WITH_BASE64
        reply = self._attempt(in_base64)
        if reply.status == 401 and release is None:  # a proxy hides the release, which may be an old one
            reply = self._attempt(False)
        if reply.status == 200 and self._keep(reply):
            return
        raise self._refusal(reply)

    def _attempt(self, in_base64: bool) -> ServerReply:
        def body() -> bytes:
            return json.dumps(
                {
                    "email": self._access.user,
                    "password": (
                        b64encode(self._password.reveal().encode()).decode() if in_base64 else self._password.reveal()
                    ),
                    "language": "en-US",
                    "remember_me": True,
                }
            ).encode()

        return self._traffic.post(f"{ROOT}/login", body)

    def _keep(self, reply: ServerReply) -> bool:
        """Keep the tokens of a good answer for this run; whether it holds some."""
        secret = runtime_module("_settings").Secret
        for line in reply.headers.get_list("set-cookie"):
            name, _, value = line.partition(";")[0].strip().partition("=")
            plain = name.removeprefix("__Host-").removeprefix("__Secure-")
            if plain in _COOKIES and is_sendable(value):
                self._tokens[plain] = name, secret(value)
        data = reply.members.get("data")
        bearer = data.get("access_token") if isinstance(data, dict) else data
        if {"access_token", "csrf_token"} <= self._tokens.keys():
            self._bearer = None
        elif isinstance(bearer, str) and is_sendable(bearer) and reply.members.get("result") != "fail":
            self._bearer = secret(bearer)
        self._traffic.secrets += [value for _, value in self._tokens.values()]
        self._traffic.secrets += [] if self._bearer is None else [self._bearer]
        return self._bearer is not None or {"access_token", "csrf_token"} <= self._tokens.keys()

    def _refusal(self, reply: ServerReply) -> ServerProblem:
        if reply.status == 200 and reply.members.get("result") == "success":
            return ServerProblem(
                "Dify let the user in, and its cookies did not arrive as they have to be sent back.",
                "Something in between takes the header Set-Cookie away, or changes it: ask the server without it.",
            )
        problem = self._traffic.problem(reply)
        who = one_line(self._access.user)
        if problem.code == "email_code_login_limit":
            return problem.but(
                f"Dify lets {who} try no more for now: {problem.message}",
                "Six wrong passwords were tried. Wait a quarter of an hour: attempts until then count, too.",
            )
        if "Invalid encrypted data" in problem.said:
            return problem.but(
                f"Dify cannot read the password: {problem.message}",
                "Something in between changes the body of the request; or this release wants it in a new form: "
                "update difygen, or take another way in.",
            )
        if problem.status == 401 or problem.code in ("authentication_failed", "account_not_found"):
            return problem.but(
                f"Dify does not let {who} in: {problem.message}",
                f"Check {EMAIL} and {PASSWORD}. The sixth wrong password in a row locks the account for a while; "
                "accounts that sign in by SSO alone have none.",
            )
        if problem.code:  # what it says may repeat what was sent
            return problem.but(f"Dify answered {problem.status} {problem.code} to the sign-in.", problem.hint)
        if problem.said:
            return problem.but(f"Dify answered {problem.status} to the sign-in.", problem.hint)
        return refused(problem, self._traffic)


class ConsoleApi:
    """What a session opens. Raises `ServerProblem` where something cannot be had."""

    def __init__(self, traffic: Traffic, session: Session, wanted: str | None) -> None:
        """Choose the workspace. A session is in its current one alone, and changes it for nobody."""
        self._traffic, self._session = traffic, session
        try:
            self.workspace = self._choose_workspace(wanted)
        except BaseException:
            session.close()
            raise

    def close(self) -> None:
        """End the session."""
        self._session.close()

    def apps(self) -> tuple[list[RemoteApp], int]:
        """Return all apps of the workspace, and how many the server did not tell."""
        return collect_apps(lambda page, limit: self._get("/apps", page=page, limit=limit))

    def find(self, app_id: str) -> RemoteApp | None:
        """Return an app that is not among those listed; None where there is none."""
        try:
            return RemoteApp.of(self._get(f"/apps/{app_id}"))
        except ServerProblem as problem:
            if problem.code == "app_not_found":
                return None
            raise

    def definition(self, app: RemoteApp, *, draft: bool) -> RemoteDefinition:
        """Return the definition of an app: its published version, if it has one."""
        release = self._traffic.release
        by_version = app.has_versions and not draft and (release is None or release >= FIRST_WITH_VERSIONS)
        version = (app.published or self._published(app)) if by_version else ""
        query = {"include_secret": "false", **({"workflow_id": version} if version else {})}
        return RemoteDefinition.of(app, self._get(f"/apps/{app.id}/export", **query).get("data"), version)

    def parameters(self, app: RemoteApp) -> Mapping[str, Any] | None:
        """Return None: what is published is exported as a version, and need not be compared."""
        return None

    def _published(self, app: RemoteApp) -> str:
        """Return the id of the published version, for lists of apps that do not have it; empty for none."""
        reply = self._ask(f"/apps/{app.id}/workflows/publish", {})
        if reply.status == 200 and reply.payload is None:
            return ""
        return app_id_of(self._traffic.members(reply).get("id"))

    def _choose_workspace(self, wanted: str | None) -> Workspace:
        chosen = choose_workspace(self._get("/workspaces").get("workspaces"), None)
        if wanted and wanted not in (chosen.id, chosen.name):
            raise ServerProblem(
                f"The session is in the workspace {quoted(chosen.name)}, not in {quoted(wanted)}.",
                "Switch it in the console (that holds for the account everywhere), or take a user's token.",
            )
        return chosen

    def _get(self, path: str, **query: str | int) -> Mapping[str, Any]:
        reply = self._ask(path, query)
        try:
            return self._traffic.members(reply)
        except ServerProblem as problem:
            failure = self._explained(problem)
        raise failure

    def _ask(self, path: str, query: Mapping[str, str | int]) -> ServerReply:
        """Ask once more with new tokens where the old ones have expired."""
        reply = self._traffic.get(f"{ROOT}{path}", query, self._session.headers())
        if reply.status == 401 and self._session.renew():
            reply = self._traffic.get(f"{ROOT}{path}", query, self._session.headers())
        return reply

    def _explained(self, problem: ServerProblem) -> ServerProblem:
        if problem.status == 403:
            return wrong_role(problem)
        return refused(self._session.explained(problem), self._traffic)
