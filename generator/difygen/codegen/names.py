"""The Python names of apps, their variables and nodes, and whether the names that the user chose can be had.

Every problem is a diagnostic with the definition as its place. Knows nothing of the text of a module.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from math import inf
from typing import NamedTuple

from difygen.codegen.runtime import runtime_names
from difygen.config import Options
from difygen.diagnostics import Diagnostic, Location
from difygen.model import APP_KINDS, App
from difygen.naming import (
    ANSWER_ATTRIBUTES,
    MAX_WORKFLOW_NAME,
    MODEL_ATTRIBUTES,
    PARAMETERS,
    VARIABLES_ATTRIBUTES,
    Identifier,
    assign,
    class_name,
    constant_name,
    distinct,
    explicit_name_problem,
    file_name_problem,
    nested_name,
    numbered,
    snake_name,
)
from difygen.record import NOTHING, Record, replace
from difygen.wording import has_surrogate, nearest, visible

_CLASSES = ("Client", "Inputs", "Outputs", "Node", "Variables", "Tool")
_VERBS = tuple(
    dict.fromkeys(f"{prefix}{verb}" for kind in APP_KINDS.values() for prefix in ("", "a") for verb in kind.verbs)
)


class NameRequest(NamedTuple):
    """What an app is to be called after: the name and the origin of its definition, or the name that the user chose."""

    name: str
    origin: str
    explicit: str | None = None


class FormNames(Record):
    """The Python names of a form: the class of its answers, the field of the button, and the others by wire name."""

    answer: Identifier
    action: Identifier
    inputs: Mapping[str, Identifier]


class VariableNames(Record):
    """The Python names of an app's inputs and outputs by wire name, and the variable of its API key.

    `app` is the app as callers see it: with the types that the user pinned for its outputs. `variables` are those of a
    conversation, `nodes` the constants of nodes by id, `forms` the names of the forms of such, `tools` the constants of
    an agent's tools by name.
    """

    app: App
    inputs: Mapping[str, Identifier]
    outputs: Mapping[str, Identifier]
    variables: Mapping[str, Identifier]
    nodes: Mapping[str, Identifier]
    forms: Mapping[str, FormNames]
    tools: Mapping[str, Identifier]
    key_variable: str
    problems: tuple[Diagnostic, ...]


def public_names(name: str) -> tuple[str, ...]:
    """Return the public names that an app called `name` may have, whatever its kind: its module, functions, classes."""
    return (name, *(f"{verb}_{name.rstrip('_')}" for verb in _VERBS), *class_names(name))


def class_names(name: str) -> tuple[str, ...]:
    """Return the public classes of an app, nested ones aside."""
    stem = class_name(name)
    return (
        f"{stem}Inputs",
        f"{stem}Outputs",
        f"{stem}Client",
        f"Async{stem}Client",
        f"{stem}Node",
        f"{stem}Variables",
        f"{stem}Tool",
    )


def name_apps(requests: Sequence[NameRequest]) -> tuple[list[Identifier], tuple[Diagnostic, ...]]:
    """Return a Python name for each app, such that no public name of one is that of another or of the runtime.

    Of apps whose names fold into one, the first keeps the name, and the later ones get a short hash of name and origin.
    """
    reserved = runtime_names()
    problems: list[Diagnostic] = []
    taken = {name.casefold() for name in reserved}
    names: dict[int, Identifier] = {}
    for index, (_, source, name) in enumerate(requests):
        if name is None:
            continue
        problem = explicit_name_problem(name) or file_name_problem(name) and f"is {file_name_problem(name)}"
        if not problem and _clashes(name, taken):
            problem = "gives names that another app or the runtime has"
        if problem:
            hint = f'Choose another, such as "{snake_name(name, "workflow")}_app".'
            problems.append(_problem("workflow-name", f'The name "{name}" {problem}.', source, hint))
            name = f"workflow_{index}"
        names[index] = _claim(name, taken)
    for index, (name, source, _) in enumerate(requests):
        if index not in names:
            python = snake_name(name, "workflow", MAX_WORKFLOW_NAME)
            if file_name_problem(python.rstrip("_")) or not reserved.isdisjoint(public_names(python)):
                python = Identifier(f"{python.rstrip('_')}_app")
            python = distinct(python, f"{name}\n{source}", lambda candidate: _clashes(candidate, taken))
            names[index] = _claim(python, taken)
    return [names[index] for index in range(len(requests))], tuple(problems)


def _keys(name: str) -> set[str]:
    """Return what must be unique: the public names in whatever case, and the name without underscores."""
    return {public.casefold() for public in public_names(name)} | {f"={name.replace('_', '').casefold()}"}


def _clashes(name: str, taken: Collection[str]) -> bool:
    return any(key in taken for key in _keys(name))


def _claim(name: str, taken: set[str]) -> Identifier:
    taken |= _keys(name)
    return Identifier(name)


def name_variables(app: App, options: Options, name: str) -> VariableNames:
    """Return the names of the variables of an app that is called `name`, with what the user wants of them."""
    problems = list(_unsendable(app))
    renamed = _settings_of(options.rename, app, name)
    inputs = [each.name for each in app.inputs]
    outputs = [each.name for each in app.outputs]
    variables = [each.name for each in app.variables]
    fields = [field.name for form in app.forms for field in form.inputs]
    problems += _unheard_of(renamed, [*inputs, *outputs, *variables, *fields], "rename", app)
    variable = key_variable(options, app, name)
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", variable) is None:
        problems.append(_problem("env", f'"{variable}" cannot be the name of an environment variable.', app.source))
    app = _pinned(app, _settings_of(options.outputs, app, name), problems)
    reserved = PARAMETERS.union(app.kind.parameters, ["files"] if app.files else []) | MODEL_ATTRIBUTES
    nodes = node_constants(app, _chosen_constants(app, _settings_of(options.nodes, app, name), problems))
    return VariableNames(
        app,
        _named(inputs, lambda wire: snake_name(wire, "input"), reserved, renamed, app, problems),
        _named(outputs, lambda wire: snake_name(wire, "output"), MODEL_ATTRIBUTES, renamed, app, problems),
        _named(variables, lambda wire: snake_name(wire, "variable"), VARIABLES_ATTRIBUTES, renamed, app, problems),
        nodes,
        _name_forms(app, class_name(name), nodes, renamed, problems),
        numbered({tool.name: constant_name(tool.name, fallback="tool") for tool in app.tools}),
        variable,
        tuple(problems),
    )


def _name_forms(
    app: App,
    stem: str,
    nodes: Mapping[str, Identifier],
    renamed: Mapping[str, str],
    problems: list[Diagnostic],
) -> dict[str, FormNames]:
    """Return the names of the forms by the ids of their nodes; their classes are called after the nodes."""
    classes = assign(
        [form.node for form in app.forms],
        lambda node: nested_name(stem, nodes[node].lower(), "answer"),
        reserved=runtime_names(),
    )
    forms = {}
    for form in app.forms:
        wires = [each.name for each in form.inputs]
        inputs = _named(wires, lambda wire: snake_name(wire, "field"), ANSWER_ATTRIBUTES, renamed, app, problems)
        taken = set(inputs.values())
        action = distinct("action_" if "action" in taken else "action", form.node, taken.__contains__)
        forms[form.node] = FormNames(classes[form.node], action, inputs)
    return forms


def key_variable(options: Options, app: App, name: str) -> str:
    """Return the environment variable of the API key of an app that is called `name` in Python."""
    return options.env.get(name) or options.env.get(app.name) or f"DIFY_{name.strip('_').upper()}_API_KEY"


def node_constants(app: App, chosen: Mapping[str, Identifier] = NOTHING) -> dict[str, Identifier]:
    """Return the names of the nodes in their enumeration, by node id.

    A node is called by its id, if somebody chose that, else by its title, else by its type. Of several that would be
    called the same, all but the oldest get a number: ids of Dify's are the times at which the nodes were added, so that
    adding one renames no other. Names that are `chosen`, by id, come first.
    """
    oldest_first = sorted(app.nodes, key=lambda node: (len(node.id), node.id) if node.id.isdecimal() else (inf, ""))
    texts = {node.id: (node.id,) if _is_chosen(node.id) else (node.title, node.type) for node in oldest_first}
    wanted = {id_: constant_name(*each, fallback="node") for id_, each in texts.items() if id_ not in chosen}
    names = numbered({**chosen, **wanted})
    return {node.id: names[node.id] for node in app.nodes}


def _chosen_constants(app: App, settings: Mapping[str, str], problems: list[Diagnostic]) -> dict[str, Identifier]:
    """Return the constants that the user chose, by node id. Settings name a node by its id, or by its title."""
    chosen: dict[str, Identifier] = {}
    titles = [node.title for node in app.nodes]
    for key, name in settings.items():
        ids = [node.id for node in app.nodes if node.id == key] or [node.id for node in app.nodes if node.title == key]
        problem, hint = explicit_name_problem(name), ""
        if not ids:
            near = nearest(key, [*titles, *(node.id for node in app.nodes)])
            problem, hint = "is for a node that there is not", f'Did you mean "{near}"?' if near else ""
        elif len(ids) > 1:
            problem, hint = "is for a title that several nodes have", f"Name one by its id: {', '.join(ids)}."
        elif name in chosen.values() or ids[0] in chosen:
            problem = "is given to two nodes" if name in chosen.values() else "is the second one of this node"
        if problem:
            problems.append(_problem("node-name", f'The name "{name}" for "{key}" {problem}.', app.source, hint))
        else:
            chosen[ids[0]] = Identifier(name)
    for id_, constant in node_constants(app).items() if chosen else ():
        if id_ not in chosen and constant in chosen.values():
            message = f'The name "{constant}" is that of the node "{id_}" already.'
            problems.append(_problem("node-name", message, app.source, "Choose another, or name that node, too."))
    return chosen


def _is_chosen(node_id: str) -> bool:
    """Whether somebody chose a node's id, so that it says more than the time at which the node was added."""
    word = node_id.rstrip("0123456789")
    is_word = word.isascii() and word.replace("_", "").isalpha()
    return is_word and len(node_id) - len(word) <= 2 and len(node_id) <= MAX_WORKFLOW_NAME


