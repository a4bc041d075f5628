"""Which way into a server, and where its token, key or password comes from: the environment, a file, or a prompt.

Never an argument: what stands on a command line is seen by everybody on the machine, and stays in the shell's history.
Nothing of it is kept.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

import click

from difygen.console import UsageProblem, is_terminal, one_line
from difygen.files import read_file
from difygen.pull.traffic import ServerProblem, Traffic
from difygen.servers import (
    DEFAULT_PORTS,
    USER_TOKENS,
    Address,
    AddressProblem,
    key_from_file,
    parse_address,
    runtime_module,
)
from difygen.wording import has_surrogate, listed

AuthMethod = Literal["token", "difyctl", "browser", "admin-key", "password", "app-key"]
AUTH_METHODS: tuple[AuthMethod, ...] = get_args(AuthMethod)
"""From the best to the last: what is documented and needs no password comes first."""

TOKEN = "DIFY_TOKEN"
ADMIN_KEY = "DIFY_ADMIN_API_KEY"
WORKSPACE = "DIFY_WORKSPACE_ID"
EMAIL = "DIFY_EMAIL"
PASSWORD = "DIFY_PASSWORD"
HOST = "DIFY_HOST"
BASE_URL = "DIFY_BASE_URL"
SHARED_KEY = "DIFY_API_KEY"

CLOUD_API, CLOUD_CONSOLE = "api.dify.ai", "cloud.dify.ai"

_PAGES = re.compile(r"/(?:console/api|openapi/v1|v1|console|apps?|signin|explore|datasets|tools|account)(?:/.*)?$")


@dataclass(frozen=True, slots=True)
class Access:
    """A way into a server with what it takes. Its repr shows no secret: `secret` is one of the runtime's.

    `origin` is where the secret was found; `user` the e-mail that goes with a password, or the name of the variable
    that an app's key came from; `workspace` the one that whoever stored a token worked in.
    """

    method: AuthMethod
    secret: Any
    origin: str
    user: str = ""
    workspace: str = ""


@dataclass(frozen=True, slots=True)
class AccessOptions:
    """What the command line and the settings say of the way into a server."""

    server: str | None = None
    auth: AuthMethod | None = None
    email: str | None = None
    token_file: str | None = None
    api_key_file: str | None = None
    keys: tuple[str, ...] = ()
    sample_runs: int = 0
    keep_token: str | None = None


def find_server(options: AccessOptions, notice: Callable[[str], None]) -> Address:
    """Return where the console is: as said, else in the environment, else where difyctl is signed in."""
    for text, origin in (
        (options.server, "--server or `server`"),
        (os.environ.get(HOST), HOST),
        (os.environ.get(BASE_URL), BASE_URL),
        (_difyctl("hosts.yml").get("current_host") if options.auth in (None, "difyctl") else None, "difyctl"),
    ):
        if text:
            return _console_address(str(text), origin, notice)
    raise UsageProblem(
        "No server was given: set `server` in [tool.difygen.pull] or give --server, such as https://dify.example.com "
        "(Cloud: https://cloud.dify.ai)."
    )


def service_api(console: Address) -> Address:
    """Return the root of the service API that belongs to a console."""
    host = CLOUD_API if console.host == CLOUD_CONSOLE else console.host
    return Address(console.scheme, host, console.port, f"{console.path}/v1")


def find_access(options: AccessOptions, server: Address) -> tuple[Access, ...]:
    """Return the way in: the one that was asked for, else the best for which there is something. App keys may be many.

    Raises `UsageProblem` where there is none, with all that would do.
    """
    wanted = _wanted_method(options)
    browser = Access("browser", runtime_module("_settings").Secret(""), "a browser")
    finders: Mapping[AuthMethod, Callable[[], tuple[Access, ...]]] = {
        "token": lambda: _given("token", TOKEN, options.token_file),
        "difyctl": lambda: _token_of_difyctl(server),
        "browser": lambda: (browser,) if wanted == "browser" and is_terminal(sys.stderr) else (),
        "admin-key": lambda: _given("admin-key", ADMIN_KEY, None),
        "password": lambda: _password(options),
        "app-key": lambda: _app_keys(options),
    }
    for method in [wanted] if wanted else AUTH_METHODS:
        if found := finders[method]():
            return found
    if wanted == "browser":
        raise UsageProblem(f"Somebody has to sign in with a browser at a terminal, and this is none: set {TOKEN}.")
    if wanted:
        raise UsageProblem(f"There is nothing to sign in with by {wanted}: {_NEEDS[wanted]}.")
    raise UsageProblem(
        "There is nothing to sign in with.",
        note="\n".join(
            [
                *(f"    {method}: {_NEEDS[method]}" for method in AUTH_METHODS),
                "docs/pull.md says which to take. None is given as an argument, where others could see it.",
            ]
        ),
    )


def _wanted_method(options: AccessOptions) -> AuthMethod | None:
    """Return the way that was asked for: by its name, or by what goes with no other. Raises `UsageProblem` for two."""
    given: dict[str, AuthMethod] = {}
    if options.token_file:
        given["--token-file"] = "token"
    if options.keep_token:
        given["--keep-token"] = "browser"
    if options.email:
        given["--email"] = "password"
    if options.api_key_file:
        given["--api-key-file"] = "app-key"
    if options.sample_runs:
        given["--sample-runs"] = "app-key"
    wanted = options.auth or next(iter(given.values()), None)
    for option, method in given.items():
        if method != wanted:
            raise UsageProblem(
                f"{option} goes with --auth {method}, and {wanted} was asked for: leave one of them out."
            )
    return wanted


_NEEDS: Mapping[AuthMethod, str] = {
    "token": f"set {TOKEN}, or give --token-file, with a user's token (Dify 1.15 and later)",
    "difyctl": "sign in with `difyctl auth login`, which keeps a token in its tokens.yml",
    "browser": "give --auth browser at a terminal, for somebody to sign in there (Dify 1.15 and later)",
    "admin-key": f"set {ADMIN_KEY} to the server's ADMIN_API_KEY, and {WORKSPACE}",
    "password": f"set {EMAIL} (or give --email) and {PASSWORD}; a terminal is asked for the password",
    "app-key": f"set {SHARED_KEY} or those of the setting `keys`: specs with exact inputs and unknown outputs",
}


def _given(method: AuthMethod, variable: str, file: str | None) -> tuple[Access, ...]:
    """Return what a file holds, if one was named, else what the variable does."""
    if file is not None:
        return (Access(method, _secret(key_from_file(file, "token"), "--token-file"), "the file of --token-file"),)
    if os.environ.get(variable):
        return (Access(method, _secret(os.environ[variable], variable), variable),)
    return ()


def _token_of_difyctl(server: Address) -> tuple[Access, ...]:
    """Return the token that difyctl keeps for the server: in `tokens.yml`, by host and account."""
    tokens, hosts = _difyctl("tokens.yml"), _mapping(_difyctl("hosts.yml").get("hosts"))
    for host, accounts in _mapping(tokens.get("tokens") or tokens.get("hosts")).items():
        known = _mapping(hosts.get(host))
        if not _is_at(str(host), known.get("scheme"), server):
            continue
        current = known.get("current_account")
        for account, token in sorted(_mapping(accounts).items(), key=lambda one: one[0] != current):
            if isinstance(token, str) and token:
                context = _mapping(_mapping(known.get("accounts")).get(account))
                workspace = _mapping(context.get("workspace")).get("id")
                return (
                    Access(
                        "difyctl",
                        _secret(token, "difyctl's tokens.yml"),
                        "difyctl",
                        workspace=workspace if isinstance(workspace, str) else "",
                    ),
                )
    return ()


def _is_at(host: str, scheme: object, server: Address) -> bool:
    """Check whether a server is the one that a token was given by: the very host, port and, where known, scheme."""
    try:
        parts = urlsplit(host if "://" in host else f"//{host}")
        scheme = parts.scheme or scheme or server.scheme
        place = (scheme, parts.hostname, parts.port or DEFAULT_PORTS.get(str(scheme)))
    except ValueError:
        return False
    return place == (server.scheme, server.host, server.port)


def _password(options: AccessOptions) -> tuple[Access, ...]:
    """Return a password for the e-mail: that of the environment; `ask_password` asks for one where it is empty."""
    email = options.email or os.environ.get(EMAIL)
    if not email and options.auth == "password" and is_terminal(sys.stdin) and is_terminal(sys.stderr):
        email = click.prompt("E-mail", err=True, default="", show_default=False).strip()
    if not email:
        return ()
    for name, value in (("the e-mail", email), (PASSWORD, os.environ.get(PASSWORD, ""))):
        if has_surrogate(value):
            raise UsageProblem(f"What was given as {name} is not UTF-8 text, which is what Dify takes.")
    given = runtime_module("_settings").Secret(os.environ.get(PASSWORD, ""))
    return (Access("password", given, PASSWORD, user=email),)


def ask_password(access: Access, server: str) -> Any:
    """Return the password, asked for at the terminal, unseen, where the environment has none."""
    if access.secret.reveal():
        return access.secret
    if not (is_terminal(sys.stdin) and is_terminal(sys.stderr)):
        raise UsageProblem(f"No password for {one_line(access.user)}: set {PASSWORD}, or run this at a terminal.")
    secret = runtime_module("_settings").Secret(
        click.prompt(f"Password of {one_line(access.user)} at {server}", hide_input=True, err=True)
    )
    return secret


def _app_keys(options: AccessOptions) -> tuple[Access, ...]:
    if options.api_key_file is not None:
        secret = _app_key(key_from_file(options.api_key_file), "--api-key-file")
        name = one_line(os.path.basename(options.api_key_file)) if options.api_key_file != "-" else "stdin"
        return (Access("app-key", secret, "the file of --api-key-file", user=name),)
    if missing := [name for name in options.keys if not os.environ.get(name)]:
        raise UsageProblem(*(f"{name} is named in the setting `keys`, and is not set." for name in missing))
    names = options.keys or ((SHARED_KEY,) if os.environ.get(SHARED_KEY) else ())
    return tuple(Access("app-key", _app_key(os.environ[name], name), name, user=name) for name in names)


def _app_key(text: str, origin: str) -> Any:
    settings = runtime_module("_settings")
    if settings.Secret(text).bare().starts_with(*USER_TOKENS):
        raise UsageProblem(f"{origin} holds a user's token, which is for {TOKEN} and --auth token.")
    try:
        return settings.check_api_key(settings.Secret(text))
    except ValueError as error:  # the runtime's ConfigurationError, which never holds the key
        raise UsageProblem(f"{origin} holds no key of an app. {str(error).rstrip('.')}.") from None


def is_sendable(text: str) -> bool:
    """Check whether a text can stand in a header as it is: a token, wherever it came from."""
    return re.fullmatch("[!-~]+", text) is not None


def _secret(text: str, origin: str) -> Any:
    secret = runtime_module("_settings").Secret(text).trimmed()
    if secret.starts_with("app-"):
        raise UsageProblem(f"{origin} holds the key of an app (app-…), which is for {SHARED_KEY} and --auth app-key.")
    if not is_sendable(secret.reveal()):
        raise UsageProblem(f"{origin} holds no token: it is empty, or has a blank, a line break or another such sign.")
    return secret


def _console_address(text: str, origin: str, notice: Callable[[str], None]) -> Address:
    """Return where the console is that a URL means: of its pages, of its API, or of the service API."""
    text = text.strip()
    bare = text if "://" in text else f"https://{text}"
    scheme, separator, rest = bare.partition("://")
    path = urlsplit(bare).path
    head = f"{scheme}{separator}{rest.partition('/')[0]}{_PAGES.sub('', path.rstrip('/'))}"
    if "@" in rest.partition("/")[0]:
        raise UsageProblem(f"{origin} holds a user name or a password in its URL, where it does not belong.")
    try:
        address = parse_address(head)
    except AddressProblem as problem:
        example = "Write it as people open it in a browser, such as https://dify.example.com."
        raise UsageProblem(f"{origin}: {problem.message} {example}") from None
    if address.host == CLOUD_API:
        notice(
            f"{CLOUD_API} is the service API of Dify Cloud; its console is at https://{CLOUD_CONSOLE}, which is asked"
        )
        address = Address(address.scheme, CLOUD_CONSOLE, address.port, address.path)
    return Address(address.scheme, address.host, address.port, address.path.removesuffix("/v1"))


def _difyctl(name: str) -> Mapping[str, Any]:
    """Return what difyctl keeps in a file of its folder of settings; nothing where it is not there or no YAML."""
    import yaml

    home = os.environ.get("APPDATA") if sys.platform == "win32" else None
    base = os.environ.get("XDG_CONFIG_HOME") or home or os.path.join(Path.home(), ".config")
    folder = os.environ.get("DIFY_CONFIG_DIR") or os.path.join(base, "difyctl")
    try:
        return _mapping(yaml.safe_load(read_file(os.path.join(folder, name), limit=1 << 20)))
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return {}


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def wrong_role(problem: ServerProblem) -> ServerProblem:
    """Return what it means that nothing can be exported: it holds for all apps, and is no matter of one."""
    roles = listed(("editor", "admin", "owner"), "or")
    return ServerProblem(problem.message, f"Exporting needs the role of an {roles} in the workspace.")


def refused(problem: ServerProblem, traffic: Traffic) -> ServerProblem:
    """Return what a refusal means that every way in may meet; the same problem where it is none of these."""
    if problem.code == "email_code_login_limit" or (problem.status == 429 and not problem.code):
        return problem.but(problem.message, "Wait a quarter of an hour: each attempt until then counts, too.")
    if problem.status == 429:
        return problem.but(problem.message, "The server takes no more requests for now: run it again in some minutes.")
    if problem.status == 404 and not problem.code:
        return problem.but(problem.message, traffic.elsewhere() or problem.hint)
    return problem
