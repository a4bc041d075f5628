"""Findings for machines: JSON, annotations of GitHub Actions and SARIF are what they should be, whatever they say."""

from __future__ import annotations

import json
import os
import re
import subprocess
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from difygen.cli import COMMANDS, root
from difygen.diagnostics import Diagnostic, Location, Severity
from difygen.findings import annotation, sarif
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator
from support import ROOT
from support.projects import CONCAT, Project, difygen
from support.schemas import schema

PAGE = (ROOT / "docs" / "findings.md").read_text("utf-8")
WRONG = CONCAT.replace("text-input", "text-imput")
HOSTILE = [
    "a\n::error::b",
    "a\r::stop-commands::b",
    "%0A::x",
    "::x,file=y::",
    "\x1b[31m",
    "\u202e",
    "[a](https://b.c) {0}",
]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    project = Project(tmp_path / "project")
    project.write("specs/concat.yaml", CONCAT)
    monkeypatch.chdir(project.folder)
    project.generate()
    return project


@pytest.fixture(scope="module")
def sarif_schema() -> Draft7Validator:
    return Draft7Validator(schema("https://json.schemastore.org/sarif-2.1.0.json"))


def parsed(line: str) -> tuple[str, dict[str, str], str]:
    """Return a workflow command as GitHub's runner reads it: its name, properties and message."""
    found = re.fullmatch(r"::(\w+) ?(.*?)::(.*)", line)
    assert found and not any(unicodedata.category(each) in ("Cc", "Zl", "Zp") for each in line.replace("\t", ""))
    command, properties, message = found.groups()
    pairs = dict(each.split("=", 1) for each in properties.split(",") if each)
    return command, {name: decoded(text) for name, text in pairs.items()}, decoded(message)


def decoded(text: str) -> str:
    for code in ("%0D", "%0A", "%3A", "%2C"):
        text = text.replace(code, bytes.fromhex(code[1:]).decode())
    return text.replace("%25", "%")


def findings(text: str) -> list[dict[str, Any]]:
    found = json.loads(text)["findings"]
    assert isinstance(found, list)
    return found


# One option, with the same exit code


def commands_with_findings() -> Iterator[click.Command]:
    for name in (*COMMANDS, "generate"):
        command = root.get_command(click.Context(root), name)
        assert command is not None
        if any(parameter.name == "output_format" for parameter in command.params):
            yield command


def test_it_is_one_option() -> None:
    assert {command.name for command in commands_with_findings()} == {"generate", "check", "diff", "doctor", "pull"}
    for command in commands_with_findings():
        (option,) = (each for each in command.params if each.name == "output_format")
        assert isinstance(option.type, click.Choice)
        assert option.opts == ["--output-format", "--format"]
        choices = [each for each in option.type.choices if each != "markdown"]
        assert choices == ["text", "json", "github", "sarif"]


@pytest.mark.parametrize("output_format", ["text", "json", "github", "sarif"])
def test_the_exit_code_is_that_of_the_words(project: Project, output_format: str) -> None:
    def code(*arguments: str) -> int:
        ran = difygen(*arguments, "--output-format", output_format)
        assert output_format == "text" or ran.err == ""
        return ran.code

    project.write("wrong.yaml", WRONG)
    assert code("specs", "-o", "client") == code("check", "specs", "-o", "client") == 0
    assert code("diff", "specs", "client", "--fail-on", "any") == 0
    assert code("wrong.yaml", "-o", "other") == code("diff", "wrong.yaml", "specs") == code("diff", "a:b", "specs") == 2
    assert code("check", "wrong.yaml", "-o", "client") == code("check", "-o", "client") == code("specs") == 2
    assert code("doctor", "wrong.yaml") == code("doctor", "specs", "--timeout", "0") == 2
    project.change("specs/concat.yaml", "max_length: 48", "max_length: 40")
    assert code("check", "specs", "-o", "client") == code("diff", "client", "specs", "--fail-on", "breaking") == 1
    project.write("client/concat.py", "mine\n")
    assert code("specs", "-o", "client") == 1


# JSON


def test_json_of_generating_has_findings_files_and_changes(project: Project) -> None:
    project.change("specs/concat.yaml", "max_length: 48", "max_length: 40")
    said = json.loads(difygen("specs", "-o", "client", "--format", "json").out)
    assert (said["format"], said["command"], said["ok"], said["findings"]) == (1, "generate", True, [])
    assert (said["output"], said["written"], said["removed"]) == ("client", ["concat.py", "difygen.lock"], [])
    assert (said["advice"], [change["rule"] for change in said["changes"]]) == ("major", ["length-lowered"])