def _unsendable(app: App) -> Iterator[Diagnostic]:
    """Names and options that hold half of a character: JSON in UTF-8 cannot say them, and the server refuses them."""
    texts = [each.name for each in app.inputs] + [each.name for each in app.outputs]
    texts += [each.name for each in app.variables] + [each.name for each in app.tools]
    texts += [action.id for form in app.forms for action in form.actions]
    asked = [*app.inputs, *(field for form in app.forms for field in form.inputs)]
    texts += [field.name for form in app.forms for field in form.inputs]
    texts += [option for variable in asked for option in variable.options]
    for text in texts:
        if has_surrogate(text):
            yield _problem("text", f'"{visible(text)}" holds a lone surrogate, which is no character.', app.source)


def _settings_of(settings: Mapping[str, Mapping[str, str]], app: App, name: str) -> Mapping[str, str]:
    return settings.get(name) or settings.get(app.name) or {}


def _unheard_of(settings: Mapping[str, str], wires: Collection[str], setting: str, app: App) -> Iterator[Diagnostic]:
    """Variables that a setting names and the app does not have."""
    for wire in settings:
        if wire not in wires:
            near = nearest(wire, wires)
            message = f'"{app.name}" has no variable "{wire}", which `{setting}` names.'
            yield _problem(setting, message, app.source, f'Did you mean "{near}"?' if near else "")


