"""Whatever a definition says, the generated code is data: it parses, says back every string, and does nothing else."""

import ast
import inspect
import re
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any, Literal, get_args, get_origin

import black
import jinja2
import pytest
import runtime
from difygen.codegen.annotations import usable_default
from difygen.codegen.package import generate
from difygen.codegen.syntax import Code, code, docstring, literal, trusted
from difygen.codegen.templates import environment
from difygen.config import Options
from difygen.files import templates_folder
from difygen.model import App, Input
from difygen.naming import Identifier, class_name
from difygen.wording import visible
from hypothesis import given, settings
from hypothesis import strategies as st
from support.examples import examples
from support.hostile import SENDABLE, TEXTS, WORKFLOWS, payload_workflow

CALLED = frozenset({"Field", "FileRules", "as_function", "ConfigDict", "with_config", "TypedDict", "WorkflowInfo"})


def is_inert(text: str) -> bool:
    """Whether nothing in a source can fool its reader: no bidi marks, no controls, no odd line ends."""
    return all(character.isprintable() or character == "\n" for character in text)


def as_black_leaves_it(source: str) -> bool:
    return black.format_str(source, mode=black.Mode()) == source


@given(TEXTS)
def test_a_literal_means_the_text_and_shows_every_character(text: str) -> None:
    code = literal(text)
    assert ast.literal_eval(code) == text
    assert is_inert(code) and "\n" not in code
    assert as_black_leaves_it(f"x = {code}\n") or len(code) > 70


@given(st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.booleans() | st.none())
def test_a_literal_means_the_value(value: None | bool | float) -> None:
    assert ast.literal_eval(literal(value)) == value


@pytest.mark.parametrize("text", ["字段拼接", "é", "🤖", "Ελλάδα"])
def test_a_readable_script_stays_readable(text: str) -> None:
    assert literal(text) == f'"{text}"'


@given(st.lists(TEXTS, min_size=1, max_size=4), st.sampled_from([0, 4, 8]))
def test_a_docstring_is_one_string_and_shows_every_character(lines: list[str], indent: int) -> None:
    margin = " " * indent
    source = f"if True:\n    if True:\n{margin}{docstring(lines, indent)}\n" if indent else f"{docstring(lines)}\n"
    if indent == 4:
        source = source.replace("    if True:\n", "", 1)
    (string,) = [
        node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    assert [line.strip() for line in string.value.split("\n")][: len(lines)] == [
        visible(line).strip() for line in lines
    ]
    assert is_inert(source)


def test_only_code_can_be_printed() -> None:
    assert trusted(Code("x")) == "x"
    assert code("{}({})", Identifier("call"), literal("{}")) == 'call("{}")'
    for value in ("x", Code("x") + "y", 1, None):
        with pytest.raises(TypeError, match="only Code may be printed"):
            trusted(value)
    with pytest.raises(TypeError, match="only Code may be printed"):
        code("{}", "x")  # type: ignore[arg-type]


def test_an_identifier_is_one() -> None:
    for name in ("", "1a", "a b", "class", "a.b", "a\n"):
        with pytest.raises(ValueError, match="not a Python identifier"):
            Identifier(name)


def _statements(tree: ast.Module) -> Iterator[tuple[str, ast.stmt]]:
    """Every statement, with the kind of block that it stands in."""
    for statement in tree.body:
        yield "module", statement
        if isinstance(statement, ast.ClassDef):
            for member in statement.body:
                yield "class", member
                if isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef):
                    yield from (("function", inner) for inner in member.body)


ALLOWED = {
    "module": (ast.Expr, ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.ClassDef),
    "class": (ast.Expr, ast.AnnAssign, ast.Assign, ast.FunctionDef, ast.AsyncFunctionDef),
    "function": (ast.Expr, ast.Assign, ast.Return),
}
MODULES = {"builtins", "collections.abc", "typing", "pydantic", "typing_extensions", "_runtime"}


