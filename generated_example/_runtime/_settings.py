"""Where the API is, who calls it, and with which key.

Settings come from arguments, else from the environment, which is not read before a call
needs it; an API key leaves this module only as a `Secret`.
"""

import os
import re
from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import SplitResult, urlsplit

from ._errors import ConfigurationError

BASE_URL_VARIABLE = "DIFY_BASE_URL"
USER_VARIABLE = "DIFY_USER"
# A column of Dify's; longer ones are answered with 500 (1.12.1).
MAX_USER_LENGTH = 255

_ENDPOINTS = (
    "workflows|workflow|files|form|info|parameters|meta|site|chat-messages|"
    "completion-messages|conversations|messages|audio-to-text|text-to-audio|end-users"
)
_PASTED = re.compile(rf"/(?:{_ENDPOINTS})(?:/.*)?$")
_WEB_PAGES = re.compile(
    r"/(?:app|apps|console|signin|install|explore|datasets)(?:/.*)?$"
)


class Secret:
    """A text that shows itself only when asked by name: not in a repr, not in a log.

    What looks into it is a method here, and binds it to no name: a traceback may be shown
    with the variables of every function that it went through.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself."""
        return self._text

    def kind(self) -> type[object]:
        """Return the type of what was given as the text, whatever its annotation says."""
        return type(self._text)

    def trimmed(self) -> "Secret":
        """Return the same without white space around it, and without the word Bearer."""
        trimmed = Secret(self._text.strip())
        if trimmed._text[:7].lower() == "bearer ":
            return Secret(trimmed._text[7:].strip())
        return trimmed

    def problem_as_key(self) -> str:
        """Return why this can be no key of an app; "" if it can be one."""
        if not self._text:
            return "is empty"
        if (
            not self._text.isascii()
            or not self._text.isprintable()
            or " " in self._text
        ):
            return (
                "holds a blank, a line break, or a character that no key has: copy it "
                "again"
            )
        if self._text.startswith("dataset-"):
            return (
                "is one of the knowledge base (it starts with dataset-). A workflow needs "
                "the key of its own app, which starts with app-"
            )
        return ""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "Secret(...)"

    def __reduce__(self) -> str:
        raise TypeError("an API key does not pickle")


class Settings:
    """What one call needs to know: the API's URL ending in `/v1`, and the key."""

    __slots__ = ("api_key", "api_url", "origin")

    def __init__(self, api_url: str, api_key: Secret) -> None:
        self.api_url = api_url
        self.api_key = api_key
        self.origin = origin_of(api_url)

    def __repr__(self) -> str:
        return f"Settings(api_url={self.api_url!r})"


def read_settings(
    base_url: str | None, api_key: Secret | None, key_variables: Sequence[str]
) -> Settings:
    """Return the settings of a call: what was given, else what the environment says."""
    url = base_url if base_url is not None else os.environ.get(BASE_URL_VARIABLE)
    if not url:
        raise ConfigurationError(
            f"No base URL. Set the environment variable {BASE_URL_VARIABLE}, or give "
            "base_url= to the client, e.g. https://api.dify.ai/v1"
        )
    return _checked_settings(url, api_key or _key_from_environment(key_variables))


def read_user(user: str | None, default: str | None) -> str:
    """Return the `user` of a call: what was given, else the client's, else `DIFY_USER`."""
    name = user if user is not None else default
    if name is None:
        name = os.environ.get(USER_VARIABLE) or None
    if name is None:
        raise ConfigurationError(
            "No user. Dify wants to know on whose behalf a workflow runs: give user=, "
            f"or set the environment variable {USER_VARIABLE}"
        )
    return _checked_user(name)


def _key_from_environment(variables: Sequence[str]) -> Secret:
    for variable in variables:
        if os.environ.get(variable):
            return Secret(os.environ[variable])
    names = " or ".join(variables) or "the API key"
    raise ConfigurationError(
        f"No API key. Set the environment variable {names}, or give api_key= to the "
        "client. The key is on the app's page in Dify, under API Access"
    )


@lru_cache(maxsize=64)
def _checked_settings(base_url: str, api_key: Secret) -> Settings:
    return Settings(normalize_base_url(base_url), check_api_key(api_key))


def check_api_key(api_key: Secret) -> Secret:
    """Return the key without white space around it, if it can be one."""
    if not issubclass(api_key.kind(), str):
        raise ConfigurationError(
            f"api_key must be a str, not {api_key.kind().__name__}"
        )
    key = api_key.trimmed()
    if problem := key.problem_as_key():
        raise ConfigurationError(f"The API key {problem}")
    return key


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise ConfigurationError(f"{name} must be a str, not {type(value).__name__}")
    return value


def _checked_user(value: object) -> str:
    user = _text("user", value)
    if not user:
        raise ConfigurationError("user is empty, which Dify refuses")
    if len(user) > MAX_USER_LENGTH:
        raise ConfigurationError(
            f"user has {len(user)} characters; Dify takes {MAX_USER_LENGTH} at most"
        )
    if any("\ud800" <= character <= "\udfff" for character in user):
        raise ConfigurationError("user holds a lone surrogate, which is no character")
    return user


def normalize_base_url(base_url: str) -> str:
    """Return the API's URL, ending in `/v1` and nothing else.

    Takes it with or without `/v1` and slashes, and the URL of an endpoint, as copied from
    a curl line.
    """
    parts = _split(_text("base_url", base_url).strip())
    path = re.sub(r"/{2,}", "/", parts.path).rstrip("/")
    head, found, _ = f"{path}/".partition("/v1/")
    if not found:
        head = _PASTED.sub("", path)
        if page := _WEB_PAGES.search(head):
            raise _wrong_url(
                base_url, f"{page.group()} is a page of Dify's web UI, not of its API"
            )
    return f"{parts.scheme.lower()}://{parts.netloc.lower()}{head}/v1"


def _split(text: str) -> SplitResult:
    scheme, separator, _ = text.partition("://")
    if not separator:
        raise _wrong_url(text, f"it has no scheme: try https://{text} or http://{text}")
    if scheme.lower() not in ("http", "https"):
        raise _wrong_url(text, f"{scheme}:// is neither http:// nor https://")
    try:
        parts = urlsplit(text)
        # This raises for a malformed one.
        _ = parts.port
    except ValueError as error:
        raise _wrong_url(text, str(error)) from None
    if "@" in parts.netloc:
        raise ConfigurationError(
            "The base URL holds a user name or password, which would be sent in place of "
            "the API key: leave it out"
        )
    if not parts.hostname or not text.isprintable() or " " in text:
        raise _wrong_url(text, "it has no host, or holds a blank or control character")
    if parts.query or parts.fragment:
        raise _wrong_url(text, "it has a query or a fragment: leave off ? and #")
    if parts.hostname == "cloud.dify.ai":
        raise _wrong_url(
            text, "that is Dify Cloud's web UI: its API is https://api.dify.ai/v1"
        )
    return parts


def _wrong_url(text: str, why: str) -> ConfigurationError:
    return ConfigurationError(f"Cannot use the base URL {text[:200]!r}: {why}")


def origin_of(url: str) -> str:
    """Return the scheme, host and port of a URL, to compare where two of them lead."""
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    host = parts.hostname or ""
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{port}"
