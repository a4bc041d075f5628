"""Decides all that varies in a generated module: names, annotations, defaults, imports and what is said of them.

The templates print what is decided here, in words and a shape of their own.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from difygen.codegen.annotations import (
    BUILTINS,
    Constant,
    InputPlan,
    MemberPlan,
    ModelPlan,
    Scope,
    file_settings,
    output_annotation,
    output_field,
    plan_answer,
    plan_inputs,
)
from difygen.codegen.describe import answer_texts, headline, output_text, paragraphs, sentence, summary
from difygen.codegen.names import VariableNames, class_names, name_variables
from difygen.codegen.runtime import runtime_names
from difygen.codegen.syntax import Code, Source, call, code, literal, subscript
from difygen.config import Options
from difygen.diagnostics import Diagnostic
from difygen.model import (
    App,
    ArrayOf,
    Features,
    ObjectOf,
    OneOf,
    Primitive,
    Property,
    Type,
    Variable,
)
from difygen.naming import Identifier, class_name
from difygen.record import Record, replace
from difygen.types import members_of

IMPORTED_CLASSES = frozenset(
    {
        "Annotated",
        "Any",
        "ClassVar",
        "ConfigDict",
        "Field",
        "Final",
        "Literal",
        "NotRequired",
        "Sequence",
        "StrEnum",
        "StrictInt",
        "TypedDict",
        "Unpack",
    }
)
"""Names of others that a generated module may import."""


_PRINTED = ("Unpack", "as_function")
"""What the templates of all apps mention."""


class AppText(Record):
    """What is said about an app: texts for docstrings. `origin` is nothing for a definition that is no file."""

    name: str
    noun: str
    headline: str
    details: tuple[str, ...]
    summary: str
    origin: str


class NodePlan(Record):
    """A member of the enumeration of nodes."""

    constant: Identifier
    id: str
    type: str
    title: str


class ToolPlan(Record):
    """A member of the enumeration of an agent's tools."""

    constant: Identifier
    name: str
    label: str


class ClientPlan(Record):
    """A client class, the module's own instance of it, and the functions that are its methods.

    `result` and `stream` are what the methods give, `conversation` what a chat is opened as.
    """

    name: Identifier
    base: Code
    result: Code
    stream: Code
    conversation: Code | None
    instance: Identifier
    verbs: tuple[Identifier, ...]
    functions: tuple[Identifier, ...]
    is_async: bool


class ModulePlan(Record):
    """A generated module, all decisions made. `exports` are the public names, in the order of the module.

    `local` is the variable of a method that holds the inputs. `text_sources` says where the texts of outputs are
    written, for those who read them meanwhile. What only chat-type apps have is nothing in others: `files` are the
    rules for files of a turn, `answers` what the templates of the answers say. `form_answers` are the classes of
    answers to forms.
    """

    name: Identifier
    template: str
    kind: str
    app: AppText
    imports: Mapping[str, set[str]]
    exports: tuple[Identifier, ...]
    constants: tuple[Constant, ...]
    models: tuple[ModelPlan, ...]
    inputs: tuple[InputPlan, ...]
    inputs_class: Identifier
    outputs_class: Identifier
    variables_class: Identifier | None
    nodes_class: Identifier
    nodes: tuple[NodePlan, ...]
    answers: tuple[str, ...]
    tools_class: Identifier
    tools: tuple[ToolPlan, ...]
    form_answers: tuple[Identifier, ...]
    files: Code | None
    max_files: Code | None
    features: Features
    info: Identifier
    info_class: Code
    key_variables: tuple[str, ...]
    text_sources: Code | None
    local: Identifier
    clients: tuple[ClientPlan, ...]