def test_json_of_a_definition_with_errors_says_where(project: Project) -> None:
    project.write("wrong.yaml", WRONG)
    commands = ["wrong.yaml -o x", "check wrong.yaml -o x", "diff wrong.yaml client", "doctor wrong.yaml"]
    for command in map(str.split, commands):
        (finding,) = findings(difygen(*command, "--format", "json").out)
        assert finding == {
            "severity": "error",
            "code": "unknown-type",
            "message": "`text-imput` is not an input type.",
            "hint": "Did you mean `text-input`?",
            "file": "wrong.yaml",
            "line": 3,
            "column": 18,
        }


def test_json_of_files_in_the_way_says_so(project: Project) -> None:
    project.write("client/concat.py", "mine\n")
    project.change("specs/concat.yaml", "max_length: 48", "max_length: 40")
    (finding,) = findings(difygen("specs", "-o", "client", "--format", "json").out)
    assert (finding["code"], finding["file"]) == ("not-written", "client")
    assert "was edited by hand" in finding["message"]


def test_json_of_a_check_says_what_differs_and_from_which_line_on(project: Project) -> None:
    project.change("specs/concat.yaml", "max_length: 48", "max_length: 40")
    text = (project.client / "__init__.py").read_text("utf-8")
    project.write("client/__init__.py", f"{text}# mine\n")
    (project.client / "py.typed").unlink()
    said = findings(difygen("check", "specs", "-o", "client", "--format", "json").out)
    lines = (project.client / "concat.py").read_text("utf-8").splitlines()
    (number,) = (number for number, line in enumerate(lines, 1) if "max_length=48" in line)
    assert [(each["code"], Path(each["file"]).as_posix(), each["line"]) for each in said] == [
        ("missing", "client/py.typed", None),
        ("edited", "client/__init__.py", text.count("\n") + 1),
        ("outdated", "client/concat.py", number),
    ]


def test_json_of_a_package_that_is_not_there_is_one_finding(project: Project) -> None:
    (finding,) = findings(difygen("check", "specs", "-o", "other", "--format", "json").out)
    assert (finding["code"], finding["file"]) == ("missing", "other")


def test_watching_is_for_people() -> None:
    ran = difygen("specs", "-o", "client", "--watch", "--format", "json")
    assert (ran.code, [each["code"] for each in findings(ran.out)]) == (2, ["usage"])


def test_wrong_settings_are_findings_in_their_file(project: Project) -> None:
    project.write("pyproject.toml", '[tool.difygen]\nsources = ["specs"]\noutptu = "client"\n')
    said = findings(difygen("check", "--format", "json").out)
    assert {(each["file"], each["line"]) for each in said} == {("pyproject.toml", 3)}


def test_the_page_names_every_member(project: Project) -> None:
    def members(value: object) -> set[str]:
        if isinstance(value, list):
            return set().union(*map(members, value))
        return set(value).union(*map(members, value.values())) if isinstance(value, dict) else set()

    project.change("specs/concat.yaml", "max_length: 48", "max_length: 40")
    commands = [
        ["check", "specs", "-o", "client"],
        ["diff", "client", "specs"],
        ["specs", "-o", "client"],
        ["doctor", "specs", "--base-url", "nonsense"],
    ]
    said = [json.loads(difygen(*command, "--format", "json").out) for command in commands]
    effects = {"breaking", "internal", "compatible", "cosmetic"}
    assert {name for name in members(said) if f"`{name}`" not in PAGE} == effects


# Annotations


