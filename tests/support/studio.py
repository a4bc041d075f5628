"""A stand-in for the ways into a Dify server, built from recorded traffic: the console of each generation of logins,
the admin key, users' tokens on `/openapi/v1`, and the service API of each app's key.

It answers as Dify 1.14.2 and a development commit of June 2026 were seen to (`tests/recordings_console/`), and older
releases by what is known of them. Apps, versions and failures are what a test makes them.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import yaml

from support.servers import REASONS, Connection, Request, Server

WORKSPACE = "69ebe272-fbee-4f73-9360-6911d8f319a3"
TOKEN = "dfoa_of-ann-0123456789abcdef"
DEVICE_CODE = "device-code-0123456789abcdef"
ADMIN_KEY = "admin-key-0123456789abcdef"
EMAIL, PASSWORD = "ann@example.com", "correct horse, battery"
NOT_FOUND = (
    "The requested URL was not found on the server. If you entered the URL manually please check your spelling and "
    "try again."
)
PAGE = "<!doctype html>\n<html lang=en>\n<title>404 Not Found</title>\n<h1>Not Found</h1>\n"


def uuid(number: int) -> str:
    return f"{number:08x}-0000-4000-8000-{number:012x}"


def quoted(text: str) -> str:
    return yaml.dump(text, allow_unicode=True, default_style='"', width=10**6).strip()


def dsl(name: str, *variables: str, mode: str = "workflow", note: str = "") -> str:
    """The export of an app that takes these texts, as Dify writes it: sorted keys, no id in it."""
    if mode in ("workflow", "advanced-chat"):
        end = "answer" if mode == "advanced-chat" else "end"
        outputs = "answer: '{{#start.a#}}'" if end == "answer" else "outputs: []"
        taken = "".join(
            f"\n        - {{label: {each}, required: true, type: text-input, variable: {each}}}" for each in variables
        )
        return (
            f"app:\n  description: {quoted(note)}\n  mode: {mode}\n  name: {quoted(name)}\n"
            "dependencies: []\nkind: app\nversion: 0.6.0\nworkflow:\n  conversation_variables: []\n"
            "  environment_variables: []\n  features: {}\n  graph:\n    edges:\n"
            "    - {id: e, source: start, sourceHandle: source, target: stop, targetHandle: target}\n    nodes:\n"
            f"    - data:\n        title: Start\n        type: start\n        variables: {taken or '[]'}\n"
            "      id: start\n"
            f"    - data:\n        {outputs}\n        title: End\n        type: {end}\n      id: stop\n"
        )
    form = "".join(f"\n  - text-input: {{label: {each}, required: true, variable: {each}}}" for each in variables)
    return (
        f"app:\n  description: {quoted(note)}\n  mode: {mode}\n  name: {quoted(name)}\n"
        "dependencies: []\nkind: app\n"
        f"model_config:\n  pre_prompt: Hello\n  user_input_form: {form or '[]'}\nversion: 0.6.0\n"
    )


@dataclass
class StudioApp:
    """An app: its draft, and its published versions by id, the last one current."""

    number: int
    name: str
    variables: tuple[str, ...] = ("a",)
    mode: str = "workflow"
    tags: tuple[str, ...] = ()
    api: bool = True
    note: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    draft: str | None = None
    key: str = ""
    runs: Sequence[dict[str, Any]] = ()
    fails: tuple[int, dict[str, Any]] | None = None

    @property
    def id(self) -> str:
        return uuid(self.number)

    @property
    def current(self) -> str | None:
        return next(reversed(self.versions), None)

    def text(self) -> str:
        if self.draft is not None:
            return self.draft
        return dsl(self.name, *self.variables, mode=self.mode, note=self.note)

    def publish(self) -> str:
        """Publish the draft as the next version."""
        version = f"{self.number:08x}-{len(self.versions) + 1:04x}-4000-8000-000000000000"
        self.versions[version] = self.text()
        self.published_variables = self.variables
        return version

    published_variables: tuple[str, ...] = ()

    def export(self, version: str) -> str | None:
        if version and self.mode in ("workflow", "advanced-chat"):
            return self.versions.get(version)
        return self.text()

    @property
    def parameters(self) -> dict[str, Any]:
        taken = self.published_variables if self.versions else self.variables
        form = [
            {
                "text-input": {
                    "label": each,
                    "max_length": None,
                    "required": True,
                    "type": "text-input",
                    "variable": each,
                }
            }
            for each in taken
        ]
        off = {"enabled": False}
        return {
            "opening_statement": "",
            "suggested_questions": [],
            "suggested_questions_after_answer": off,
            "speech_to_text": off,
            "text_to_speech": {**off, "language": "", "voice": ""},
            "user_input_form": form,
            "file_upload": {**off, "allowed_file_types": [], "number_limits": 3},
            "system_parameters": {"file_size_limit": 15},
        }


@dataclass
class Studio:
    """A server. `version` decides how its console lets people in, and which paths its `/openapi/v1` has.

    `limit` is how many requests of a token it takes until it answers 429, once; `role` that of the user. `shuffled`
    lists lose apps between pages, as Dify's do. `before` may answer in place of it all. `polls` is what a device that
    somebody signs in with a browser is told before it gets the token, and `clients` are the programs that may ask.
    """

    apps: list[StudioApp] = field(default_factory=list)
    version: str = "1.15.0"
    openapi: bool = True
    bearer: bool = True
    admin: bool = True
    role: str = "owner"
    limit: int | None = None
    retry_after: int = 1
    shuffled: bool = False
    passwords: bool = True
    hides_version: bool = False
    lists_versions: bool = False
    clients: tuple[str, ...] = ("difyctl",)
    polls: list[str] = field(default_factory=list)
    revoked: bool = False
    workspaces: list[dict[str, Any]] = field(
        default_factory=lambda: [{"id": WORKSPACE, "name": "Ann's Workspace", "role": "owner", "current": True}]
    )
    before: Callable[[Request], tuple[int, Any] | bytes | None] | None = None
    expires_after: int | None = None
    seen: list[Request] = field(default_factory=list)
    failures: int = 0
    session: int = 0

    @property
    def release(self) -> tuple[int, ...]:
        return tuple(map(int, self.version.split(".")))

    def serve(self) -> Server:
        return Server(self.answer)

    def app(self, app_id: str) -> StudioApp | None:
        return next((app for app in self.apps if app.id == app_id), None)

    def answer(self, connection: Connection, request: Request) -> None:
        self.seen.append(request)
        found = self.before(request) if self.before else None
        if isinstance(found, bytes):
            connection.send(found)
            connection.finish()
            return
        if found is None:
            found = self._route(request)
        status, body, *more = found
        headers = [*more[0]] if more else []
        is_page = isinstance(body, str) and body.startswith("<")
        data = b"" if body is ... else body.encode() if is_page else json.dumps(body).encode()
        kind = "text/html; charset=utf-8" if is_page else "application/json"
        headers += [("Content-Type", kind), ("Content-Length", str(len(data)))]
        if not self.hides_version:
            headers += [("X-Version", self.version), ("X-Env", "PRODUCTION")]
        lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'STATUS')}", *(f"{name}: {value}" for name, value in headers)]
        connection.send(("\r\n".join(lines) + "\r\n\r\n").encode() + data)

    def _route(self, request: Request) -> Any:
        path = unquote(request.path)
        for prefix, route in (
            ("/console/api", self._console),
            ("/openapi/v1", self._openapi),
            ("/v1", self._service),
        ):
            if path.startswith(f"{prefix}/"):
                return route(request, path.removeprefix(prefix))
        return 404, PAGE

    # The console

    def _console(self, request: Request, path: str) -> Any:
        if path == "/system-features":
            return 200, {"enable_email_password_login": self.passwords, "sso_enforced_for_signin": not self.passwords}
        if path == "/setup":
            return 200, {"step": "finished"}
        if path == "/login" and request.method == "POST":
            return self._login(request)
        if path == "/refresh-token":
            return self._refresh(request)
        if refusal := self._refuse(request):
            return refusal
        if path == "/workspaces":
            return 200, {
                "workspaces": [{key: row[key] for key in ("id", "name", "current")} for row in self.workspaces]
            }
        if path == "/apps":
            return self._list(request, self.apps, most=100, refusal=(400, error("invalid_param", "limit", 400)))
        return self._console_app(request, path)

    def _console_app(self, request: Request, path: str) -> Any:
        found = re.fullmatch(r"/apps/([0-9a-f-]{36})(/.*)?", path)
        if not found:
            return 404, PAGE
        app, rest = self.app(found[1]), found[2] or ""
        if app is None:
            return 404, error("app_not_found", "App not found.", 404)
        if app.fails and rest:
            return app.fails
        if rest == "":
            return 200, self._row(app, console=True)
        if rest == "/workflows/publish":
            return 200, {"id": app.current, "graph": {}} if app.current else None
        if rest == "/export":
            if self.role not in ("owner", "admin", "editor"):
                return 403, error("forbidden", "You don't have the permission to access the requested resource.", 403)
            version = request.query.get("workflow_id", "") if self.release >= (1, 9) else ""
            text = app.export(version)
            if text is None:
                return 400, error("invalid_param", "Missing draft workflow configuration, please check.", 400)
            return 200, {"data": text}
        return 404, PAGE

    def _login(self, request: Request) -> Any:
        password = request.json.get("password", "")
        if self.release >= (1, 11, 2):
            try:
                password = b64decode(password, validate=True).decode()
            except ValueError:
                return 401, error("authentication_failed", "Invalid encrypted data", 401)
        if self.failures >= 6:
            said = "Too many incorrect password attempts. Please try again later."
            return 429, error("email_code_login_limit", said, 429)
        if (request.json.get("email", "").lower(), password) != (EMAIL, PASSWORD):
            self.failures += 1
            return 401, error("authentication_failed", "Invalid email or password.", 401)
        return self._begin()

    def _begin(self) -> Any:
        self.session += 1
        if self.release < (0, 10):
            return 200, {"result": "success", "data": f"access-{self.session}"}
        if self.release < (1, 9, 2):
            return 200, {"result": "success", "data": {"access_token": f"access-{self.session}", "refresh_token": "r"}}
        cookies = [
            ("Set-Cookie", f"{name}_token={name}-{self.session}; Max-Age=3600; HttpOnly; Path=/; SameSite=Lax")
            for name in ("csrf", "access", "refresh")
        ]
        return 200, {"result": "success"}, cookies

    def _refresh(self, request: Request) -> Any:
        if cookies_of(request).get("refresh_token") != f"refresh-{self.session}":
            return 401, {"result": "fail", "message": "Invalid refresh token"}
        self.expires_after = None
        return self._begin()

    def _refuse(self, request: Request) -> Any:
        unauthorized = (401, error("unauthorized", "Invalid token.", 401))
        cookies, bearer = cookies_of(request), request.headers.get("authorization", "").removeprefix("Bearer ")
        if bearer == ADMIN_KEY and self.admin and "access_token" not in cookies:
            return None if request.headers.get("x-workspace-id") == WORKSPACE else unauthorized
        access = cookies.get("access_token", "") or bearer
        if not access:
            return 401, error("unauthorized", "Invalid Authorization token.", 401)
        if access != f"access-{self.session}":
            return unauthorized
        if self.expires_after is not None:
            self.expires_after -= 1
            if self.expires_after < 0:
                return 401, error("unauthorized", "Token has expired.", 401)
        csrf = f"csrf-{self.session}"
        if self.release >= (1, 9, 2) and {cookies.get("csrf_token"), request.headers.get("x-csrf-token")} != {csrf}:
            return 401, error("unauthorized", "CSRF token is missing or invalid.", 401)
        return None

    # /openapi/v1

    def _openapi(self, request: Request, path: str) -> Any:
        if not self.openapi:
            return 404, PAGE
        if path == "/_version":
            return 200, {"version": self.version, "edition": "SELF_HOSTED"}
        if path.startswith("/oauth/device/"):
            return self._device(request, path)
        if request.headers.get("authorization") != f"Bearer {TOKEN}" or not self.bearer or self.revoked:
            return 500, error("internal_server_error", "Internal Server Error", 500)
        if self.limit is not None:
            self.limit -= 1
            if self.limit < 0:
                self.limit = None
                said = "This user has exceeded an allotted request count. Try again later."
                return 429, error("too_many_requests", said, 429), [("Retry-After", str(self.retry_after))]
        if path == "/account/sessions/self" and request.method == "DELETE":
            self.revoked = True
            return 200, {"status": "revoked"}
        if path == "/workspaces":
            return 200, {"workspaces": [{**row, "role": self.role} for row in self.workspaces]}
        if path == "/apps":
            if request.query.get("workspace_id") not in [row["id"] for row in self.workspaces]:
                return 404, error("not_found", "workspace not found", 404)
            refusal = (400, error("bad_request", "limit", 400))
            return self._list(request, [app for app in self.apps if app.api], most=100, refusal=refusal)
        return self._openapi_app(request, path)

    def _device(self, request: Request, path: str) -> Any:
        if request.json["client_id"] not in self.clients:
            return 400, {"error": "unsupported_client"}
        if path == "/oauth/device/code":
            page = f"http://{request.headers['host']}/device"
            code = {"device_code": DEVICE_CODE, "user_code": "RCRD-CDEG", "verification_uri": page}
            return 200, {**code, "expires_in": 900, "interval": 5}
        if request.json["device_code"] != DEVICE_CODE:
            return 400, {"error": "expired_token"}
        if self.polls:
            return 400, {"error": self.polls.pop(0)}
        until = "2026-12-09T22:26:10.222767+00:00"
        return 200, {"token": TOKEN, "expires_at": until, "subject_type": "account", "workspaces": self.workspaces}

    def _openapi_app(self, request: Request, path: str) -> Any:
        found = re.fullmatch(r"/apps/([^/]+)(/.*)?", path)
        newer = self.release >= (1, 16)
        rest = (found[2] or "") if found else None
        what = {"/dsl" if newer else "/export": "export", "" if newer else "/describe": "describe"}
        if self.lists_versions:
            what["/versions"] = "versions"
        if found is None or rest not in what:
            return 404, error("not_found", NOT_FOUND, 404)
        app = self.app(found[1])
        if app is None:
            return 404, error("not_found", "app not found", 404)
        if not app.api:
            return 403, error("forbidden", "service_api_disabled", 403)
        if app.fails and what[rest] == "export":
            return app.fails
        if what[rest] == "describe":
            fields = request.query.get("fields", "info,parameters").split(",")
            info = {"id": app.id, "name": app.name, "mode": app.mode, "tags": [{"name": tag} for tag in app.tags]}
            return 200, {
                "info": info if "info" in fields else None,
                "parameters": app.parameters if "parameters" in fields else None,
                "input_schema": None,
            }
        if what[rest] == "versions":
            rows = [{"id": each, "current": each == app.current} for each in reversed(app.versions)]
            return 200, {"page": 1, "limit": 20, "has_more": False, "data": rows}
        if self.role not in ("owner", "admin", "editor"):
            return 403, error("forbidden", "Forbidden", 403)
        text = app.export(request.query.get("workflow_id", ""))
        return (
            (200, {"data": text}) if text is not None else (404, "Missing draft workflow configuration, please check.")
        )

    # The service API

    def _service(self, request: Request, path: str) -> Any:
        key = request.headers.get("authorization", "").removeprefix("Bearer ")
        app = next((app for app in self.apps if app.key and app.key == key), None)
        if app is None:
            return 401, error("unauthorized", "Access token is invalid", 401)
        if not app.api:
            return 403, error("forbidden", "The app's API service has been disabled.", 403)
        if path == "/info":
            tags = [*app.tags]
            return 200, {
                "name": app.name,
                "description": app.note,
                "tags": tags,
                "mode": app.mode,
                "author_name": "ann",
            }
        if path == "/parameters":
            if app.mode in ("workflow", "advanced-chat") and not app.versions:
                return 400, error("app_unavailable", "App unavailable, please check your app configurations.", 400)
            return 200, app.parameters
        if path == "/workflows/logs":
            limit = int(request.query.get("limit", 20))
            rows = [
                {"id": uuid(n), "workflow_run": {"id": uuid(n), "status": "succeeded"}} for n in range(len(app.runs))
            ]
            return 200, {"page": 1, "limit": limit, "total": len(rows), "has_more": False, "data": rows[:limit]}
        if found := re.fullmatch(r"/workflows/run/([0-9a-f]{8})-.*", path):
            return 200, {"id": path.rpartition("/")[2], "status": "succeeded", "outputs": app.runs[int(found[1], 16)]}
        return 404, PAGE

    # Both

    def _row(self, app: StudioApp, *, console: bool) -> dict[str, Any]:
        row: dict[str, Any] = {"id": app.id, "name": app.name, "description": app.note, "mode": app.mode}
        row["tags"] = [{"id": uuid(900), "name": tag, "type": "app"} for tag in app.tags]
        if console:
            row["workflow"] = {"id": app.current} if app.current else None
        else:
            row["workspace_id"] = WORKSPACE
        return row

    def _list(self, request: Request, apps: list[StudioApp], *, most: int, refusal: Any) -> Any:
        page, limit = int(request.query.get("page", 1)), int(request.query.get("limit", 20))
        if not 1 <= limit <= most:
            return refusal
        is_console = request.path.startswith("/console")
        ordered = apps
        if self.shuffled:  # made in the same second: another order for each request
            turn = (page * 7 + limit) % len(apps)
            ordered = [*apps[turn:], *apps[:turn]]
        rows = [self._row(app, console=is_console) for app in ordered[(page - 1) * limit : page * limit]]
        return 200, {
            "page": page,
            "limit": limit,
            "total": len(apps),
            "has_more": page * limit < len(apps),
            "data": rows,
        }


def error(code: str, message: str, status: int) -> dict[str, Any]:
    return {"code": code, "message": message, "status": status}


def cookies_of(request: Request) -> dict[str, str]:
    pairs = (each.strip().partition("=") for each in request.headers.get("cookie", "").split(";"))
    return {name: value for name, _, value in pairs if name}
