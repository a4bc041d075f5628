"""The templates: ours, kept as Python keeps what it compiles, and a user's own in place of ours."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import runtime
from difygen.codegen import package
from difygen.codegen.annotations import ModelPlan
from difygen.codegen.package import generate
from difygen.codegen.runtime import exported_names, runtime_names
from difygen.config import Options
from difygen.record import Record
from support import CHAT_LAB, ROOT
from support.packages import CONCAT, files_of, workflow_from, workflow_of

TEMPLATES = ROOT / "templates"


def test_a_template_of_the_user_takes_the_place_of_ours(tmp_path: Path) -> None:
    own = (TEMPLATES / "module.py.jinja").read_text(encoding="utf-8").replace("{{ imports }}", "# Ours.\n{{ imports }}")
    (tmp_path / "module.py.jinja").write_text(own, encoding="utf-8")
    files = files_of([CONCAT], Options(templates=str(tmp_path)))
    ours = files_of([CONCAT])
    assert "\n# Ours.\nfrom typing import" in files["concat.py"]
    assert {path for path in files if files[path] != ours[path]} == {"concat.py"}


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ nothing }}", "'nothing' is undefined"),
        ("{{ 'text' }}", "only Code may be printed into generated source, not str: 'text'"),
        ("{{ imports + 'x' }}", "only Code may be printed into generated source, not str"),
        ("{{ imports.__class__.__mro__ }}", "access to attribute '__class__' of 'Code' object is unsafe."),
        ("{% for %}", "got 'end of statement block'"),
        ("x =", "what it gives is not Python: invalid syntax"),
    ],
)
def test_a_template_of_the_user_that_cannot_be_used_is_a_finding(tmp_path: Path, template: str, message: str) -> None:
    (tmp_path / "module.py.jinja").write_text(f"\n{template}")
    generated = generate([CONCAT], Options(templates=str(tmp_path)))
    (finding,) = generated.diagnostics
    assert generated.files == {} and finding.code == "bad-template" and message in finding.message
    assert finding.location.file.endswith("module.py.jinja")
    assert finding.location.line == (0 if template == "x =" else 2)


def test_a_folder_without_templates_of_ours_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "modul.py.jinja").write_text("")
    (finding,) = generate([CONCAT], Options(templates=str(tmp_path))).diagnostics
    assert finding.hint == "Did you mean `module.py.jinja`?"
    (finding,) = generate([CONCAT], Options(templates=str(tmp_path / "nowhere"))).diagnostics
    assert finding.message == "There is no such folder of templates."


def test_the_readme_lists_the_templates_and_what_they_are_given() -> None:
    readme = (TEMPLATES / "README.md").read_text(encoding="utf-8")
    assert all(f"`{template.name}`" in readme for template in TEMPLATES.glob("*.jinja"))


CHOICE_AND_BOX = f"""
name: choice_and_box
inputs:
  choice: {{type: select, options: [{", ".join(f"option_number_{number}" for number in range(12))}]}}
outputs:
  result: string
  box: {{properties: {{size: number}}}}
