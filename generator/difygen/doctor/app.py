"""The app behind a key: is the key valid, is its app a workflow, is that published. Never puts a key into words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

import httpx

from difygen.doctor.report import Section
from difygen.doctor.settings import Key
from difygen.model import APP_KINDS, WORKFLOW, AppKind, AppMode
from difygen.servers import USER_TOKENS, Address, NoAnswerError, ask, runtime_module

WHERE = "Dify shows an app's keys under API Access."


@dataclass(frozen=True, slots=True)
class Reply:
    """What an endpoint said: a JSON object, or the error that a generated client makes of it, or why there was none."""

    body: Mapping[str, Any] | None = None
    error: Any = None
    why: str = ""

    @property
    def is_dify(self) -> bool:
        """Whether an error is in Dify's words."""
        return self.error is not None and bool(self.error.code or self.error.server_version)


def check_key_form(section: Section, key: Key) -> str | None:
    """Check a key's form; the key that is meant, or None where there is none to try."""
    settings = runtime_module("_settings")
    given = settings.Secret(key.value)
    try:
        meant: str = settings.check_api_key(given.bare()).reveal()
    except ValueError as error:  # the client's ConfigurationError, which never holds the key
        section.problem("key", f"{key.origin} holds no key of an app. {str(error).rstrip('.')}.", WHERE)
        return None
    if given.bare().starts_with(*USER_TOKENS):
        section.problem("key", f"{key.origin} holds a user's token, not the key of an app: it opens no /v1.", WHERE)
        return None
    if given.trimmed().reveal() != meant:
        section.problem(
            "key",
            f"{key.origin} holds quotes or brackets around the key.",
            "Give the key alone: app-… and nothing else.",
        )
    elif not meant.startswith("app-"):
        section.ok(
            "key",
            f"{key.origin} holds a key.",
            "It does not begin with app- as Dify's own do; a gateway may want that.",
        )
    else:
        section.ok("key", f"{key.origin} holds an app key (app-…).")
    return meant


def check_app(
    section: Section, client: httpx.Client, address: Address, key: str, timeout: float, expected: AppKind = WORKFLOW
) -> Mapping[str, Any] | None:
    """Check what the key opens; the live app's `/parameters` where it is a published app of the expected kind."""
    info = fetch(client, f"{address.url}/info", key, timeout)
    if info.body is None:
        section.problem("app", *_refusal(info))
        return None
    body = info.body
    mode, title = body.get("mode"), body.get("name")
    name = f" {title!r}" if title and isinstance(title, str) else ""
    kind = APP_KINDS.get(cast(AppMode, mode))
    if isinstance(mode, str) and kind is not expected:
        fix = f"Use the key of the {expected.word} itself, or generate from this app's own definition."
        section.problem(
            "app",
            f"The key belongs to {kind.noun if kind else 'an app of mode ' + mode}{name}, not to {expected.noun}.",
            fix,
        )
        return None
    section.ok(
        "app",
        (
            f"The key is valid and belongs to the {expected.word}{name}."
            if mode
            else f"The key is valid{name and ' for'}{name}."
        ),
    )
    return _check_published(section, fetch(client, f"{address.url}/parameters", key, timeout), expected)


def fetch(client: httpx.Client, url: str, key: str, timeout: float) -> Reply:
    """GET with the key, which goes to the API root alone: redirects are not followed."""
    secret, answers = runtime_module("_settings").Secret(key), runtime_module("_answers")
    call = runtime_module("_http").Call("GET", url, key=secret, shown=urlsplit(url).path)
    try:
        answer = ask(client, call, timeout)
    except NoAnswerError as error:
        return Reply(why=str(error))
    if not 200 <= answer.status < 300:
        return Reply(error=answers.error_of(answer, call))
    try:
        return Reply(body=answers.json_object(answer, call))
    except runtime_module("_errors").APIError as error:
        return Reply(error=error)


def _check_published(section: Section, answer: Reply, kind: AppKind) -> Mapping[str, Any] | None:
    if answer.body is not None:
        section.ok("published", f"A version of the {kind.word} is published.")
        return answer.body
    if answer.error is not None and answer.error.code in ("app_unavailable", "agent_not_published"):
        fix = f"Open the {kind.word} in Dify and choose Publish; the API runs the published version only."
        section.problem("published", f"No version of the {kind.word} is published.", fix)
    else:
        section.problem("published", f"GET /parameters failed: {_said(answer)}", _remedy(answer))
    return None


def _refusal(answer: Reply) -> tuple[str, str]:
    status = answer.error.status if answer.is_dify else None
    if status == 401:
        return "Dify does not know the key.", f"It may belong to another server, or was deleted: copy it anew. {WHERE}"
    if status == 403:
        return (
            f"Dify refuses the key's app: {_said(answer)}",
            "Enable the app's API under API Access, or see whether app and workspace still exist.",
        )
    if answer.error is None:
        return (
            f"GET /info brought no answer: {answer.why}.",
            "Run the doctor again; if it stays so, see the server's log.",
        )
    return f"GET /info failed: {_said(answer)}", _remedy(answer)


def _said(answer: Reply) -> str:
    """Say what was said, as the end of a sentence."""
    if answer.error is None:
        return f"{answer.why}."
    error = answer.error
    return " ".join(filter(None, (str(error.status), error.code, error.message))).rstrip(".") + "."


def _remedy(answer: Reply) -> str:
    hint = answer.error and answer.error.hint
    return f"{hint}." if hint else "See the log of Dify's API."
