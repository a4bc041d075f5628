"""What `compare` calls compatible is so: callers of the old client type-check against the new one, which takes what
they pass. What it calls internal is so, too: it fails those callers alone that name steps.

Random workflows are changed at random. For each pair that does not break, a caller of the old client is written, with
the very annotations of the old module, and another that names all steps as well; one run of mypy checks all callers
against the new clients (and, to be sure that it means something, against the old ones).
"""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest
from difygen.codegen.package import Generated, generate
from difygen.config import Options
from difygen.diff import compare
from difygen.diff.changes import Change, is_breaking
from difygen.diff.public import public_app
from difygen.model import App
from mypy import api
from pydantic import ValidationError
from support.packages import write
from support.random_workflows import change_somewhere, random_workflow, sample

HARMLESS, BREAKING, INTERNAL = 45, 40, 20
"""How many pairs there are of each kind. Among the harmless ones are some with internal changes, too."""

SURELY = {"input-added-required", "input-now-required", "input-removed", "input-refuses-none"}
"""Breaking rules that no caller of every part of the old client gets around."""

SURELY_INTERNAL = {"node-removed", "node-renamed"}
"""Internal rules that no caller gets around who names every step, and that others do not notice."""

Pair = tuple[App, App]


def judged(old: App, new: App) -> tuple[Change, ...]:
    (before, old_names), (after, new_names) = public_app(old, old.name), public_app(new, new.name)
    return compare(before, after, old_names=old_names, new_names=new_names)


def random_pairs(random: Random) -> Iterator[Pair]:
    while True:
        old = random_workflow(random, f"flow{random.randrange(10**9)}")
        new = change_somewhere(random, old)
        if random.random() < 0.3:
            new = change_somewhere(random, new)
        yield old, new


def is_internal(pair: Pair) -> bool:
    changes = judged(*pair)
    return not is_breaking(changes) and any(change.rule in SURELY_INTERNAL for change in changes)


@pytest.fixture(scope="module")
def pairs() -> list[Pair]:
    drawn = random_pairs(Random(20_261_122))
    return list(islice((pair for pair in drawn if not is_breaking(judged(*pair))), HARMLESS))


@pytest.fixture(scope="module")
def breaking_pairs() -> list[Pair]:
    return list(islice((pair for pair in random_pairs(Random(42)) if is_breaking(judged(*pair))), BREAKING))


@pytest.fixture(scope="module")
def internal_pairs() -> list[Pair]:
    return list(islice(filter(is_internal, random_pairs(Random(7))), INTERNAL))


@pytest.fixture(scope="module")
def errors(
    pairs: list[Pair],
    breaking_pairs: list[Pair],
    internal_pairs: list[Pair],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, list[str]]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("callers")
        patch.chdir(folder)
        return check_types(folder, [*pairs, *breaking_pairs, *internal_pairs])


def clients(folder: Path, name: str, workflows: list[App]) -> Generated:
    generated = generate(workflows, Options())
    assert generated.diagnostics == ()
    write(folder / name, dict(generated.files))
    return generated


class Key(NamedTuple):
    """A key of a typed dictionary, and the parameter of a caller that holds its value."""

    name: str
    hint: str
    required: bool
    variable: str