def _named(
    wires: Sequence[str],
    derive: Callable[[str], Identifier],
    reserved: Collection[str],
    renamed: Mapping[str, str],
    app: App,
    problems: list[Diagnostic],
) -> dict[str, Identifier]:
    explicit: dict[str, Identifier] = {}
    for wire in wires:
        if wire not in renamed:
            continue
        problem = explicit_name_problem(renamed[wire], reserved)
        if not problem and renamed[wire] in explicit.values():
            problem = "is given to two variables"
        if problem:
            problems.append(_problem("rename", f'The name "{renamed[wire]}" for "{wire}" {problem}.', app.source))
        else:
            explicit[wire] = Identifier(renamed[wire])
    return assign(wires, derive, reserved=reserved, explicit=explicit)


def _pinned(app: App, words: Mapping[str, str], problems: list[Diagnostic]) -> App:
    """`app` with the types that the user pinned for its outputs."""
    if not words:
        return app
    from difygen.types import type_of_word  # only when a type is pinned

    problems += _unheard_of(words, [output.name for output in app.outputs], "outputs", app)
    types = {output: type_of_word(word) for output, word in words.items()}
    for output, word in words.items():
        if types[output] is None:
            message = f'"{word}" for the output "{output}" is not a type.'
            problems.append(_problem("pinned-type", message, app.source))
    outputs = [replace(output, type=types.get(output.name) or output.type) for output in app.outputs]
    return replace(app, outputs=tuple(outputs))


def _problem(code: str, message: str, source: str, hint: str = "") -> Diagnostic:
    return Diagnostic("error", f"bad-{code}", message, Location(source), hint)
