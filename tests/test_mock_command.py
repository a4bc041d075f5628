"""`difygen mock` as a process: what it prints, what it answers, how it ends."""

from __future__ import annotations

import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner
from difygen.cli import root
from difygen.servers.releases import TRAITS
from difygen.testing import MockSetupError, mock_dify
from support import CHAT_LAB, ROOT
from support.processes import DIFYGEN, importing

CONCAT = "specs/concat.yaml"
INPUTS = {"string": "a", "num": 1, "list": "list_a"}
HINDER = "import sys; sys.modules['uvicorn'] = None; from difygen.cli import root; root(prog_name='difygen')"


def command(*arguments: str) -> list[str]:
    return [*DIFYGEN, "mock", *arguments]


@dataclass
class Served:
    """A mock server in a process of its own."""

    process: subprocess.Popen[str]
    greeting: str

    @property
    def base_url(self) -> str:
        return str(re.findall(r"http://\S+/v1", self.greeting)[0])

    def run(self, key: str = "any") -> httpx.Response:
        headers = {"Authorization": f"Bearer {key}"}
        body = {"inputs": INPUTS, "user": "u"}
        return httpx.post(f"{self.base_url}/workflows/run", json=body, headers=headers, timeout=60, trust_env=False)

    def end(self, number: int = signal.SIGINT) -> tuple[int, str]:
        """The exit code and what was printed on the error stream."""
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=120)
        return self.process.returncode, errors


@contextmanager
def serving(*arguments: str, launcher: Sequence[str] = (), cwd: Path = ROOT) -> Iterator[Served]:
    """A server; `launcher` is a command that becomes the one behind it."""
    process = subprocess.Popen(
        [*launcher, *command(*arguments, "--port", "0")],
        cwd=cwd,
        env=importing(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    try:
        yield Served(process, _greeting(process))
    finally:
        process.kill()
        process.communicate()


def _greeting(process: subprocess.Popen[str]) -> str:
    """The lines up to the last one, which tells the environment."""
    lines: queue.Queue[str] = queue.Queue()
    assert process.stdout is not None

    def read() -> None:
        for line in process.stdout or ():
            lines.put(line)

    threading.Thread(target=read, daemon=True).start()
    text = ""
    while "DIFY_BASE_URL=" not in text:
        text += lines.get(timeout=120)
    return text


def refused(arguments: Sequence[str]) -> str:
    """What is printed by a command that cannot serve."""
    done = subprocess.run(
        command(*arguments), check=False, cwd=ROOT, env=importing(), capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout) == (2, ""), done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def test_concat_really_joins_with_the_handler_of_the_examples() -> None:
    with serving(CONCAT, "--handler", "examples.handlers:concat") as served:
        assert "any key" in served.greeting and "curl -N" in served.greeting
        assert served.run().json()["data"]["outputs"] == {"result": "a1list_a"}


def test_the_printed_curl_line_is_a_call_that_works() -> None:
    with serving(CONCAT) as served:
        headers = dict(re.findall(r"-H '([\w-]+): ([^']+)'", served.greeting))
        body = re.findall(r"-d '(.+)'", served.greeting)[0]
        answer = httpx.post(
            f"{served.base_url}/workflows/run", content=body, headers=headers, trust_env=False, timeout=60
        )
        assert answer.status_code == 200 and '"workflow_finished"' in answer.text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_cleanly_while_a_stream_is_open(number: int) -> None:
    with serving(CONCAT, "--latency", "60") as served:
        body = {"inputs": INPUTS, "user": "u", "response_mode": "streaming"}
        headers = {"Authorization": "Bearer x"}
        url = f"{served.base_url}/workflows/run"
        with httpx.stream("POST", url, json=body, headers=headers, trust_env=False, timeout=60) as answer:
            assert any(b"workflow_started" in chunk for chunk in answer.iter_raw())
            assert served.end(number) == (0, "")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals that a parent ignores for its children")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_cleanly_where_its_parent_ignores_the_signal(number: int) -> None:
    """A script's `difygen mock … &`, or one behind `nohup`, starts with signals ignored."""
    ignore = "import os, signal, sys; signal.signal({}, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    with serving(CONCAT, launcher=[sys.executable, "-c", ignore.format(int(number))]) as served:
        assert served.end(number) == (0, "")


def test_several_workflows_and_their_keys_are_listed() -> None:
    with serving("specs", "--api-key", "concat=secret") as served:
        assert re.search(r"concat +key secret", served.greeting)
        assert re.search(r"nightly_report +key app-nightly_report", served.greeting)
        assert served.run("secret").status_code == 200
        assert served.run("app-concat").status_code == 401


def test_faults_of_the_command_line_are_for_every_request() -> None:
    with serving(CONCAT, "--fail-rate", "1", "--cut-after", "10b", "--ping-interval", "1") as served:
        with pytest.raises(httpx.RemoteProtocolError):
            served.run()
        logs = httpx.get(
            f"{served.base_url}/workflows/logs", headers={"Authorization": "Bearer x"}, trust_env=False, timeout=60
        )
        assert logs.json()["data"][0]["workflow_run"]["status"] == "failed"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([CONCAT, "--handler", "no_such_module:f"], "--handler: no_such_module cannot be imported"),
        ([CONCAT, "--handler", "json:none"], "--handler: json has no function 'none'"),
        ([CONCAT, "--cut-after", "soon"], "--cut-after: 'soon' is neither a number of events"),
        ([CONCAT, "--fail-rate", "2"], "--fail-rate is 2; it is a share, from 0 to 1"),
        ([CONCAT, "--ping-interval", "0"], "--ping-interval is 0; it must be more than 0"),
        ([CONCAT, "--latency", "-1"], "--latency is -1; it must be a number of seconds, 0 or more."),
        ([CONCAT, "--latency", "nan"], "--latency is nan; it must be a number of seconds, 0 or more."),
        ([CONCAT, "--latency", "inf"], "--latency is inf; it must be a number of seconds, 0 or more."),
        ([CONCAT, "--api-key", "other=x"], "Error: No app is called 'other'; there is concat"),
        ([CONCAT, "--api-key", ""], "Error: An API key cannot be empty."),
        ([CONCAT, "--api-key", "a b"], "Error: An API key cannot hold blanks"),
        ([CONCAT, "--api-key", "é"], "Error: An API key cannot hold blanks"),
        ([CONCAT, "--handler", ":f"], "Error: --handler: ':f' names no module"),
        (["specs", "--api-key", "x"], "Error: With several apps a key is given as NAME=KEY"),
        ([CONCAT, "--port", "70000"], "Error: Cannot listen on 127.0.0.1:70000"),
        ([CONCAT, "--host", "256.0.0.1"], "Error: Cannot listen on 256.0.0.1:8098: "),
    ],
)
def test_a_wrong_argument_is_one_sentence(arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    result = CliRunner().invoke(root, ["mock", *arguments], prog_name="difygen")
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr


def test_a_wrong_source_is_told_of() -> None:
    assert "specs/none.yaml: error: There is no such file or folder." in refused(["specs/none.yaml"])


def test_a_port_in_use_is_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        wrong, hint = (
            f"Cannot listen on 127.0.0.1:{port}: Address already in use.",
            "With --port 0 a free one is taken.",
        )
        assert refused([CONCAT, "--port", port]) == f"Error: {wrong} {hint}\n"


def test_a_missing_package_is_one_line() -> None:
    arguments = [sys.executable, "-c", HINDER, "mock", CONCAT]
    done = subprocess.run(
        arguments, check=False, cwd=ROOT, env=importing(), capture_output=True, text=True, timeout=120
    )
    hint = "The mock server needs more packages: pip install 'difygen[mock]'\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", hint)


