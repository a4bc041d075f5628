"""`difygen pull --auth browser`: somebody signs in on a page of Dify's, for one run, unless the token is kept."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
import test_pull
from support.servers import Request
from support.studio import DEVICE_CODE, TOKEN
from test_pull import Site

clean_environment, site = test_pull.clean_environment, test_pull.site
PENDING = "authorization_pending"


class Clock:
    """Time that passes while somebody sleeps."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def monotonic(self) -> float:
        return sum(self.slept)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Somebody looks at the terminal, and no time is lost."""
    clock = Clock()
    monkeypatch.setattr("difygen.pull.user_api.time", clock)
    monkeypatch.setattr("difygen.pull.command.RATE", 10_000)
    monkeypatch.setattr("difygen.pull.access.is_terminal", lambda stream: True)
    return clock


def test_a_code_is_shown_and_waited_for(site: Site, clock: Clock) -> None:
    site.studio.polls = [PENDING, "slow_down", PENDING]
    ran = site.pull("--auth", "browser")
    page = f"{site.server.origin}/device"
    assert (
        ran.err == f"To sign in at {site.server.origin}, open {page} in a browser, and type the code RCRD-CDEG there.\n"
    )
    assert "files: 3 new" in ran.out and clock.slept == [5.0, 5.0, 10.0, 10.0]
    begun = [request.json for request in site.studio.seen if request.path.endswith("/device/code")]
    assert [each["client_id"] for each in begun] == ["difygen", "difyctl"]
    assert all(each["device_label"].startswith("difygen pull on ") for each in begun)


def test_the_token_is_revoked_at_the_end_and_kept_nowhere(site: Site, clock: Clock) -> None:
    ran = site.pull("--auth", "browser", "-v")
    assert site.studio.revoked
    texts = [path.read_text() for path in Path().rglob("*") if path.is_file()]
    assert [text for text in (*texts, ran.out, ran.err) if TOKEN in text or DEVICE_CODE in text] == []


def test_the_token_is_kept_where_that_is_asked_for(site: Site, clock: Clock) -> None:
    Path("outside").write_text("mine")
    Path("token").symlink_to("outside")
    ran = site.pull("--keep-token", "token")
    assert ran.err.endswith(
        "The token is in token, for you alone to read, until 2026-12-09: --token-file token takes it.\n"
    )
    assert stat.S_IMODE(os.lstat("token").st_mode) == 0o600 and Path("token").read_text() == f"{TOKEN}\n"
    assert Path("outside").read_text() == "mine" and not site.studio.revoked
    assert sorted(os.listdir()) == ["exports", "outside", "token"]
    assert "nothing changed" in site.pull("--token-file", "token").out


def test_nobody_signs_in_for_a_token_that_cannot_be_kept(site: Site, clock: Clock) -> None:
    ran = site.pull("--keep-token", "missing/token", code=2)
    assert ran.err == "Error: Cannot write missing/token: no such file or directory.\n"
    assert site.studio.seen == []
    os.mkdir("folder")
    assert "Cannot write folder: is a directory." in site.pull("--keep-token", "folder", code=2).err
    assert site.studio.revoked and os.listdir("folder") == []


def test_a_token_that_opens_nothing_is_revoked(site: Site, clock: Clock) -> None:
    site.studio.role = "normal"
    assert "which may export nothing" in site.pull("--auth", "browser", code=1).err
    assert site.studio.revoked


@pytest.mark.parametrize(
    ("polls", "said"),
    [
        (["access_denied"], "error: The sign-in was refused in the browser. [server]"),
        (["expired_token"], "error: Nobody has signed in with the code in time. [server]"),
        ([PENDING] * 1000, "error: Nobody has signed in with the code in time. [server]"),
        (["banana"], "(HTTP 400). [server]"),
    ],
)
def test_a_sign_in_that_comes_to_nothing_is_said(polls: list[str], said: str, site: Site, clock: Clock) -> None:
    site.studio.polls = polls
    ran = site.pull("--auth", "browser", code=1)
    assert said in ran.err and sum(clock.slept) <= 900 and not os.path.exists("exports")


def test_a_server_that_knows_neither_program_says_so(site: Site, clock: Clock) -> None:
    site.studio.clients = ("acme",)
    assert "to name one of them in OPENAPI_KNOWN_CLIENT_IDS" in site.pull("--auth", "browser", code=1).err
    site.studio.clients = ("difygen",)
    site.pull("--auth", "browser")


def test_a_server_without_tokens_of_users_says_so(site: Site, clock: Clock) -> None:
    site.studio.openapi = False
    assert "takes no users' tokens: they are switched off." in site.pull("--auth", "browser", code=1).err


@pytest.mark.parametrize(
    "changed",
    [
        {"verification_uri": "javascript:alert(1)"},
        {"verification_uri": "http://x/\u001b[2J"},
        {"user_code": "\u202e"},
        {"device_code": None},
        {"user_code": "x" * 500},
    ],
)
def test_what_is_shown_is_a_page_and_a_code(changed: dict[str, str | None], site: Site, clock: Clock) -> None:
    def before(request: Request) -> tuple[int, object] | None:
        if not request.path.endswith("/device/code"):
            return None
        found = {"device_code": "d", "user_code": "ABCD-EFGH", "verification_uri": "http://x/device", **changed}
        return 200, {**found, "interval": float("nan"), "expires_in": -1}

    site.studio.before = before
    ran = site.pull("--auth", "browser", code=1)
    assert "To sign in" not in ran.err and "JSON of another shape than expected" in ran.err


def test_nobody_is_asked_where_nobody_looks(site: Site) -> None:
    ran = site.pull("--auth", "browser", code=2)
    assert "Somebody has to sign in with a browser at a terminal, and this is none: set DIFY_TOKEN." in ran.err
    assert site.studio.seen == []
