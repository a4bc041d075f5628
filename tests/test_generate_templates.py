"""The templates, compiled ahead or rendered by jinja2: the same bytes, and a user's own in place of ours."""

from pathlib import Path

import jinja2
import pytest
from difygen.code import trusted
from difygen.generate import generate
from difygen.options import Options
from difygen.render import compile as compile_templates
from difygen.render import compiled as _compiled_templates
from difygen.render import printing as render
from difygen.render.printing import TEMPLATE_SETTINGS
from support import LAB, ROOT
from support.packages import CONCAT, files_of, workflow_of
from test_typing import KINDS

TEMPLATES = ROOT / "templates"
WORKFLOWS = [CONCAT, KINDS, workflow_of(LAB / "kitchen_sink.yml")]


def test_the_compiled_templates_are_up_to_date() -> None:
    assert Path(compile_templates.TARGET).read_text(encoding="utf-8") == compile_templates.compile_folder(
        str(TEMPLATES)
    )


def test_compiling_says_whether_there_was_something_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    target = tmp_path / "compiled.py"
    target.write_text("")
    monkeypatch.setattr(compile_templates, "TARGET", str(target))
    assert compile_templates.main(["--check"]) == 1
    assert compile_templates.main([]) == 0
    assert compile_templates.main(["--check"]) == 0


@pytest.mark.parametrize("single_file", [False, True])
def test_jinja2_gives_the_same_bytes(monkeypatch: pytest.MonkeyPatch, single_file: bool) -> None:
    compiled = files_of(WORKFLOWS, Options(single_file=single_file))
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        finalize=trusted,
        **TEMPLATE_SETTINGS,  # type: ignore[arg-type]
    )
    monkeypatch.setattr(
        render,
        "render",
        lambda name, context, overrides=None: environment.get_template(f"{name}.py.jinja").render(context),
    )
    assert files_of(WORKFLOWS, Options(single_file=single_file)) == compiled


@pytest.mark.parametrize(
    "source",
    [
        "{{ 1 }}",
        "{{ a + b }}",
        "{{ a() }}",
        "{{ a|upper }}",
        "{{ a[0] }}",
        "{% set a = 1 %}",
        "{% include 'x' %}",
        "{% for a in b if c %}{% endfor %}",
        "{% for a, b in c %}{% endfor %}",
        "{% for a in b %}{% else %}x{% endfor %}",
        "{% macro a() %}{% endmacro %}",
        "{% if not a %}{% endif %}",
        "{% for class in b %}{% endfor %}",
    ],
)
def test_the_compiler_refuses_what_it_does_not_know(source: str) -> None:
    with pytest.raises(compile_templates.UnsupportedTemplate):
        list(compile_templates.compile_template("x", source))


def test_the_compiler_knows_branches() -> None:
    source = "{% if a %}1{% elif b.c %}2{% else %}3{% endif %}"
    assert list(compile_templates.compile_template("x", source))[4:-1] == [
        '    if context["a"]:',
        '        write("1")',
        '    elif context["b"].c:',
        '        write("2")',
        "    else:",
        '        write("3")',
    ]


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
        ("{{ docstring + 'x' }}", "only Code may be printed into generated source, not str"),
        ("{{ docstring.__class__.__mro__ }}", "access to attribute '__class__' of 'Code' object is unsafe."),
        ("{% for %}", "got 'end of statement block'"),
        ("x =", "what it gives is not Python: invalid syntax"),
    ],
)
def test_a_template_of_the_user_that_cannot_be_used_is_a_finding(tmp_path: Path, template: str, message: str) -> None:
    (tmp_path / "module.py.jinja").write_text(template)
    generated = generate([CONCAT], Options(templates=str(tmp_path)))
    (finding,) = generated.diagnostics
    assert generated.files == {} and finding.code == "bad-template" and message in finding.message
    assert finding.location.file.endswith("module.py.jinja")


def test_a_folder_without_templates_of_ours_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "modul.py.jinja").write_text("")
    (finding,) = generate([CONCAT], Options(templates=str(tmp_path))).diagnostics
    assert finding.hint == "Did you mean `module.py.jinja`?"
    (finding,) = generate([CONCAT], Options(templates=str(tmp_path / "nowhere"))).diagnostics
    assert finding.message == "There is no such folder of templates."


def test_the_readme_lists_the_templates_and_what_they_are_given() -> None:
    readme = (TEMPLATES / "README.md").read_text(encoding="utf-8")
    assert all(f"`{template.name}`" in readme for template in TEMPLATES.glob("*.jinja"))


def test_the_names_of_the_runtime_are_those_that_it_exports() -> None:
    import runtime

    assert sorted(runtime.__all__) == list(_compiled_templates.RUNTIME_NAMES)
