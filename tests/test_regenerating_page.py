"""The page about regenerating: its table is the table of rules, and its snippets for CI and pre-commit work."""

from __future__ import annotations

import re
from pathlib import Path

import jsonschema
import pytest
import yaml
from difygen.diff.changes import RULES
from support import ROOT
from support.projects import CONCAT, Project, Ran, committed_project, difygen, git
from support.schemas import schema

PAGE = (ROOT / "docs" / "regenerating.md").read_text("utf-8")
WITH_ACTION, WORKFLOW, HOOKS = (yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))


def test_the_table_is_the_table_of_rules() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \| (breaking|internal|compatible|cosmetic) \| (.*) \|$", PAGE, re.MULTILINE)
    assert rows == [(rule.id, rule.effect, rule.reason) for rule in RULES.values()]


def test_the_page_names_every_key_of_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = Project(tmp_path)
    project.write("specs/concat.yaml", CONCAT)
    monkeypatch.chdir(tmp_path)
    project.generate()
    keys = re.findall(r'^ +"(\w+)": ', (project.client / "difygen.lock").read_text(), re.MULTILINE)
    assert {key for key in keys if f"`{key}`" not in PAGE} <= {"concat"}


def test_the_steps_for_ci_do_what_they_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a clone, as in CI: what is committed on the main branch is the old package."""
    origin = committed_project(tmp_path / "origin")
    git("clone", "-q", str(origin.folder), str(tmp_path / "clone"))
    monkeypatch.chdir(tmp_path / "clone")
    _, check, diff = (step["run"] for step in WORKFLOW["jobs"]["clients"]["steps"] if "run" in step)
    assert [run(check).code, run(diff).code] == [0, 0]
    Project(tmp_path / "clone").change("specs/concat.yaml", "max_length: 48", "max_length: 40")
    assert run(check).code == 1
    assert difygen().code == 0
    assert run(check).code == 0
    compared = run(diff)
    assert (compared.code, compared.out.splitlines()[2][:41]) == (1, "| breaking | concat inputs.string | `stri")


@pytest.mark.parametrize("workflow", [WITH_ACTION, WORKFLOW], ids=["action", "commands"])
def test_the_workflows_are_such(workflow: dict[object, object]) -> None:
    """YAML 1.1 reads `on` as true."""
    trigger = workflow.get(True, "push")
    named = {"on": trigger, **{key: value for key, value in workflow.items() if key is not True}}
    jsonschema.validate(named, schema("https://json.schemastore.org/github-workflow.json"))


def test_the_action_is_given_what_it_takes() -> None:
    (step,) = (step for step in WITH_ACTION["jobs"]["clients"]["steps"] if step["uses"].startswith("difygen/"))
    assert step["with"].keys() <= yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))["inputs"].keys()


def test_the_hook_is_one_that_we_offer() -> None:
    offered = {hook["id"] for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())}
    assert {hook["id"] for repository in HOOKS["repos"] for hook in repository["hooks"]} <= offered


def run(command: str) -> Ran:
    name, *arguments = command.split()
    assert name == "difygen"
    return difygen(*arguments)