class Caller:
    """A caller of a client, in the words of the client's own module."""

    def __init__(self, workflow: App, module: str, package: str) -> None:
        self._package = package
        self._name = workflow.name
        self._body = ast.parse(module).body
        self._classes = {one.name: one for one in self._body if isinstance(one, ast.ClassDef)}

    def text(self, *, steps: bool) -> str:
        """Return the caller's module; with `steps`, one that names every node."""
        run = self._run()
        parameters = [one for one in run.args.kwonlyargs if one.arg not in OURS]
        required = [
            one for one, default in zip(run.args.kwonlyargs, run.args.kw_defaults, strict=True) if default is None
        ]
        literals = {one.arg: keys for one in parameters if (keys := self._keys(one))}
        members = [f"{key.variable}: {key.hint}" for keys in literals.values() for key in keys]
        signature = ", ".join([*(f"{one.arg}_: {ast.unparse(self._hint(one))}" for one in parameters), *members])
        lines = [*self._imports(steps=steps), f"def call({signature}) -> None:"]
        lines += [f"    every = {self._call(parameters)}", f"    {self._call(required)}"]
        for name, keys in literals.items():
            for some in (keys, [key for key in keys if key.required]):
                literal = ", ".join(f'"{key.name}": {key.variable}' for key in some)
                lines.append(f"    {self._call([one for one in required if one.arg != name], f'{name}={{{literal}}}')}")
        for one in parameters:
            if one not in required and "None" in ast.unparse(self._hint(one)):
                lines.append(f"    {self._call(required, f'{one.arg}=None')}")
        counter = iter(range(1000))
        lines += [f"    print({node})" for node in self._nodes() if steps]
        lines += [f"    {line}" for line in self._reads("every.outputs", f"{self._stem()}Outputs", counter)]
        return "\n".join(lines) + "\n"

    def _stem(self) -> str:
        return self._name.capitalize()

    def _run(self) -> ast.FunctionDef:
        client = self._classes[f"{self._stem()}Client"]
        return next(one for one in client.body if isinstance(one, ast.FunctionDef) and one.name == "run")

    def _hint(self, parameter: ast.arg) -> ast.expr:
        assert parameter.annotation is not None
        return parameter.annotation

    def _imports(self, *, steps: bool) -> Iterator[str]:
        for one in self._body:
            if isinstance(one, ast.Import):
                yield ast.unparse(one)
            elif isinstance(one, ast.ImportFrom):
                module = f"{self._package}.{one.module}" if one.level else one.module
                yield f"from {module} import {', '.join(alias.name for alias in one.names)}"
        exports = next(
            one for one in self._body if isinstance(one, ast.Assign) and ast.unparse(one.targets[0]) == "__all__"
        )
        named = [name for name in ast.literal_eval(exports.value) if steps or name != f"{self._stem()}Node"]
        yield f"from {self._package}.{self._name} import {', '.join(named)}"

    def _nodes(self) -> Iterator[str]:
        name = f"{self._stem()}Node"
        for one in self._classes[name].body if name in self._classes else ():
            if isinstance(one, ast.Assign):
                yield f"{name}.{ast.unparse(one.targets[0])}"

    def _keys(self, parameter: ast.arg) -> list[Key]:
        """The keys of a typed dictionary, for callers who write `{...}`."""
        hint = ast.unparse(self._hint(parameter)).removesuffix(" | None")
        keys: list[Key] = []
        for number, (name, text) in enumerate(self._members(hint)):
            inner = text.removeprefix("NotRequired[").removesuffix("]") if text.startswith("NotRequired[") else text
            keys.append(Key(name, inner, inner == text, f"{parameter.arg}_{number}"))
        return keys

    def _members(self, name: str) -> Iterator[tuple[str, str]]:
        """The keys and annotations of a typed dictionary: a class, or for other keys a call that is its base."""
        for one in self._classes[name].body if name in self._classes else ():
            if isinstance(one, ast.AnnAssign):
                yield ast.unparse(one.target), ast.unparse(one.annotation)
        for one in self._body:
            if (
                isinstance(one, ast.Assign)
                and isinstance(one.value, ast.Call)
                and f"_{name}Keys" == ast.unparse(one.targets[0])
            ):
                members = one.value.args[1]
                assert isinstance(members, ast.Dict)
                for key, hint in zip(members.keys, members.values, strict=True):
                    assert isinstance(key, ast.Constant)
                    yield str(key.value), ast.unparse(hint)

    def _call(self, parameters: list[ast.arg], more: str = "") -> str:
        arguments = [f"{one.arg}={one.arg}_" for one in parameters] + ([more] if more else [])
        return f"run_{self._name}({', '.join(arguments)})"

    def _reads(self, path: str, name: str, counter: Iterator[int]) -> Iterator[str]:
        """Read every member into a variable of the type that the old class says, and what is in it likewise."""
        for one in self._classes[name].body:
            if not isinstance(one, ast.AnnAssign):
                continue
            hint = one.annotation
            if isinstance(hint, ast.Subscript) and ast.unparse(hint.value) == "Annotated":
                assert isinstance(hint.slice, ast.Tuple)
                hint = hint.slice.elts[0]
            read = f"v{next(counter)}"
            yield f"{read}: {ast.unparse(hint)} = {path}.{ast.unparse(one.target)}"
            inner, text = read, ast.unparse(hint)
            while text.startswith("list["):
                inner, text = f"{inner}[0]", text[5:-1]
            if text in self._classes:
                yield from self._reads(inner, text, counter)


