"""Where the API is, who calls it, with which key and which headers of their own.

Settings come from arguments, else from the environment, which is not read before a call
needs it; an API key leaves this module only as a `Secret`.
"""

import os
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, cast
from urllib.parse import SplitResult, urlsplit

from pydantic import SecretStr

from ._errors import ConfigurationError

BASE_URL_VARIABLE = "DIFY_BASE_URL"
API_PATH_VARIABLE = "DIFY_API_PATH"
USER_VARIABLE = "DIFY_USER"
# A column of Dify's; longer ones are answered with 500 (1.12.1).
MAX_USER_LENGTH = 255
SHORTEST_HIDDEN = 8

_ONE_WORD = "info|parameters|meta|site|messages|conversations|files|workflows"
_WHOLE = (
    r"workflows/(?:run|logs|run/[^/]+|[^/]+/run|tasks/[^/]+/stop)|workflow/[^/]+/events|"
    r"files/upload|files/[^/]+/preview|form/human_input/[^/]+|audio-to-text|text-to-audio|"
    r"(?:chat|completion)-messages(?:/[^/]+/stop)?"
)
_WITH_ID = (
    r"messages/[^/]+/(?:suggested|feedbacks)|conversations/[^/]+(?:/name|/variables.*)?|"
    r"end-users/[^/]+|apps?/(?:feedbacks|annotation.*)"
)
_PASTED = re.compile(rf"/({_WHOLE})$")
_PASTED_AFTER_V1 = re.compile(rf"({_WHOLE}|{_ONE_WORD}|{_WITH_ID})")
_AMBIGUOUS = re.compile(rf"/({_ONE_WORD}|{_WITH_ID})$")
_WEB_PAGES = re.compile(
    r"/(?:(?:app|apps|console|signin|install|explore|datasets)(?:/.*)?"
    r"|(?:chat|chatbot|workflow|completion|agent)/[A-Za-z0-9]{16})$"
)
_QUOTES = "'\"`“”‘’«»"
_AROUND = f"{_QUOTES}{{}}[]<>()"
_PLACEHOLDER = re.compile(r"\$\{|\{\{|^\$|^%.*%$")
_UNFILLED = "is a placeholder that nothing was put in for"
_KEY = re.compile(r"(?:Bearer )?(?:app|dataset|sk)-[A-Za-z0-9_-]{8,}")
_SWAPPED_URL = "it looks like an API key. Are the settings of URL and key swapped?"


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

    def bare(self) -> "Secret":
        """Return the same without quotes and brackets around it."""
        return Secret(self._text.strip().strip(f"{_AROUND} ")).trimmed()

    def starts_with(self, *prefixes: str) -> bool:
        """Check how it begins: that tells the kind of a key."""
        return self._text.startswith(prefixes)

    def hidden_in(self, text: str, shown: str = "[the API key]") -> str:
        """Return a text of somebody else's without this, or a long word of it, should it be in there."""
        for word in (self._text, *self._text.split()):
            if len(word) >= SHORTEST_HIDDEN:
                text = text.replace(word, shown)
        return text

    def is_printable(self) -> bool:
        """Check whether it can stand in one line of ASCII."""
        return self._text.isascii() and self._text.replace("\t", " ").isprintable()

    def problem_as_key(self) -> str:
        """Return why this can be no key of an app; "" if it can be one."""
        if not self._text:
            return "is empty"
        if _PLACEHOLDER.search(self._text):
            return _UNFILLED
        if self._text[0] in _AROUND or self._text[-1] in _AROUND:
            return (
                "holds quotes or brackets around the key, which would be sent along: give "
                "the key alone, app-… and nothing else"
            )
        if "://" in self._text:
            return "is a URL. Are the settings of URL and key swapped?"
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
                "is one of the knowledge base (it starts with dataset-). An app needs a "
                "key of its own, which starts with app-"
            )
        return ""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "Secret(...)"

    def __reduce__(self) -> str:
        raise TypeError("a secret does not pickle")


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
    base_url: str | None,
    api_path: str | None,
    api_key: Secret | None,
    key_variables: Sequence[str],
) -> Settings:
    """Return the settings of a call: what was given, else what the environment says."""
    url, url_name = base_url, "base URL"
    if url is None:
        url, url_name = (
            os.environ.get(BASE_URL_VARIABLE),
            f"base URL of {BASE_URL_VARIABLE}",
        )
    if not url:
        raise ConfigurationError(
            f"No base URL. Set the environment variable {BASE_URL_VARIABLE}, or give "
            "base_url= to the client, e.g. https://api.dify.ai/v1"
        )
    key, key_name = api_key, "The API key"
    if key is None:
        key, variable = _key_from_environment(key_variables)
        key_name = f"The API key in {variable}"
    return _checked_settings(url, url_name, read_api_path(api_path), key, key_name)