def test_an_annotation_points_at_the_line_from_the_root_of_the_repository(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run(["git", "init", "-q"], check=True)
    project.write("specs/wrong.yaml", WRONG)
    monkeypatch.chdir(project.folder / "specs")
    ran = difygen("wrong.yaml", "-o", "client", "--format", "github")
    assert parsed(ran.out.removesuffix("\n")) == (
        "error",
        {"file": "specs/wrong.yaml", "line": "3", "col": "18", "title": "difygen: unknown-type"},
        "`text-imput` is not an input type.\nDid you mean `text-input`?",
    )


def test_changes_are_annotations_as_bad_as_they_are(project: Project) -> None:
    changed = CONCAT.replace("max_length: 48", "max_length: 40").replace("list_b]", "list_b, list_c]")
    project.write("new/concat.yaml", changed)
    ran = difygen("diff", "client", "new", "--format", "github")
    said = [parsed(line) for line in ran.out.splitlines()]
    assert [(command, properties["file"]) for command, properties, _ in said] == [
        ("error", "new/concat.yaml"),
        ("notice", "new/concat.yaml"),
    ]
    assert said[0][2].startswith("breaking: concat inputs.string: `string` took at most 48")


@pytest.mark.parametrize("name", HOSTILE)
def test_no_file_name_forges_a_line(project: Project, name: str) -> None:
    if os.name == "nt":
        pytest.skip("Windows has no such names")
    project.write(f"bad/{name.replace('/', '-')}.yaml", WRONG)
    ran = difygen("bad", "-o", "out", "--format", "github")
    assert ran.err == ""
    ((command, properties, message),) = [parsed(line) for line in ran.out.removesuffix("\n").split("\n")]
    assert (command, properties["line"], properties["title"]) == ("error", "3", "difygen: unknown-type")
    assert message.startswith("`text-imput` is not an input type.")


@pytest.mark.parametrize("name", HOSTILE)
def test_no_text_of_a_definition_forges_a_line(project: Project, name: str) -> None:
    for side, limit in (("old", 48), ("new", 40)):
        inputs = {name: {"type": "text-input", "max_length": limit}}
        project.write(f"{side}.json", json.dumps({"name": "flow", "inputs": inputs, "outputs": {name: "string"}}))
    ran = difygen("diff", "old.json", "new.json", "--format", "github")
    (line,) = ran.out.removesuffix("\n").split("\n")
    assert parsed(line)[0] == "error"


texts = st.text(st.characters(exclude_categories=())) | st.sampled_from(HOSTILE)
diagnostics = st.builds(
    Diagnostic,
    st.sampled_from(["error", "warning", "note"]),
    st.just("some-code"),
    texts,
    st.builds(Location, texts, st.integers(0, 9), st.integers(0, 9)),
    texts,
)


@given(diagnostics)
def test_any_finding_is_one_command(finding: Diagnostic) -> None:
    words: dict[Severity, str] = {"error": "error", "warning": "warning", "note": "notice"}
    command, properties, _ = parsed(annotation(finding))
    assert command == words[finding.severity]
    assert properties.keys() <= {"file", "line", "col", "title"}
    assert properties["title"] == "difygen: some-code"


# SARIF


def test_sarif_is_what_its_schema_says(project: Project, sarif_schema: Draft7Validator) -> None:
    project.write("wrong.yaml", WRONG)
    project.change("specs/concat.yaml", "max_length: 48", "max_length: 40")
    commands = [
        ["wrong.yaml", "-o", "x"],
        ["check", "specs", "-o", "client"],
        ["check", "specs", "-o", "elsewhere"],
        ["check", "nowhere.yaml", "-o", "x"],
        ["diff", "client", "specs"],
        ["diff", "a:b", "specs"],
        ["doctor", "specs", "--base-url", "nonsense"],
        ["specs", "-o", "client"],
    ]
    for command in commands:
        log = json.loads(difygen(*command, "--output-format", "sarif").out)
        assert [error.message for error in sarif_schema.iter_errors(log)] == []
        assert bool(log["runs"][0]["results"]) == (command[0] != "specs")


@given(st.lists(diagnostics, max_size=3))
def test_any_findings_are_sarif(sarif_schema: Draft7Validator, found: list[Diagnostic]) -> None:
    log = sarif(found)
    assert [error.message for error in sarif_schema.iter_errors(log)] == []


def test_a_result_has_its_rule_its_place_and_no_link_of_a_foreign_hand(project: Project) -> None:
    project.write("specs/a b%.yaml", WRONG)
    finding = Diagnostic("warning", "some-code", "See [a](https://b.c).", Location("specs/a b%.yaml", 2, 5), "Do.")
    log: Any = sarif([finding, finding._replace(code="other")])
    (run,) = log["runs"]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["some-code", "other"]
    result = run["results"][0]
    assert (result["ruleId"], result["level"]) == ("some-code", "warning")
    assert result["message"]["text"] == "See \\[a](https://b.c).\nDo."
    place = result["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": "specs/a%20b%25.yaml"}, "region": {"startLine": 2, "startColumn": 5}}


@pytest.mark.parametrize("printed", ["text", "github", "json", "sarif"])
def test_a_report_has_the_json_whatever_is_printed(project: Project, printed: str) -> None:
    project.change("specs/concat.yaml", "max_length: 48", "max_length: 40")
    for command in (["check", "specs", "-o", "client"], ["diff", "client", "specs"]):
        plain = difygen(*command, "--format", printed)
        ran = difygen(*command, "--format", printed, "--report", "report.json")
        assert ran == plain
        report = Path("report.json").read_text("utf-8")
        assert report == difygen(*command, "--format", "json").out
    ran = difygen("check", "specs", "-o", "client", "--report", "nowhere/report.json")
    assert (ran.code, "nowhere/report.json" in ran.err) == (1, True)
