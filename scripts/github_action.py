"""What `action.yml` does once difygen is installed: check, compare with the base branch, comment on the pull request.

Everything that a workflow says comes in through the environment, and what foreign texts hold stays data: findings are
printed by difygen as annotations, its words where GitHub reads no commands, and changes as Markdown that it escapes.
One comment is written for each thing that is compared, and brought up to date by later runs.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping
from http.client import HTTPException
from io import TextIOWrapper
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, OpenerDirector, Request, build_opener

ENVIRONMENT = os.environ
LONGEST = 60_000
"""Characters of a comment, of which GitHub takes 65,536."""
PAGES = 50
"""Pages of a hundred comments that are searched for ours."""


def main() -> int:
    """Do it all, and return the exit code."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    sources = ENVIRONMENT["DIFYGEN_SOURCES"].split("\n")
    sources = [source.strip() for source in sources if source.strip()]
    options = [f"--output={output}"] if (output := ENVIRONMENT["DIFYGEN_OUTPUT"]) else []
    options += ["--strict"] if ENVIRONMENT["DIFYGEN_STRICT"] == "true" else []
    checked, report = difygen_with_report("check", *options, "--output-format=github", "--", *sources)
    print(checked.stdout, end="", flush=True)
    failed = compare(report.get("output", ""), sources)
    return 1 if checked.returncode or failed else 0


def compare(package: str, sources: list[str]) -> bool:
    """Say what changes for callers since the base, and return whether that fails the step."""
    base = revision()
    side = ENVIRONMENT["DIFYGEN_COMPARE"] or what_to_compare(package, sources)
    if not base or not side:
        why = "there is no base to compare with" if not base else "say what by the input `compare`"
        print(f"Nothing was compared: {why}.")
        return False
    if git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{base}^{{commit}}").returncode:
        print("::error::There is no such revision to compare with as the input `base` says.")
        return True
    sides = (f"{base}:./{Path(os.path.relpath(side)).as_posix()}", side)
    if git("cat-file", "-e", sides[0]).returncode:
        print("Nothing was compared: the base does not have it yet.")
        return False
    fail_on = [f"--fail-on={ENVIRONMENT['DIFYGEN_FAIL_ON']}"] if ENVIRONMENT["DIFYGEN_FAIL_ON"] else []
    done, report = difygen_with_report("diff", *fail_on, "--output-format=markdown", "--", *sides)
    if done.returncode == 2:  # an old lock, say: that alone stops nobody who did not ask for a judgement
        print(difygen("diff", "--output-format=github", "--", *sides).stdout, end="", flush=True)
        return bool(fail_on)
    advice, table = report["advice"], done.stdout.strip()
    tell("OUTPUT", f"advice={advice}")
    tell("SUMMARY", f"### What changes for callers\n\n{table}\n")
    if ENVIRONMENT["DIFYGEN_COMMENT"] == "true" and (number := pull_request()):
        comment(number, side, table, is_news=advice != "none")
    return done.returncode != 0


def what_to_compare(package: str, sources: list[str]) -> str:
    """Return the package if it has a lock, which remembers the contract; else the one source, if it is the only one."""
    if (Path(package) / "difygen.lock").exists():
        return package
    return sources[0] if len(sources) == 1 else ""


def revision() -> str:
    """Return the revision to compare with, fetched if it is not there: a checkout has one commit unless told."""
    if base := ENVIRONMENT["DIFYGEN_BASE"]:
        return base
    branch = ENVIRONMENT.get("GITHUB_BASE_REF", "")
    if not branch:
        return ""
    there = f"refs/remotes/origin/{branch}"
    if git("rev-parse", "--verify", "--quiet", f"{there}^{{commit}}").returncode:
        fetched = git("fetch", "--quiet", "--no-tags", "--depth=1", "origin", f"+refs/heads/{branch}:{there}")
        if fetched.returncode:
            say(f"git cannot fetch the base branch:\n{fetched.stderr}")
            return ""
    return there


# Commands