class ModuleText(Record):
    """The module of an app, which is as callers see it.

    For a single file, `text` is its section, and `docstring` and `imports` belong to the head.
    """

    name: Identifier
    path: str
    app: App
    text: str = ""
    exports: tuple[Identifier, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    docstring: Code | None = None
    imports: Mapping[str, set[str]] = {}


class Planned(Record):
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
    answers = [form.answer for form in names.forms.values()]
    taken = {*runtime_names(), *IMPORTED_CLASSES, *class_names(name), *answers}
    scope = Scope(taken, f"{function}_" if options.single_file else "")
    inputs = plan_inputs(app.inputs, inputs_class, names.inputs, scope)
    scope.models.append(ModelPlan(inputs_class, scope.use("Inputs"), "inputs", [each.field for each in inputs]))
    if app.kind.has_outputs:
        scope.models.append(_outputs_model(names, outputs_class, scope))
    variables_class = Identifier(f"{stem}Variables") if app.kind.has_variables else None
    if variables_class is not None:
        scope.models.append(_variables_model(names, variables_class, scope))
    constants = names.nodes
    titles = {node.id: node.title or node.id for node in app.nodes}
    scope.models += [plan_answer(form, titles[form.node], names.forms[form.node], scope) for form in app.forms]
    nodes_class, tools_class = Identifier(f"{stem}Node"), Identifier(f"{stem}Tool")
    files = (
        call(scope.use("FileRules"), *file_settings(app.files.types, app.files.extensions, app.files.methods))
        if app.files is not None
        else None
    )
    clients = tuple(
        _client(app, stem, function, variables_class, is_async, scope)
        for is_async in (False, True)
        if options.emit in ("both", "async" if is_async else "sync")
    )
    extras = {"WorkflowNode": app.nodes, "StrEnum": app.tools, "FileInput": app.files, "Sequence": app.files}
    needed = [name for name, reason in extras.items() if reason]
    for used in (*_PRINTED, app.kind.info, *app.kind.options, *needed):
        scope.use(used)
    functions = [function for client in clients for function in client.functions]
    classes = [
        inputs_class,
        *([outputs_class] if app.kind.has_outputs else []),
        *([variables_class] if variables_class is not None else []),
        *answers,
        *(client.name for client in clients),
        *([nodes_class] if app.nodes else []),
        *([tools_class] if app.tools else []),
    ]
    return ModulePlan(
        name=name,
        template=app.kind.template,
        kind=app.kind.name,
        app=_texts(app),
        imports=scope.imports,
        exports=(*classes, *functions, *scope.public),
        constants=tuple(scope.constants),
        models=tuple(scope.models),
        inputs=inputs,
        inputs_class=inputs_class,
        outputs_class=outputs_class,
        variables_class=variables_class,
        nodes_class=nodes_class,
        nodes=tuple(NodePlan(constants[node.id], node.id, node.type, node.title) for node in app.nodes),
        answers=tuple(answer_texts(app, constants)),
        tools_class=tools_class,
        form_answers=tuple(answers),
        tools=tuple(ToolPlan(names.tools[tool.name], tool.name, tool.label) for tool in app.tools),
        files=files,
        max_files=literal(app.files.max_count) if app.files is not None and app.files.max_count else None,
        features=app.features,
        info=scope.private("WORKFLOW" if app.kind.has_outputs else "APP"),
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
    return ModelPlan(owner, scope.use("Outputs"), "outputs", fields)


def _variables_model(names: VariableNames, owner: Identifier, scope: Scope) -> ModelPlan:
    """Return the model of the conversation variables, with their initial values."""
    hidden = BUILTINS.intersection(names.variables.values())
    fields = []
    for variable in names.app.variables:
        name = names.variables[variable.name]
        field = output_field(
            Property(variable.name, variable.type), name, owner, scope, hidden, sentence(variable.description)
        )
        fields.append(replace(field, default=_initial(variable, name, scope, hidden)))
    return ModelPlan(owner, scope.use("Variables"), "variables", fields)


def _initial(variable: Variable, name: Identifier, scope: Scope, hidden: Collection[str]) -> Source | None:
    """Return the initial value; one that could be changed is made anew for each model.

    Objects with a class of their own have none: plain data would not be of that class.
    """
    if variable.initial is None or _has_class(variable.type):
        return None
    value = literal(variable.initial)
    if not isinstance(variable.initial, Mapping | list):
        return value
    factory = code("lambda: {}", value)
    if not variable.initial:
        annotation = output_annotation(variable.type, name, MemberPlan(variable.name, name), scope, hidden)
        factory = Code(type(variable.initial).__name__ if annotation == "Any" else annotation)
    return call(scope.use("Field"), code("default_factory={}", factory))


def _has_class(type_: Type) -> bool:
    """Return whether the type is a class of the module, or holds one."""
    if isinstance(type_, ArrayOf):
        return _has_class(type_.item)
    return any(isinstance(member, ObjectOf) and bool(member.properties) for member in members_of(type_))


def _client(
    app: App, stem: str, function: str, variables: Identifier | None, is_async: bool, scope: Scope
) -> ClientPlan:
    prefix, kind = "a" if is_async else "", "Async" if is_async else ""
    conversation = None
    if app.kind.has_conversations:
        conversation = subscript(scope.use(f"{kind}Conversation"), variables or scope.use("Variables"))
    return ClientPlan(
        name=Identifier(f"{'Async' if is_async else ''}{stem}Client"),
        base=scope.use(f"{kind}{app.kind.client}"),
        result=scope.use("Run" if app.kind.has_outputs else f"{kind}Turn"),
        stream=scope.use(f"{kind}{app.kind.call.capitalize()}Stream"),
        conversation=conversation,
        instance=scope.private("async_client" if is_async else "client"),
        verbs=tuple(map(Identifier, app.kind.verbs)),
        functions=tuple(Identifier(f"{prefix}{verb}_{function}") for verb in app.kind.verbs),
        is_async=is_async,
    )


def _text_sources(app: App, nodes_class: Identifier, constants: Mapping[str, Identifier]) -> Code | None:
    """Return the literal of the selectors of all text outputs, with the nodes by their constants."""

    def selector(path: tuple[str, ...]) -> str:
        if path and path[0] in constants:
            rest = "".join(f", {literal(step)}" for step in path[1:])
            return f"({nodes_class}.{constants[path[0]]}{rest or ','})"
        return literal(path)

    def is_text(type_: Type) -> bool:
        return any(member is Primitive.STRING or isinstance(member, OneOf) for member in members_of(type_))

    texts = {each.name: each.selectors for each in app.outputs if each.selectors and is_text(each.type)}
    pairs = ", ".join(f"{literal(name)}: [{', '.join(map(selector, paths))}]" for name, paths in texts.items())
    return Code(f"{{{pairs}}}") if texts else None
