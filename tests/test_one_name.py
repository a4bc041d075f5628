"""An app has one name: the one in its generated module is what every other command says and reads."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest
from difygen.testing import mock_dify
from support.projects import difygen
from support.servers import RUN, Server, as_json
from support.terminal import piped
from test_mock_command import serving

SPEC = "name: concat\ninputs: {string: text-input}\noutputs: {result: string}\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two definitions of one name, in two folders."""
    monkeypatch.chdir(tmp_path)
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "concat.yaml").write_text(SPEC)
    return tmp_path


def read_variables(package: Path) -> dict[str, str]:
    """The environment variable of the key that each module of a package reads."""
    texts = {path.stem: path.read_text() for path in package.glob("concat*.py")}
    return {name: str(re.findall(r'api_key_variables=\("(\w+)"', text)[0]) for name, text in texts.items()}


def announced(*arguments: str) -> tuple[list[str], list[str]]:
    """The names and the variables that the mock server prints."""
    with serving(*arguments, cwd=Path.cwd()) as served:
        names = re.findall(r"^  (\w+) +(?:any key|key \S+)$", served.greeting, re.MULTILINE)
        found = names, re.findall(r"\b(\w+_KEY)=", served.greeting)
        served.end(signal.SIGINT)
    return found


def test_the_mock_says_the_names_that_are_generated(project: Path) -> None:
    assert difygen("a", "b", "-o", "client").code == 0
    variables = read_variables(project / "client")
    names, printed = announced("a", "b")
    assert sorted(names) == sorted(variables) and len(set(names)) == 2
    assert printed == [variables[names[0]]]
    with mock_dify("a", "b") as dify:
        assert set(dify.environment) == {"DIFY_BASE_URL", "DIFY_API_KEY", *variables.values()}


def test_the_mock_serves_what_the_settings_say(project: Path) -> None:
    (project / "difygen.toml").write_text(
        'sources = ["a", "b"]\noutput = "client"\n'
        '[workflows.joined]\nsource = "b/concat.yaml"\nenv = "JOIN_KEY"\n'
        '[workflows.concat]\nenv = "FIRST_KEY"\n'
    )
    assert difygen().code == 0
    names, _ = announced()
    assert sorted(names) == ["concat", "joined"]
    _, printed = announced("b/concat.yaml")
    assert printed == ["JOIN_KEY"]


def test_a_call_reads_the_key_of_the_app_in_the_package(project: Path) -> None:
    (project / "difygen.toml").write_text('sources = ["a", "b"]\noutput = "client"\n')
    assert difygen().code == 0
    (other,) = set(read_variables(project / "client")) - {"concat"}
    key = read_variables(project / "client")[other]
    source = next(
        f"{name}/concat.yaml" for name in "ab" if f"{name}/concat.yaml" in (project / f"client/{other}.py").read_text()
    )
    answer = {"data": {"status": "succeeded", "outputs": {"result": "x"}}, "workflow_run_id": "r", "task_id": "t"}
    with Server({RUN: as_json(answer)}) as server:
        env = {"DIFY_BASE_URL": server.url, key: "app-of-the-second"}
        ended = piped("call", source, "string=a", "--blocking", "--json", env=env, cwd=project)
        assert ended.code == 0
        assert server.requests[0].headers["authorization"] == "Bearer app-of-the-second"


def test_settings_of_another_file_hold_for_every_command(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DIFY_API_KEY", "DIFY_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    (project / "other").mkdir()
    (project / "other" / "settings.toml").write_text(
        'sources = ["../a"]\noutput = "../client"\n'
        '[workflows.joined]\nsource = "../a/concat.yaml"\nenv = "JOIN_KEY"\n'
    )
    config = ("--config", "other/settings.toml")
    assert difygen(*config).code == 0
    assert difygen("check", *config).code == 0
    assert (project / "client" / "joined.py").exists()
    assert difygen("inspect", *config).out.startswith("joined: ")
    assert "JOIN_KEY" in difygen("call", "a/concat.yaml", "string=a", *config).err
    assert "JOIN_KEY" in difygen("doctor", "a/concat.yaml", "--base-url", "http://127.0.0.1:9", *config).out
    assert difygen("init", "a/concat.yaml", *config).out.startswith("wrote specs/joined.yaml")
    assert announced(*config) == (["joined"], ["JOIN_KEY"])


@pytest.mark.parametrize("output", ["client", "client.py"])
@pytest.mark.parametrize(("table", "code"), [("concat", 0), ("conct", 2)])
def test_settings_are_judged_before_anything_is_written(output: str, table: str, code: int, project: Path) -> None:
    (project / "difygen.toml").write_text(f'sources = ["a"]\noutput = "{output}"\n[workflows.{table}]\nenv = "A_KEY"\n')
    for arguments in ((), ("check",), ()):
        ran = difygen(*arguments)
        expected = 1 if arguments and code == 0 and not (project / output).exists() else code
        assert ran.code == expected
        assert (project / output).exists() is (code == 0)
        if code:
            assert ran.err == (
                "difygen.toml:3:12: error: No app is called `conct`. [unknown-workflow]\n"
                "    hint: Did you mean `concat`?\n"
            )


@pytest.mark.parametrize("option", ["--json", "--events"])
def test_nothing_in_json_can_steer_a_terminal(option: str, project: Path) -> None:
    hostile = "\x9b31m\u202e\u2066\x07\x1b[2J\x7f\u2028 客户 \U0001f600"
    with mock_dify("a/concat.yaml", handler=lambda inputs: {"result": hostile}) as dify:
        ended = piped("call", "a/concat.yaml", "string=a", option, env=dify.environment, cwd=project)
    assert ended.code == 0 and "客户 \U0001f600" in ended.out
    assert not set("\x9b\u202e\u2066\x07\x1b\x7f\u2028") & set(ended.out)
    assert r"\u009b31m\u202e\u2066" in ended.out