def difygen(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run difygen, which never sees the token, and print its words."""
    environment = {name: value for name, value in ENVIRONMENT.items() if name != "DIFYGEN_TOKEN"}
    environment |= {"PYTHONIOENCODING": "utf-8", "NO_COLOR": "1"}
    command = [sys.executable, "-m", "difygen", *arguments]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", env=environment, check=False)
    if done.stderr:
        say(done.stderr)
    return done


def difygen_with_report(*arguments: str) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    """Run difygen, and return what it found as JSON, too; nothing where it could not begin."""
    with TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        done = difygen(arguments[0], f"--report={report}", *arguments[1:])
        return done, json.loads(report.read_text("utf-8")) if report.exists() else {}


def git(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run git."""
    return subprocess.run(["git", *arguments], capture_output=True, text=True, errors="replace", check=False)


def say(words: str) -> None:
    """Print words in which GitHub is to find no commands."""
    token = secrets.token_hex(16)
    print(f"::stop-commands::{token}\n{words.rstrip()}\n::{token}::", flush=True)


def tell(file: str, text: str) -> None:
    """Add a text to one of the files by which a step tells GitHub something."""
    if path := ENVIRONMENT.get(f"GITHUB_{'STEP_' if file == 'SUMMARY' else ''}{file}"):
        with open(path, "a", encoding="utf-8") as opened:
            opened.write(f"{text}\n")


# The comment


def pull_request() -> int:
    """Return the number of the pull request that this run is for, or 0."""
    try:
        event = json.loads(Path(ENVIRONMENT.get("GITHUB_EVENT_PATH", "")).read_text("utf-8"))
        return int(event["pull_request"]["number"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def comment(number: int, side: str, table: str, *, is_news: bool) -> None:
    """Write our comment on the pull request, or bring it up to date; say in the log why that cannot be done."""
    identity = hashlib.sha256(f"{os.path.relpath(side)} in {os.path.relpath(os.curdir, root())}".encode()).hexdigest()
    mark = f"<!-- difygen {identity[:16]} -->"
    if len(table) > LONGEST:
        table = f"{table[:LONGEST].rpartition(chr(10))[0]}\n\n… and more: see the summary of the check."
    shown = re.sub(r"[^-./ \w]", "?", side)
    body = f"{mark}\n### What changes for callers of `{shown}`\n\n{table}\n"
    try:
        old = next((each for each in comments(number) if each["body"].startswith(mark)), None)
        if old is not None:
            answer = api("PATCH", f"issues/comments/{int(old['id'])}", {"body": body})
        elif is_news:
            answer = api("POST", f"issues/{number}/comments", {"body": body})
        else:
            return
        tell("OUTPUT", f"comment-url={''.join(answer['html_url'].split())}")
    except HTTPError as error:
        hint = "; it needs the permission pull-requests: write" if error.code in (401, 403, 404) else ""
        print(f"::notice::The comment was not written: GitHub answered {error.code}{hint}. The summary says the same.")
    except (OSError, HTTPException, ValueError, LookupError, TypeError, AttributeError) as error:
        say(f"The comment was not written: {error!r}. The summary says the same.")


def root() -> str:
    """Return the top folder of the repository."""
    return ENVIRONMENT.get("GITHUB_WORKSPACE") or os.curdir


def comments(number: int) -> Iterator[dict[str, Any]]:
    """Yield the comments that may be ours: anybody can copy the mark into one of their own, and that stays as it is."""
    try:
        login = api("GET", "/user")["login"]
    except HTTPError:  # the token of an app, as that of every workflow is
        login = None
    for page in range(1, PAGES + 1):
        found = api("GET", f"issues/{number}/comments?per_page=100&page={page}")
        for each in found:
            if each["user"]["login"] == login if login else each["user"]["type"] == "Bot":
                yield each
        if len(found) < 100:
            return


class _NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        """Follow nothing: the token is for the API alone."""


def api(method: str, path: str, body: Mapping[str, str] | None = None) -> Any:
    """Return what GitHub's API answers. Paths without a slash are the repository's."""
    where = path if path.startswith("/") else f"/repos/{ENVIRONMENT['GITHUB_REPOSITORY']}/{path}"
    headers = {
        "Authorization": f"Bearer {ENVIRONMENT['DIFYGEN_TOKEN']}",
        "Accept": "application/vnd.github+json",
        "Content-Type": "application/json",
        "User-Agent": "difygen",
    }
    data = json.dumps(body).encode() if body is not None else None
    request = Request(f"{ENVIRONMENT['GITHUB_API_URL']}{where}", data, headers, method=method)
    opener: OpenerDirector = build_opener(_NoRedirect)
    with opener.open(request, timeout=30) as answer:
        return json.load(answer)


if __name__ == "__main__":
    sys.exit(main())
