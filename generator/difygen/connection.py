"""Who calls, where and with which key: options of the command line, else the environment. A key is never an argument.

What stands on a command line is seen by everybody on the machine (`ps`) and stays in the shell's history. So a key
comes from the environment, from a file, or from a prompt.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from difygen.console import UsageProblem, is_terminal
from difygen.servers import AddressProblem, parse_address

DEFAULT_USER = "difygen-call"
NO_BASE_URL = (
    "No base URL. Give --base-url or set DIFY_BASE_URL, for example http://localhost/v1 or https://api.dify.ai/v1."
)


@dataclass(frozen=True, slots=True)
class Connection:
    """The settings of a call that were given; None leaves the choice to the generated client and its environment."""

    base_url: str | None = None
    user: str = DEFAULT_USER
    api_key: str | None = None
    timeout: float | None = None

    def arguments(self) -> dict[str, Any]:
        """Return the keyword arguments of a client's constructor."""
        timeout = {} if self.timeout is None else {"timeout": self.timeout}
        return {"base_url": self.base_url, "api_key": self.api_key, "user": self.user, **timeout}

    def __repr__(self) -> str:
        return f"Connection(base_url={self.base_url!r}, user={self.user!r}, timeout={self.timeout!r})"


def read_connection(
    base_url: str | None,
    user: str | None,
    api_key_file: str | None,
    timeout: float | None,
    key_variables: tuple[str, ...],
) -> Connection:
    """Return the settings of a call. Ask for a key at the terminal if none is set anywhere."""
    if timeout is not None and not timeout > 0:
        raise UsageProblem("--timeout must be more than 0 seconds.")
    key = key_from_file(api_key_file) if api_key_file else None
    if key is None and not any(os.environ.get(variable) for variable in key_variables):
        key = _asked(key_variables)
    if base_url is None and not os.environ.get("DIFY_BASE_URL"):
        raise UsageProblem(NO_BASE_URL)
    return Connection(base_url, user or os.environ.get("DIFY_USER") or DEFAULT_USER, key, timeout)


def read_base_url(given: str | None) -> str:
    """Return where the API is, of an option or the environment, always written in the same way.

    Raises:
        UsageProblem: Nothing says it, or what does is no address.
    """
    text = given or os.environ.get("DIFY_BASE_URL")
    if not text:
        raise UsageProblem(NO_BASE_URL)
    try:
        return parse_address(text).url
    except AddressProblem as problem:
        raise UsageProblem(f"{problem.message} {problem.fix}") from problem


def key_from_file(name: str, what: str = "API key") -> str:
    """Return the key that a file holds, or the first line of standard input for `-`; `what` it is, for messages."""
    try:
        text = sys.stdin.readline() if name == "-" else Path(name).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = (getattr(error, "strerror", None) or "it is not UTF-8 text").lower()
        raise UsageProblem(f"Cannot read the {what} from {name}: {reason}.") from error
    if not text.strip():
        raise UsageProblem(f"{name} holds no {what}.")
    return text.strip()


def _asked(key_variables: tuple[str, ...]) -> str:
    """Ask for a key at the terminal, unseen."""
    advice = f"Set {' or '.join(key_variables)}, or give --api-key-file. Dify shows an app's keys under API Access."
    if not (is_terminal(sys.stdin) and is_terminal(sys.stderr)):
        raise UsageProblem(f"No API key. {advice}")
    import click

    text: str = click.prompt(
        f"API key (not shown; or set {key_variables[0]})", hide_input=True, err=True, default="", show_default=False
    )
    if not text.strip():
        raise UsageProblem(f"No API key. {advice}")
    return text.strip()
