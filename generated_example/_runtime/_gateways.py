"""What answers in Dify's place: proxies, firewalls, gateways, login pages. In words alone.

Dify sends `X-Version` with everything. Of what comes without it no more is taken for
granted than its status; what it says is quoted, and never said to be Dify's.
"""

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from ._connection import through
from ._http import Call
from ._responses import to_object, to_text

MAX_QUOTED = 200
MESSAGES = (
    "message",
    "error_msg",
    "error_description",
    "detail",
    "title",
    "error",
    "fault",
    "faultstring",
    "reason",
)
"""Where gateways put what they say, the likeliest first."""
TITLE = re.compile(rb"<title[^>]{0,100}>([^<]{1,500})", re.IGNORECASE)
LOGIN = re.compile(
    r"log-?[io]n|sign-?in|sso|saml|oauth|openid|/auth|auth\.|idp|adfs|account",
    re.IGNORECASE,
)
WRONG_ADDRESS = (
    "Check the base URL: it ends in /v1; its port is the web server's (80 or 443 unless "
    "set otherwise), or 5001 for the API container itself"
)

HINTS_BY_STATUS: dict[int, str] = {
    401: "A gateway wants credentials of its own{scheme}; Dify has not seen the API key. "
    "Give it what it wants (headers=), or take an address that leads past it",
    403: "A firewall or a gateway refused the request before Dify saw it: have it let "
    "{method} {path} through, from this machine",
    408: "The request did not arrive in time: the network is slow, or a proxy is busy",
    413: "A proxy limits the size of requests (nginx: client_max_body_size)",
    429: "A gateway limits requests: max_concurrency= keeps a client below it",
    502: "A proxy did not reach Dify: see whether its API container runs",
    503: "The server is overloaded or down",
    504: "A proxy gave up waiting",
    521: "Cloudflare did not reach the server: see whether it runs, and lets Cloudflare in",
    522: "Cloudflare did not reach the server: see whether it runs, and lets Cloudflare in",
    523: "Cloudflare did not reach the server: see whether it runs, and lets Cloudflare in",
    524: "Cloudflare gave up waiting",
    525: "Cloudflare and the server do not agree on TLS: see the server's certificate",
    526: "Cloudflare and the server do not agree on TLS: see the server's certificate",
}
"""What to do about what something else says."""
GAVE_UP = (504, 524)
MAX_DEPTH = 3


class Answer:
    """A response that was read to its end. Header names are lower case."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def is_dify(self) -> bool:
        """Whether Dify gave it, which sends its version with everything."""
        return bool(self.headers.get("x-version"))


def parsed(body: bytes) -> Any:
    """Return the JSON value of a body; None if it is none."""
    try:
        return json.loads(body.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None


def foreign_message(answer: Answer, call: Call) -> str:
    """Return who answered, and what with."""
    version = answer.headers.get("x-version")
    who = f"Dify {visible(version)[:60]}" if version else speaker(answer)
    who = f"{who} answered{through(call)}"
    location = answer.headers.get("location")
    if location and 300 <= answer.status < 400:
        return f"{who}, and redirects to {visible(shown_url(location))}"
    return f"{who}, with {described(answer)}"


def speaker(answer: Answer) -> str:
    """Return who answered that is not Dify, as far as it says so."""
    server = answer.headers.get("server")
    via = answer.headers.get("via")
    name = visible(server)[:60] if server else "something else"
    if answer.status >= 400 and answer.status not in (404, 405):
        name = f"{name.removesuffix(' else')} in front of it"
    by = f" (Via: {visible(via)[:60]})" if via else ""
    return f"Not Dify but {name}{by}"


def shown_url(url: str) -> str:
    """Return a URL without query and user name, which may be secret."""
    return re.sub(r"[?#].*|(?<=//)[^/?#]*@", "", url, flags=re.DOTALL)[:300]


def is_page(answer: Answer) -> bool:
    """Check whether an answer is for people, with a browser."""
    kind = answer.headers.get("content-type", "").lower()
    return kind.startswith("text/html") or answer.body.lstrip()[:1] == b"<"


def described(answer: Answer) -> str:
    """Return what an answer holds, in words, with the beginning of what it says."""
    body = answer.body.strip()
    if not body:
        return "nothing"
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if is_page(answer):
        title = TITLE.search(body)
        return f"a web page{quoted(title[1].decode(errors='replace')) if title else ''}"
    payload = parsed(body)
    if isinstance(payload, dict | list):
        said = quoted(said_in(payload, MAX_DEPTH))
        return f"JSON{said or ' of another shape than expected'}"
    if kind.startswith("text/plain"):
        return f"a text{quoted(body[:1000].decode(errors='replace'))}"
    return f"something else than JSON ({visible(kind)[:60] or 'of no stated type'})"


def said_in(payload: Any, depth: int) -> str:
    """Return what the JSON of a gateway says, wherever it puts it."""
    if isinstance(payload, str) or not depth:
        return to_text(payload)
    members = to_object(payload)
    texts = (said_in(members.get(name), depth - 1) for name in MESSAGES)
    return next(filter(str.strip, texts), "")


def quoted(text: str) -> str:
    """Return a text of somebody else's, shortened, with what stands around it in a sentence."""
    shown = visible(text)
    return f": {shown[:MAX_QUOTED]!r}" if shown else ""