def read_api_path(api_path: str | None) -> str | None:
    """Return where below the base URL the API is: as given, else by the environment; None for `/v1`."""
    return (os.environ.get(API_PATH_VARIABLE) or None) if api_path is None else api_path


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


def _key_from_environment(variables: Sequence[str]) -> tuple[Secret, str]:
    for variable in variables:
        if os.environ.get(variable):
            return Secret(os.environ[variable]), variable
    names = " or ".join(variables) or "the API key"
    raise ConfigurationError(
        f"No API key. Set the environment variable {names}, or give api_key= to the "
        "client. The key is on the app's page in Dify, under API Access"
    )


@lru_cache(maxsize=64)
def _checked_settings(
    base_url: str, url_name: str, api_path: str | None, api_key: Secret, key_name: str
) -> Settings:
    api_url = normalize_base_url(base_url, url_name, api_path)
    return Settings(api_url, check_api_key(api_key, key_name))


def check_api_key(api_key: Secret, name: str = "The API key") -> Secret:
    """Return the key without white space around it, if it can be one.

    `name` says in an error which one it is.
    """
    if not issubclass(api_key.kind(), str):
        raise ConfigurationError(
            f"api_key must be a str, not {api_key.kind().__name__}"
        )
    key = api_key.trimmed()
    if problem := key.problem_as_key():
        raise ConfigurationError(f"{name} {problem}")
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


def normalize_base_url(
    base_url: str, name: str = "base URL", api_path: str | None = None
) -> str:
    """Return the API's URL, ending in `/v1` and nothing else, unless `api_path` says where it is.

    Takes it with or without `/v1` and slashes, and the URL of a whole endpoint, as copied
    from a curl line. Any other path stays, since the API may be below it; where it cannot
    be told which of both a path is, it is refused: the key goes to no guessed address.
    `name` says in an error which setting it is.
    """
    try:
        parts = _split(_text("base_url", base_url).strip())
        path = re.sub(r"/{2,}", "/", parts.path).rstrip("/")
        root = f"{parts.scheme.lower()}://{parts.netloc.lower()}"
        if api_path is not None:
            below = _checked_api_path(api_path)
            return root + (path if path.endswith(below) else path + below)
        return root + (path if path.endswith("/v1") else _api_path(root, path))
    except ValueError as error:
        if isinstance(error, ConfigurationError):
            raise
        shown = re.sub(r"\?.*", "?...", base_url.strip(), flags=re.DOTALL)[:200]
        shown = "" if str(error) == _SWAPPED_URL else f" {shown!r}"
        raise ConfigurationError(f"Cannot use the {name}{shown}: {error}") from None


def _checked_api_path(api_path: object) -> str:
    """Return the path as it is put after the base URL; "" for none."""
    path = _text("api_path", api_path).strip().strip("/")
    if not re.fullmatch(r"[\w.~%/-]*", path, re.ASCII):
        raise ConfigurationError(
            f"api_path is a path such as /v1, or / for none, not {path[:100]!r}"
        )
    return f"/{path}" if path else ""


def _api_path(root: str, path: str) -> str:
    """Return the path of the API for one that does not end in `/v1`.

    Raises:
        ValueError: It may mean several.
    """
    before, v1, after = f"{path}/".rpartition("/v1/")
    after = after.rstrip("/")
    if v1 and _PASTED_AFTER_V1.fullmatch(after):
        return f"{before}/v1"
    if v1:
        raise ValueError(
            f"/{after} is no endpoint of Dify's. The base URL ends in /v1: write "
            f"{root}{before}/v1, or {root}{path}/v1 if the API is below that path"
        )
    if pasted := _PASTED.search(path):
        return f"{path[: pasted.start()]}/v1"
    if page := _WEB_PAGES.search(path):
        raise ValueError(
            f"{page.group()} is a page of Dify's web UI, not of its API. If the API is "
            f"below that path all the same, write {root}{path}/v1"
        )
    if endpoint := _AMBIGUOUS.search(path):
        raise ValueError(
            f"{endpoint.group()} may be an endpoint, or a path that the API is below. "
            f"Write {root}{path[: endpoint.start()]}/v1, or {root}{path}/v1"
        )
    return f"{path}/v1"


