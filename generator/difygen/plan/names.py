"""The Python names of workflows and of their variables, and whether what the user wants of them can be had.

Every problem is a finding with the definition as its place. Knows nothing of the text of a module.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from difygen.code import Identifier, has_surrogate
from difygen.diagnostics import Diagnostic, Location
from difygen.model import WORKFLOW, App, AppKind, Type
from difygen.naming import (
    MAX_WORKFLOW_NAME,
    MODEL_ATTRIBUTES,
    PARAMETERS,
    assign,
    class_name,
    distinct,
    explicit_name_problem,
    file_name_problem,
    snake_name,
)
from difygen.options import Options
from difygen.plan.hints import output_name
from difygen.wording import nearest, visible

IMPORTED_CLASSES = frozenset(
    {
        "Annotated",
        "Any",
        "ConfigDict",
        "Field",
        "Final",
        "Literal",
        "NotRequired",
        "Sequence",
        "StrictInt",
        "TypedDict",
        "Unpack",
    }
)
"""Names of others that a generated module may import."""


class Checked(NamedTuple):
    """What a plan starts from: the Python names by wire name, the types of the outputs, the variable of the API key."""

    inputs: Mapping[str, Identifier]
    outputs: Mapping[str, Identifier]
    types: Mapping[str, Type]
    key_variable: str
    problems: tuple[Diagnostic, ...]


def module_names(name: str, kind: AppKind = WORKFLOW) -> tuple[str, ...]:
    """Return the public names of an app that is called `name`: its module, its functions, its classes."""
    verbs = (*kind.verbs, *(f"a{verb}" for verb in kind.verbs))
    return (name, *(f"{verb}_{name.rstrip('_')}" for verb in verbs), *class_names(name))


def class_names(name: str) -> tuple[str, ...]:
    """The public classes of a workflow, nested ones aside."""
    stem = class_name(name)
    return (f"{stem}Inputs", f"{stem}Outputs", f"{stem}Client", f"Async{stem}Client", f"{stem}Node")


class Wanted(NamedTuple):
    """What an app is to be called after: the name and the origin of its definition, or the name that the user chose."""

    name: str
    origin: str
    explicit: str | None = None


def name_workflows(
    wanted: Sequence[Wanted], reserved: Collection[str]
) -> tuple[list[Identifier], tuple[Diagnostic, ...]]:
    """Return a Python name for each app, such that no public name of one is that of another.

    `reserved` are the public names of the runtime. Of apps whose names fold into one, the first keeps the name, and the
    later ones get a short hash of name and origin.
    """
    problems: list[Diagnostic] = []
    taken = {name.casefold() for name in reserved}
    names: dict[int, Identifier] = {}
    for index, (_, source, name) in enumerate(wanted):
        if name is None:
            continue
        problem = explicit_name_problem(name) or file_name_problem(name) and f"is {file_name_problem(name)}"
        if not problem and _clashes(name, taken):
            problem = "gives names that another workflow or the runtime has"
        if problem:
            problems.append(
                _problem(
                    "workflow-name",
                    f'The name "{name}" {problem}.',
                    source,
                    f'Choose another, such as "{snake_name(name, "workflow")}_app".',
                )
            )
            name = f"workflow_{index}"
        names[index] = _claim(name, taken)
    for index, (name, source, _) in enumerate(wanted):
        if index not in names:
            names[index] = _claim(_derived(name, source, taken, reserved), taken)
    return [names[index] for index in range(len(wanted))], tuple(problems)


def _derived(name: str, source: str, taken: Collection[str], reserved: Collection[str]) -> Identifier:
    python = snake_name(name, "workflow", MAX_WORKFLOW_NAME)
    if file_name_problem(python.rstrip("_")) or any(public in reserved for public in module_names(python)):
        python = Identifier(f"{python.rstrip('_')}_app")
    return distinct(python, f"{name}\n{source}", lambda candidate: _clashes(candidate, taken))


def _keys(name: str) -> set[str]:
    """What must be unique: the public names without regard to case, and the name without underscores."""
    return {public.casefold() for public in module_names(name)} | {f"={name.replace('_', '').casefold()}"}


def _clashes(name: str, taken: Collection[str]) -> bool:
    return any(key in taken for key in _keys(name))


def _claim(name: str, taken: set[str]) -> Identifier:
    taken |= _keys(name)
    return Identifier(name)


def readable_id(node_id: str) -> bool:
    """Whether somebody chose a node's id, so that it says more than the time at which the node was made."""
    word = node_id.rstrip("0123456789")
    return (
        word.isascii()
        and word.replace("_", "").isalpha()
        and len(node_id) - len(word) <= 2
        and len(node_id) <= MAX_WORKFLOW_NAME
    )