"""


def documented(readme: str, heading: str) -> dict[str, list[str]]:
    """The names in the first column of the table below a line, each with those that its second column lists."""
    rows = readme.partition(f"\n{heading}\n")[2].lstrip().partition("\n\n")[0].split("\n")[2:]
    columns = ([re.findall("`([^`]+)`", column) for column in row.split(" | ")[:2]] for row in rows)
    return {name: members for names, members in columns for name in names}


def members_of_records(name: str, value: object) -> dict[str, list[str]]:
    """The members of a record, of the records in a sequence, and of the records in these."""
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        return {path: found for each in value for path, found in members_of_records(name, each).items()}
    fields = [*value._members] if isinstance(value, Record) else getattr(value, "_fields", ())
    found = {name: list(fields)} if fields else {}
    if isinstance(value, ModelPlan):
        found |= members_of_records("models[].fields", value.fields)
        found |= members_of_records("models[].member", value.member)
    return found


def test_the_readme_says_all_that_templates_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    readme = (TEMPLATES / "README.md").read_text(encoding="utf-8")
    module, whole, file = (documented(readme, f"A {what} is given") for what in ("module", "package", "file"))
    printed: set[str] = set()
    members: dict[str, list[str]] = {}

    def note(template: str, context: dict[str, object], *settings: object) -> str:
        printed.add(template)
        assert context.keys() == {"init": whole, "bundle": file}.get(template, module).keys(), template
        for name, value in context.items():
            if (template, name) != ("bundle", "modules"):  # their texts are printed: of interest are the names alone
                members.update(members_of_records(name, value))
        return render(template, context, *settings)  # type: ignore[arg-type]  # passed on

    render = package.render
    monkeypatch.setattr(package, "render", note)
    apps = [workflow_from(CHOICE_AND_BOX), *(workflow_of(path) for path in sorted(CHAT_LAB.glob("*.yml")))]
    for options in (Options(), Options(single_file=True)):
        assert generate(apps, options).files
    assert printed == {"module", "about_module", "workflow", "chat", "completion", "init", "bundle"}
    assert members == documented(readme, "Members are")


def test_a_mistake_in_a_template_that_another_includes_is_said_of_that_one(tmp_path: Path) -> None:
    (tmp_path / "workflow.py.jinja").write_text("\n\n{{ nothing }}")
    (finding,) = generate([CONCAT], Options(templates=str(tmp_path))).diagnostics
    assert (
        str(finding).startswith(f"{tmp_path}/workflow.py.jinja:3:1: ") and "'nothing' is undefined" in finding.message
    )


def test_what_a_template_of_the_user_prints_is_laid_out_unless_that_would_change_it(tmp_path: Path) -> None:
    own = (TEMPLATES / "module.py.jinja").read_text(encoding="utf-8")
    names = ", ".join(f"name_of_something_{number}" for number in range(8))
    changed = f"assert (lambda *x: x)(({'x' * 80!r}))"
    (tmp_path / "module.py.jinja").write_text(f"{own}MINE = [{names}]\n", encoding="utf-8")
    assert "\nMINE = [\n    name_of_something_0,\n" in files_of([CONCAT], Options(templates=str(tmp_path)))["concat.py"]
    (tmp_path / "module.py.jinja").write_text(f"{own}{changed}\n", encoding="utf-8")
    assert changed in files_of([CONCAT], Options(templates=str(tmp_path)))["concat.py"]


def test_templates_are_compiled_once_and_kept_beside_them(tmp_path: Path) -> None:
    copy(ROOT / "generator", tmp_path / "generator")
    copy(ROOT / "templates", tmp_path / "templates")
    (tmp_path / "a.yaml").write_text("name: a\noutputs: {}\n")
    kept = tmp_path / "templates" / "__pycache__"

    def run(output: str, **variables: str) -> str:
        command = [sys.executable, "-m", "difygen", "a.yaml", "-o", output]
        environment = {**os.environ, "PYTHONPATH": str(tmp_path / "generator"), **variables}
        subprocess.run(command, check=True, cwd=tmp_path, env=environment, capture_output=True)
        return (tmp_path / output / "a.py").read_text("utf-8")

    first = run("first", PYTHONDONTWRITEBYTECODE="1")
    assert not kept.exists()
    assert run("second", PYTHONDONTWRITEBYTECODE="") == first
    compiled = {file.name: file.stat().st_mtime_ns for file in kept.iterdir()}
    assert compiled and run("third", PYTHONDONTWRITEBYTECODE="") == first
    assert {file.name: file.stat().st_mtime_ns for file in kept.iterdir()} == compiled
    template = tmp_path / "templates" / "workflow.py.jinja"
    template.write_text(
        template.read_text("utf-8").replace("all calls over one pool", "all calls over a pool"), "utf-8"
    )
    assert run("fourth", PYTHONDONTWRITEBYTECODE="") == first.replace("over one pool", "over a pool")


def copy(source: Path, target: Path) -> None:
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))


def test_the_names_of_the_runtime_are_those_that_it_exports_and_those_of_ours_at_its_top() -> None:
    assert sorted(runtime.__all__) == sorted(exported_names())
    modules = [module for module in vars(runtime).values() if isinstance(module, ModuleType)]
    top = {name for module in modules for name, value in vars(module).items() if is_of(value, module)}
    assert {name for name in top if name.startswith(("run_", "stream_")) or name.endswith("Client")} <= runtime_names()
    assert "run_now" in top and "AsyncClient" in runtime_names()  # that one is defined in a condition


def is_of(value: object, module: ModuleType) -> bool:
    return getattr(value, "__module__", None) == module.__name__