def does_only_what_it_says(tree: ast.Module) -> bool:
    """Whether a module holds nothing but imports of ours, constants, classes, and methods that call the runtime."""
    for block, statement in _statements(tree):
        assert isinstance(statement, ALLOWED[block]), ast.unparse(statement)
        if isinstance(statement, ast.Expr):
            assert isinstance(statement.value, ast.Constant) and isinstance(statement.value.value, str)
        if isinstance(statement, ast.Import):
            assert [name.name for name in statement.names] == ["builtins"]
        if isinstance(statement, ast.ImportFrom):
            assert statement.module in MODULES and all(name.asname is None for name in statement.names)
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            assert statement.name in ("run", "stream") and len(statement.body) in (2, 3)
        if block == "function" and isinstance(statement, ast.Assign):
            assert [ast.unparse(target) for target in statement.targets] in (["inputs"], ["_inputs"])
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name = ast.unparse(call.func)
        assert (
            name in CALLED
            or name in ("self.run_inputs", "self.stream_inputs")
            or re.fullmatch(r"[A-Z]\w*(Inputs|Client)", name)
        ), name
    return True


def defined(tree: ast.Module) -> set[str]:
    """The public names that a module defines."""
    names = {statement.name for statement in tree.body if isinstance(statement, ast.ClassDef)}
    for statement in tree.body:
        if isinstance(statement, ast.Assign):
            names |= {ast.unparse(target) for target in statement.targets}
        if isinstance(statement, ast.AnnAssign):
            names.add(ast.unparse(statement.target))
    return {name for name in names if not name.startswith("_")}


def strings(tree: ast.AST) -> set[object]:
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}


@settings(max_examples=50, deadline=None)
@given(st.lists(WORKFLOWS, min_size=1, max_size=2))
def test_a_hostile_workflow_gives_a_harmless_module(workflows: list[App]) -> None:
    generated = generate(workflows, Options())
    assert generated.diagnostics == ()
    modules = [
        path for path in generated.files if path.endswith(".py") and not path.startswith(("_runtime/", "__init__"))
    ]
    assert len(modules) == len(workflows)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*\.py", path) for path in modules)
    for path in modules:
        source = generated.files[path]
        tree = ast.parse(source)
        assert is_inert(source)
        assert does_only_what_it_says(tree)
        (exports,) = [
            node.value
            for node in tree.body
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
        ]
        assert defined(tree) == set(ast.literal_eval(exports))
        assert as_black_leaves_it(source), black.diff(
            source, black.format_str(source, mode=black.Mode()), "ours", "black's"
        )