def _split(text: str) -> SplitResult:
    """Return the URL's pieces.

    Raises:
        ValueError: It can be no base URL.
    """
    if re.match(r"(?:[^/]*//)?[^/]*@", text):
        raise ConfigurationError(
            "The base URL holds a user name or password, which have no place there: "
            "leave them out"
        )
    if _KEY.fullmatch(text.strip(_AROUND)):
        raise ValueError(_SWAPPED_URL)
    if _PLACEHOLDER.search(text):
        raise ValueError(f"it {_UNFILLED}")
    if text[:1] in _QUOTES or text[-1:] in _QUOTES:
        raise ValueError("it has quotes around it")
    scheme, separator, _ = text.partition("://")
    if not separator:
        raise ValueError(f"it has no scheme: try https://{text} or http://{text}")
    if scheme.lower() not in ("http", "https"):
        raise ValueError(f"{scheme}:// is neither http:// nor https://")
    parts = urlsplit(text)
    # This raises for a malformed one.
    _ = parts.port
    if not parts.hostname or not text.isprintable() or " " in text:
        raise ValueError("it has no host, or holds a blank or control character")
    if parts.query or parts.fragment:
        raise ValueError("it has a query or a fragment: leave off ? and #")
    if parts.hostname == "cloud.dify.ai":
        raise ValueError(
            "that is Dify Cloud's web UI: its API is https://api.dify.ai/v1"
        )
    return parts


def origin_of(url: str) -> str:
    """Return the scheme, host and port of a URL, to compare where two of them lead."""
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    host = parts.hostname or ""
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{port}"


HeaderValues = Mapping[str, str | SecretStr]
"""Names and values. A `SecretStr` shows itself nowhere, not even where a call fails and its
arguments are shown."""

OWN_NAMES = {
    "authorization": "it carries the API key (api_key=)",
    "proxy-authorization": "the password of a proxy stands in its URL (proxy=)",
    "x-trace-id": "trace_id= of a call sets it",
    **dict.fromkeys(
        (
            "accept",
            "accept-encoding",
            "connection",
            "content-encoding",
            "content-length",
            "content-type",
            "last-event-id",
            "transfer-encoding",
        ),
        "the client sets it as the request needs it",
    ),
}
"""Headers that no caller sets, and why."""
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class ExtraHeaders:
    """Headers of a caller's, for all requests to the API. Shows their names alone."""

    __slots__ = ("_problem", "_values")

    def __init__(
        self,
        values: Mapping[str, tuple[str, Secret]] | None = None,
        *,
        problem: str = "",
    ) -> None:
        self._values = values or {}
        self._problem = problem

    @classmethod
    def of(cls, given: object) -> "ExtraHeaders":
        """Return what was given. It is judged by `checked`, where no value is at hand."""
        if given is None:
            return NO_HEADERS
        if not isinstance(given, Mapping):
            kind = type(given).__name__
            return cls(
                problem=f"headers must be a mapping of names to texts, not {kind}"
            )
        headers = cast(Mapping[object, Any], given)
        found: dict[str, tuple[str, Secret]] = {}
        for name in headers:
            if not (isinstance(name, str) and HEADER_NAME.fullmatch(name)):
                return cls(problem="headers has a name that no header can have")
            if why := OWN_NAMES.get(name.lower()):
                return cls(problem=f"headers must not hold {name}: {why}")
            value = to_secret(headers[name])
            if problem := value_problem(value):
                return cls(problem=f"The header {name} {problem}")
            found[name.lower()] = name, value
        return cls(found)

    def checked(self) -> "ExtraHeaders":
        """Return these headers, if they can be sent.

        Raises:
            ConfigurationError: They cannot, or are the client's own.
        """
        if self._problem:
            raise ConfigurationError(self._problem)
        return self

    def over(self, other: "ExtraHeaders") -> "ExtraHeaders":
        """Return these, and those of the other that are not among them."""
        if not (self._values and other._values):
            return self if self._values else other
        return ExtraHeaders({**other._values, **self._values})

    def write_to(self, headers: Any) -> None:
        """Set them among the headers of a request."""
        for name, value in self._values.values():
            headers[name] = value.reveal()

    def hidden_in(self, text: str) -> str:
        """Return a text of somebody else's without their values."""
        for _, value in self._values.values():
            text = value.hidden_in(text, "[hidden]")
        return text

    def __bool__(self) -> bool:
        return bool(self._values)

    def __repr__(self) -> str:
        return f"ExtraHeaders({', '.join(name for name, _ in self._values.values())})"


NO_HEADERS = ExtraHeaders()


def to_secret(value: Any) -> Secret:
    """Return the value of a header as a text that does not show itself."""
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    return Secret(value.strip() if isinstance(value, str) else value)


def value_problem(value: Secret) -> str:
    """Return why this can be the value of no header; "" if it can."""
    if not issubclass(value.kind(), str):
        return f"must be a str, not {value.kind().__name__}"
    if not value.is_printable():
        return "holds a line break, or a character that no header can have"
    return ""