def test_a_definition_comes_from_standard_input_too() -> None:
    spec = (ROOT / CONCAT).read_text("utf-8")
    arguments = command("-", "--port", "70000")
    done = subprocess.run(
        arguments, check=False, cwd=ROOT, env=importing(), input=spec, capture_output=True, text=True, timeout=120
    )
    assert "Cannot listen" in done.stderr  # the spec was taken, the port was not


def test_the_page_says_what_the_mock_does_in_which_release_and_the_mock_does_it() -> None:
    page = (ROOT / "docs" / "mock.md").read_text("utf-8")
    rows = [trait for trait in TRAITS.values() if trait.mock]
    shown = [f"| {named_version(row.since)} | {named_version(row.before)} | {row.mock} |" for row in rows]
    table = page.partition("| From | Before | What the mock does |\n")[2].partition("\n\n")[0]
    assert table.splitlines()[1:] == shown
    modules = (ROOT / "generator" / "difygen" / "mock").rglob("*.py")
    asked = {name for path in modules for name in re.findall(r'has\(\s*"([a-z0-9.-]+)"', path.read_text("utf-8"))}
    told = {name for name, trait in TRAITS.items() if trait.mock}
    assert asked == told - {"silent-refusals"}  # what is left where refusals are neither prompt nor events


def named_version(version: tuple[int, int, int]) -> str:
    return "–" if version[0] in (0, 9999) else ".".join(map(str, version))


@pytest.mark.parametrize(("asked", "played"), [("1.12", "1.12.1"), ("1.13.0", "1.13.0"), ("1.17", "1.17.1")])
def test_the_release_that_is_asked_for(asked: str, played: str) -> None:
    with mock_dify(ROOT / CONCAT, dify=asked) as dify:
        answer = httpx.get(f"{dify.base_url}/info", headers={"Authorization": "Bearer x"}, trust_env=False, timeout=60)
        assert answer.headers["x-version"] == played


@pytest.mark.parametrize("asked", ["1.12", "1.13.0", "1.13", "1.14", "1.17"])
def test_a_turn_of_a_chatflow_ends_in_every_release(asked: str) -> None:
    """In 1.13.0 nothing comes after `workflow_finished`; a turn without a run stays open."""
    turn = {"query": "Hello", "inputs": {}, "user": "u", "response_mode": "streaming"}
    with mock_dify(CHAT_LAB / "chat_plain.yml", dify=asked, silence=60) as dify:
        headers = {"Authorization": "Bearer x"}
        answer = httpx.post(f"{dify.base_url}/chat-messages", json=turn, headers=headers, trust_env=False, timeout=60)
        assert "workflow_finished" in answer.text


@pytest.mark.parametrize("asked", ["1.11", "1.14.9", "1.18", "newest", "", "1"])
def test_a_release_that_the_mock_cannot_play(asked: str) -> None:
    says = f"--dify is {asked}; the mock can be Dify 1.12, 1.13, 1.14, 1.15, 1.16, 1.17."
    assert says in refused([CONCAT, "--dify", asked])
    with pytest.raises(MockSetupError, match="the mock can be Dify 1.12, 1.13"), mock_dify(ROOT / CONCAT, dify=asked):
        pass