OURS = ("user", "response_mode", "timeout", "workflow_id", "trace_id")


def check_types(folder: Path, pairs: list[Pair]) -> dict[str, list[str]]:
    """Errors of mypy by the callers' names, for callers of the old and of the new clients."""
    old = clients(folder, "old_client", [pair[0] for pair in pairs])
    clients(folder, "new_client", [pair[1] for pair in pairs])
    for workflow, _ in pairs:
        module = old.files[f"{workflow.name}.py"]
        for package in ("old_client", "new_client"):
            caller = Caller(workflow, module, package)
            write(folder, {f"{package}_{workflow.name}.py": caller.text(steps=False)})
            write(folder, {f"{package}_steps_{workflow.name}.py": caller.text(steps=True)})
    files = sorted(str(path) for path in folder.glob("*_client_*.py"))
    output, _, _ = api.run(["--strict", "--no-incremental", "--hide-error-context", "--no-error-summary", *files])
    errors: dict[str, list[str]] = {}
    for line in output.splitlines():
        errors.setdefault(Path(line.partition(":")[0]).stem, []).append(line)
    return errors


def test_callers_type_check_against_the_client_that_they_were_written_for(errors: dict[str, list[str]]) -> None:
    assert [line for name, lines in errors.items() if not name.startswith("new_client_") for line in lines] == []


def test_callers_of_the_old_client_type_check_against_one_that_does_not_break(
    errors: dict[str, list[str]], pairs: list[Pair], internal_pairs: list[Pair]
) -> None:
    harmless = [*pairs, *internal_pairs]
    assert [errors.get(f"new_client_{old.name}", []) for old, _ in harmless] == [[]] * len(harmless)


def test_callers_that_name_steps_type_check_against_a_compatible_one(
    errors: dict[str, list[str]], pairs: list[Pair]
) -> None:
    compatible = [pair for pair in pairs if not is_internal(pair)]
    assert len(compatible) > 30
    assert [errors.get(f"new_client_steps_{old.name}", []) for old, _ in compatible] == [[]] * len(compatible)


def test_callers_that_name_steps_fail_where_these_are_gone(
    errors: dict[str, list[str]], internal_pairs: list[Pair]
) -> None:
    assert [old.name for old, _ in internal_pairs if f"new_client_steps_{old.name}" not in errors] == []


def test_callers_of_the_old_client_fail_against_a_breaking_one(
    errors: dict[str, list[str]], breaking_pairs: list[Pair]
) -> None:
    sure = [old.name for old, new in breaking_pairs if SURELY & {change.rule for change in judged(old, new)}]
    assert len(sure) > 10
    assert [name for name in sure if f"new_client_{name}" not in errors] == []


def imported(folder: Path, package: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(folder))
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        del sys.modules[name]
    return importlib.import_module(package)


def test_what_callers_of_the_old_client_pass_is_taken_by_a_compatible_one(
    tmp_path: Path, pairs: list[Pair], monkeypatch: pytest.MonkeyPatch
) -> None:
    clients(tmp_path, "old_client_inputs", [pair[0] for pair in pairs])
    clients(tmp_path, "new_client_inputs", [pair[1] for pair in pairs])
    old = imported(tmp_path, "old_client_inputs", monkeypatch)
    new = imported(tmp_path, "new_client_inputs", monkeypatch)
    random = Random(1)
    for workflow, changed in pairs:
        name = f"{workflow.name.capitalize()}Inputs"
        for _ in range(5):
            given = {
                one.name: sample(random, one)
                for one in workflow.inputs
                if (one.required and one.default is None) or one.kind.startswith("file") or random.random() < 0.7
            }
            getattr(old, name)(**given)
            try:
                getattr(new, name)(**given)
            except ValidationError as error:
                pytest.fail(f"{error}\n{workflow}\n{changed}\n{judged(workflow, changed)}")
