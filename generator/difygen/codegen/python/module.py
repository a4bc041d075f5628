"""Decides all that varies in a generated module: names, annotations, defaults, imports and what is said of them.

The templates print what is decided here, in words and a shape of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from difygen.codegen.describe import headline, output_text, paragraphs, summary
from difygen.codegen.python.inputs import InputPlan, plan_inputs
from difygen.codegen.python.names import VariableNames, class_names, name_variables, node_constants
from difygen.codegen.python.runtime import runtime_names
from difygen.codegen.python.syntax import Code, literal
from difygen.codegen.python.types import BUILTINS, Constant, ModelPlan, Scope, output_field
from difygen.diagnostics import Diagnostic
from difygen.model import App, OneOf, Primitive, Property, Type
from difygen.naming import Identifier, class_name
from difygen.options import Options
from difygen.type_algebra import members_of

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


_PRINTED = ("Run", "StreamOptions", "Unpack", "as_function")
"""What the templates of all apps mention."""


class AppText(NamedTuple):
    """What is said about an app: texts for docstrings. `origin` is nothing for a definition that is no file."""

    name: str
    noun: str
    headline: str
    details: tuple[str, ...]
    summary: str
    origin: str


class NodePlan(NamedTuple):
    """A member of the enumeration of nodes."""

    constant: Identifier
    id: str
    type: str
    title: str


class ClientPlan(NamedTuple):
    """A client class, the module's own instance of it, and the functions that are its methods."""

    name: Identifier
    base: Code
    stream: Code
    instance: Identifier
    functions: tuple[Identifier, Identifier]
    is_async: bool


class ModulePlan(NamedTuple):
    """A generated module, all decisions made; the template of its body is called like the kind of app.

    `exports` are the public names, in the order of the module. `local` is the variable of a method that
    holds the inputs. `text_sources` says where the texts of outputs are written, for those who read them meanwhile.
    """

    name: Identifier
    kind: str
    app: AppText
    imports: Mapping[str, set[str]]
    exports: tuple[Identifier, ...]
    constants: tuple[Constant, ...]
    models: tuple[ModelPlan, ...]
    inputs: tuple[InputPlan, ...]
    inputs_class: Identifier
    outputs_class: Identifier
    nodes_class: Identifier
    nodes: tuple[NodePlan, ...]
    info: Identifier
    info_class: Code
    key_variables: tuple[str, ...]
    text_sources: Code | None
    local: Identifier
    clients: tuple[ClientPlan, ...]


class Planned(NamedTuple):
    """A plan, if there is one, and what is to be said about it; `app` is the app as callers see it."""

    app: App
    plan: ModulePlan | None
    diagnostics: tuple[Diagnostic, ...]


def plan_module(app: App, options: Options, name: Identifier) -> Planned:
    """Return the plan of the module of an app that is called `name` in Python."""
    names = name_variables(app, options, name)
    return Planned(names.app, None if names.problems else _plan(names, options, name), names.problems)


def _plan(names: VariableNames, options: Options, name: Identifier) -> ModulePlan:
    app, stem, function = names.app, class_name(name), name.rstrip("_")
    inputs_class, outputs_class = Identifier(f"{stem}Inputs"), Identifier(f"{stem}Outputs")
    scope = Scope(
        {*runtime_names(), *IMPORTED_CLASSES, *class_names(name)}, f"{function}_" if options.single_file else ""
    )
    inputs = plan_inputs(app, inputs_class, names.inputs, scope)
    about = f"What `{app.name}` takes" + (
        "; `run` says what each of them is." if any(each.about for each in inputs) else "."
    )
    scope.models.append(ModelPlan(inputs_class, scope.use("Inputs"), [about], [each.field for each in inputs]))
    scope.models.append(_outputs_model(names, outputs_class, scope))
    constants = node_constants(app)
    nodes_class = Identifier(f"{stem}Node")
    clients = tuple(
        _client(app, stem, function, is_async, scope)
        for is_async in (False, True)
        if options.emit in ("both", "async" if is_async else "sync")
    )
    for used in (*_PRINTED, app.kind.info, app.kind.options, *(["WorkflowNode"] if app.nodes else [])):
        scope.use(used)
    functions = [function for client in clients for function in client.functions]
    classes = [inputs_class, outputs_class, *(client.name for client in clients), *([nodes_class] if app.nodes else [])]
    return ModulePlan(
        name=name,
        kind=app.kind.name,
        app=_texts(app),
        imports=scope.imports,
        exports=(*classes, *functions, *scope.public),
        constants=tuple(scope.constants),
        models=tuple(scope.models),
        inputs=inputs,
        inputs_class=inputs_class,
        outputs_class=outputs_class,
        nodes_class=nodes_class,
        nodes=tuple(NodePlan(constants[node.id], node.id, node.type, node.title) for node in app.nodes),
        info=scope.private("WORKFLOW"),
        info_class=Code(app.kind.info),
        key_variables=(names.key_variable, "DIFY_API_KEY"),
        text_sources=_text_sources(app, nodes_class, constants),
        local=Identifier("_inputs" if "inputs" in names.inputs.values() else "inputs"),
        clients=clients,
    )


def _texts(app: App) -> AppText:
    about = paragraphs(app.description)
    return AppText(
        name=app.name,
        noun=app.kind.noun.partition(" ")[2],
        headline=headline(app),
        details=tuple(about) if len(about) > 1 else (),
        summary=summary(app),
        origin="" if app.source == "-" else app.source,
    )


def _outputs_model(names: VariableNames, owner: Identifier, scope: Scope) -> ModelPlan:
    """Plan the model of the outputs, after those of the objects in it."""
    hidden = BUILTINS.intersection(names.outputs.values())
    fields = []
    for output in names.app.outputs:
        member = Property(output.name, output.type, not output.optional)
        fields.append(output_field(member, names.outputs[output.name], owner, scope, hidden, output_text(output)))
    return ModelPlan(owner, scope.use("Outputs"), [f"What `{names.app.name}` gives."], fields)


def _client(app: App, stem: str, function: str, is_async: bool, scope: Scope) -> ClientPlan:
    prefix = "a" if is_async else ""
    run, stream = (Identifier(f"{prefix}{verb}_{function}") for verb in app.kind.verbs)
    return ClientPlan(
        name=Identifier(f"{'Async' if is_async else ''}{stem}Client"),
        base=scope.use(f"{'Async' if is_async else ''}{app.kind.client}"),
        stream=scope.use("AsyncRunStream" if is_async else "RunStream"),
        instance=scope.private("async_client" if is_async else "client"),
        functions=(run, stream),
        is_async=is_async,
    )


def _text_sources(app: App, nodes_class: Identifier, constants: Mapping[str, Identifier]) -> Code | None:
    """Return the literal of the selectors of all text outputs, with the nodes by their constants."""

    def selector(path: tuple[str, ...]) -> str:
        if path and path[0] in constants:
            rest = "".join(f", {literal(step)}" for step in path[1:])
            return f"({nodes_class}.{constants[path[0]]}{rest or ','})"
        return literal(path)

    texts = {each.name: each.selectors for each in app.outputs if each.selectors and _is_text(each.type)}
    pairs = ", ".join(f"{literal(name)}: [{', '.join(map(selector, paths))}]" for name, paths in texts.items())
    return Code(f"{{{pairs}}}") if texts else None


def _is_text(type_: Type) -> bool:
    return any(member is Primitive.STRING or isinstance(member, OneOf) for member in members_of(type_))