def check_options(workflow: App, options: Options, name: str) -> Checked:
    """The names and types of a workflow's variables, with the user's wishes for them."""
    problems: list[Diagnostic] = []
    renamed = _settings(options.rename, workflow, name)
    variables = [variable.name for variable in workflow.inputs]
    outputs = [output.name for output in workflow.outputs]
    _check_known(renamed, [*variables, *outputs], "rename", workflow, problems)
    problems += _unsendable(workflow)
    reserved = PARAMETERS | MODEL_ATTRIBUTES
    return Checked(
        inputs=_named(variables, _input_name, reserved, renamed, workflow, problems),
        outputs=_named(outputs, output_name, MODEL_ATTRIBUTES, renamed, workflow, problems),
        types=_types(workflow, _settings(options.outputs, workflow, name), problems),
        key_variable=_checked_variable(options, workflow, name, problems),
        problems=tuple(problems),
    )


def _unsendable(workflow: App) -> Iterator[Diagnostic]:
    """Names and options that hold half of a character: JSON in UTF-8 cannot say them, and the server refuses them."""
    texts = [variable.name for variable in workflow.inputs] + [output.name for output in workflow.outputs]
    texts += [option for variable in workflow.inputs for option in variable.options]
    for text in texts:
        if has_surrogate(text):
            yield _problem("text", f'"{visible(text)}" holds a lone surrogate, which is no character.', workflow.source)


def _input_name(wire: str) -> Identifier:
    return snake_name(wire, "input")


def _settings(settings: Mapping[str, Mapping[str, str]], workflow: App, name: str) -> Mapping[str, str]:
    return settings.get(name) or settings.get(workflow.name) or {}


def _named(
    wires: Sequence[str],
    derive: Callable[[str], Identifier],
    reserved: Collection[str],
    renamed: Mapping[str, str],
    workflow: App,
    problems: list[Diagnostic],
) -> dict[str, Identifier]:
    explicit: dict[str, Identifier] = {}
    for wire in wires:
        if wire in renamed:
            problem = explicit_name_problem(renamed[wire], reserved)
            if not problem and renamed[wire] in explicit.values():
                problem = "is given to two variables"
            if problem:
                problems.append(
                    _problem("rename", f'The name "{renamed[wire]}" for "{wire}" {problem}.', workflow.source)
                )
            else:
                explicit[wire] = Identifier(renamed[wire])
    return assign(wires, derive, reserved=reserved, explicit=explicit)


def _types(workflow: App, pinned: Mapping[str, str], problems: list[Diagnostic]) -> dict[str, Type]:
    types = {output.name: output.type for output in workflow.outputs}
    _check_known(pinned, types, "outputs", workflow, problems)
    for output, word in pinned.items():
        from difygen.type_syntax import type_of_word  # only when a type is pinned

        type_ = type_of_word(word)
        if type_ is None:
            problems.append(
                _problem("pinned-type", f'"{word}" for the output "{output}" is not a type.', workflow.source)
            )
        else:
            types[output] = type_
    return types


def key_variable(options: Options, app: App, name: str) -> str:
    """Return the environment variable of the API key of an app that is called `name` in Python."""
    return options.env.get(name) or options.env.get(app.name) or f"DIFY_{name.strip('_').upper()}_API_KEY"


def _checked_variable(options: Options, workflow: App, name: str, problems: list[Diagnostic]) -> str:
    variable = key_variable(options, workflow, name)
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", variable) is None:
        problems.append(
            _problem("env", f'"{variable}" cannot be the name of an environment variable.', workflow.source)
        )
    return variable


def _check_known(
    settings: Mapping[str, str], known: Collection[str], what: str, workflow: App, problems: list[Diagnostic]
) -> None:
    for wire in settings:
        if wire not in known:
            near = nearest(wire, known)
            hint = f'Did you mean "{near}"?' if near else ""
            problems.append(
                _problem(
                    what, f'"{workflow.name}" has no variable "{wire}", which `{what}` names.', workflow.source, hint
                )
            )


def _problem(code: str, message: str, source: str, hint: str = "") -> Diagnostic:
    return Diagnostic("error", f"bad-{code}", message, Location(source), hint)