def visible(text: str) -> str:
    """Return a text on one line, without what a terminal would act on."""
    return "".join(filter(str.isprintable, " ".join(text.split())))


def foreign_hint(answer: Answer, call: Call) -> str:
    """Return what to do about an answer that is not in Dify's words."""
    status, location = answer.status, answer.headers.get("location")
    maybe = f". A {call.starts} may have been started" if call.starts else ""
    if 300 <= status < 400 and location:
        return redirect_hint(shown_url(location), call)
    if status in GAVE_UP:
        return f"{HINTS_BY_STATUS[status]}{after_waiting(call)}"
    if status >= 500:
        return (
            f"{HINTS_BY_STATUS.get(status, 'Something in front of Dify failed')}{maybe}"
        )
    if answer.is_dify and status != 413:
        if status in (404, 405):
            return (
                "Dify itself answered, but has no such endpoint: this release may be too "
                "old for it, or the base URL has something between the host and /v1"
            )
        return (
            "Dify itself answered, but not as the releases do that this client knows"
            f"{maybe if status < 300 else ''}"
        )
    if status in HINTS_BY_STATUS:
        scheme = answer.headers.get("www-authenticate", "").partition(" ")[0]
        return HINTS_BY_STATUS[status].format(
            scheme=f" (WWW-Authenticate: {visible(scheme)[:30]})" if scheme else "",
            method=call.method,
            path=call.shown,
        )
    if status < 300 and is_page(answer):
        return (
            f"{WRONG_ADDRESS}. If it is right, a network wants people to sign in first: see "
            "what the base URL shows in a browser"
        )
    if status < 300:
        return f"{WRONG_ADDRESS}{maybe}"
    if status == 400 and call.url.startswith("http://"):
        return (
            f"If the port speaks TLS, write https:// in the base URL. {WRONG_ADDRESS}"
        )
    return WRONG_ADDRESS


def after_waiting(call: Call) -> str:
    """Return what is to be done about a proxy that has waited for too long."""
    if not call.starts:
        return ", and may have more patience the next time"
    if call.streams:
        return (
            f" for the beginning of a stream, which Dify sends at once. The {call.starts} "
            "may go on. Does the proxy hold streams back (nginx: proxy_buffering off), or "
            "is Dify overloaded?"
        )
    return (
        f", but the {call.starts} may go on. For those longer than the proxy waits, take "
        'response_mode="streaming"'
    )


def redirect_hint(target: str, call: Call) -> str:
    """Return what to do about a redirect."""
    here = urlsplit(call.url)
    there = re.match(r"(https?)://([^/:?#]*)", target)
    if there and there[1] != here.scheme and there[2].lower() == here.hostname:
        return (
            f"Write {there[1]}:// in the base URL. Redirects are not followed, since the "
            "API key would go along"
        )
    if LOGIN.search(target):
        return (
            "That looks like a page to sign in at: a gateway wants to know who calls. "
            "Programs need another way: credentials that the gateway takes (headers=), or "
            "an address that leads past it"
        )
    return (
        "Redirects are not followed, since the API key would go along. Set the base "
        "URL to where the API really is (https:// in place of http://, perhaps)"
    )
