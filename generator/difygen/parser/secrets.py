"""What looks like a secret: values of a definition that must not end up in generated files, docs or messages."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import parse_qsl, urlsplit

from difygen.model import JsonValue

_FORMS = r"""
    \b(?:sk|pk|rk)[-_][\w-]{12,}                        # OpenAI, Anthropic, Stripe and many after them
    | \b(?:app|dataset|mcp)-[A-Za-z0-9]{16,}            # Dify
    | \bgh[pousr]_\w{20,} | \bgithub_pat_\w{20,} | \bglpat-[\w-]{16,}
    | \bxox[abeoprs]-[\w-]{10,} | \b(?:hf|npm|shpat|dop_v1|lin_api)_\w{16,} | \bpypi-[\w-]{16,}
    | \b(?:AKIA|ASIA)[A-Z0-9]{16}\b | \bAIza[\w-]{30,} | \bya29\.[\w-]{20,} | \bSG\.[\w-]{16,}
    | \beyJ[\w-]{8,}\.[\w-]{8,}                         # JSON Web Tokens
    | -----BEGIN\ [A-Z ]*PRIVATE\ KEY
    | \b(?i:Bearer|Basic)\s+[\w.~+/=-]{8,}
    | (?i:\b(?:passw(?:or)?d|pwd|secret|token|(?:api|access)[-_ ]?key|authorization))["']?\s*[=:]\s*["']?[^\s"',;]{4}
    | \b[0-9a-fA-F]{32,}\b
"""
"""What tokens look like, compiled when a text is long enough to hold one: it is most of what this module costs."""

_SHORTEST = len("pwd=1234")

_RUN = r"[A-Za-z0-9+]{20,}"
_URL = r"\b[a-zA-Z][a-zA-Z0-9+.-]*://[^\s\"'<>]+"
_WORD = r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])"
_NAME = r"""
    (?:^|_)(?: passw(?:or)?d | pwd | passphrase | passcode | secret | token | credentials? | apikey | authorization
    | bearer | jwt | (?: api | access | secret | private | auth | app | encryption | signing | licen[sc]e )_key )(?:_|$)
    | 密码 | 密碼 | 密钥 | 密鑰 | 秘钥 | 口令 | 令牌 | パスワード | 비밀번호
"""
_SIZE = r"(?:^|_)(?:max|min|limit|count|number|num|budget|size|length|per)(?:_|$)"


def looks_like_secret(value: JsonValue, *names: str) -> bool:
    """Check whether a value is a key, a token, a password or a URL with one of them, or holds one.

    A text is one by its form (known prefixes, random characters, credentials in a URL), or by what it is called: one
    of `names`, or the key of an object, speaks of a password, a secret, a token or an API key. Numbers are none.
    """
    if isinstance(value, Mapping):
        return any(looks_like_secret(member, *names, key) for key, member in value.items())
    if not isinstance(value, str):
        return isinstance(value, Sequence) and any(looks_like_secret(member, *names) for member in value)
    if not value.strip():
        return False
    return _is_called_one(value, names) or (len(value) >= _SHORTEST and any(_forms(value)))


def _is_called_one(value: str, names: Sequence[str]) -> bool:
    """Check whether a name speaks of a secret; a sentence is none, nor is the number of tokens."""
    if len(value.split()) > 3:
        return False
    for name in names:
        words = "_".join(re.findall(_WORD, name)).lower()
        if re.search(_NAME, words, re.VERBOSE) or re.search(_NAME, name, re.VERBOSE):
            return not (value.strip().isdecimal() and re.search(_SIZE, words))
    return False


def _forms(text: str) -> Iterator[bool]:
    yield re.search(_FORMS, text, re.VERBOSE) is not None
    for url in re.findall(_URL, text):
        yield _has_credentials(url)
    for run in re.findall(_RUN, re.sub(_URL, " ", text)):
        yield all(any(map(of, run)) for of in (str.isupper, str.islower, str.isdigit))


def _has_credentials(url: str) -> bool:
    try:
        address = urlsplit(url)
        members = [*parse_qsl(address.query), *parse_qsl(address.fragment)]
    except ValueError:
        return "@" in url
    if address.password:
        return True
    words = ("key", "sig", "signature", "sign", "auth", "code")
    return any(key.lower() in words or _is_called_one(value, [key]) for key, value in members if len(value) >= 4)