@settings(max_examples=50, deadline=None)
@given(WORKFLOWS)
def test_the_wire_names_and_options_come_back_from_the_module(workflow: App) -> None:
    (module,) = [
        text
        for path, text in generate([workflow], Options()).files.items()
        if path not in ("__init__.py", "py.typed") and "/" not in path
    ]
    tree = ast.parse(module)
    known = strings(tree) | {
        node.target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    assert {variable.name for variable in workflow.inputs} <= known
    assert {output.name for output in workflow.outputs} <= known
    assert {option for variable in workflow.inputs if variable.kind == "select" for option in variable.options} <= known
    assert {node.title for node in workflow.nodes} <= known
    assert workflow.name in known


def run_module(source: str) -> dict[str, Any]:
    """The names of a module, once it has run beside the runtime."""
    sys.modules.setdefault("hostile", ModuleType("hostile")).__path__ = []
    sys.modules["hostile._runtime"] = runtime
    namespace: dict[str, Any] = {"__name__": "hostile.module", "__package__": "hostile"}
    sys.modules["hostile.module"] = module = ModuleType("hostile.module")
    module.__dict__.update(namespace)
    exec(compile(source, "module.py", "exec"), module.__dict__)  # noqa: S102
    return module.__dict__


def literals(hint: object) -> set[object]:
    """The options of all literal types in an annotation."""
    if get_origin(hint) is Literal:
        return set(get_args(hint))
    return set().union(*map(literals, get_args(hint))) if get_args(hint) else set()


@settings(max_examples=examples(60), deadline=None)
@given(WORKFLOWS)
def test_an_imported_module_has_the_names_options_and_defaults_of_the_definition(workflow: App) -> None:
    generated = generate([workflow], Options())
    (path,) = [path for path in generated.files if path not in ("__init__.py", "py.typed") and "/" not in path]
    module = run_module(generated.files[path])
    stem = class_name(path.removesuffix(".py"))
    inputs, outputs, client = (module[f"{stem}{kind}"] for kind in ("Inputs", "Outputs", "Client"))
    for model, variables in ((inputs, workflow.inputs), (outputs, workflow.outputs)):
        assert model.model_rebuild(force=True)
        fields = list(model.model_fields.items())
        assert [name if field.alias is None else field.alias for name, field in fields] == [
            variable.name for variable in variables
        ]
    for variable, (name, field) in zip(workflow.inputs, inputs.model_fields.items(), strict=True):
        if variable.kind == "select":
            assert literals(field.rebuild_annotation()) == set(variable.options)
        if usable_default(variable):
            assert field.default == variable.default
            assert inspect.signature(client.run).parameters[name].default == variable.default
        assert field.is_required() == (variable.required and not usable_default(variable))
    assert client._workflow.name == workflow.name


def test_a_name_or_option_that_json_cannot_say_is_a_finding() -> None:
    inputs = (Input(name="a\ud800", kind="text-input"), Input(name="b", kind="select", options=("\udfff",)))
    generated = generate([App(name="w", source="w.json", inputs=inputs)], Options())
    assert generated.files == {}
    assert [finding.message for finding in generated.diagnostics] == [
        '"a\\ud800" holds a lone surrogate, which is no character.',
        '"\\udfff" holds a lone surrogate, which is no character.',
    ]


@pytest.mark.parametrize("payload", SENDABLE)
def test_a_payload_in_every_place_at_once_is_harmless(payload: str) -> None:
    files = generate([payload_workflow(payload)], Options()).files
    (source,) = [text for path, text in files.items() if path not in ("__init__.py", "py.typed") and "/" not in path]
    assert does_only_what_it_says(ast.parse(source)) and is_inert(source) and as_black_leaves_it(source)


TEMPLATES = environment(templates_folder())
"""As templates of a user's own are rendered."""


@pytest.mark.parametrize(
    "template",
    [
        "{{ x }}",
        "{{ code + x }}",
        "{{ code ~ x }}",
        "{{ code | replace('a', x) }}",
        "{{ [x] | join }}",
        "{{ 'x' if code }}",
        "{% set y %}{{ code }}{% endset %}{{ y }}",
        "{% macro y() %}{{ x }}{% endmacro %}{{ y() }}",
        "{% docstring %}{{ x }}{% enddocstring %}{{ x }}",
        "{% docstring %}{% include 'workflow.py.jinja' %}{% enddocstring %}",
        "{{ 1 }}",
        "{{ [x] | map('upper') | keywords }}",
        "{{ x | after(' = ') }}",
    ],
)
def test_templates_refuse_what_is_not_code(template: str) -> None:
    with pytest.raises((TypeError, jinja2.UndefinedError)):
        TEMPLATES.from_string(template).render(x="x", code=Code("a"), line_length=88)
    assert TEMPLATES.from_string("{{ code }}").render(code=Code("a")) == "a"


@given(TEXTS)
def test_a_text_in_the_docstring_of_a_template_stays_in_it(text: str) -> None:
    template = "    {% docstring %}\n    Says `{{ x }}`.\n\n    Args:\n        {{ x }}: x\n    {% enddocstring %}\n"
    source = TEMPLATES.from_string(f"class A:\n{template}").render(x=text, line_length=88)
    (statement,) = ast.parse(source).body
    assert isinstance(statement, ast.ClassDef) and len(statement.body) == 1 and ast.get_docstring(statement)
    assert is_inert(source)
