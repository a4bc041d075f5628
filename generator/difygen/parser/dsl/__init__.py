"""The file that Dify's "Export DSL" gives, to an `App`: inputs from its start node, outputs by following its graph.

The specification of everything in here is Dify's own behaviour; where versions differ, the engine of Dify 1.9 and
later counts. Prompts, secrets and the values of environment variables are never looked at.

From below to above:

graph         steps and how they are connected
branches      the ways out of steps, and what they test; runs: which steps a run comes to
node_fields   what a selector leads to, and when there is a value of it; conditions: that in words
node_types    the table of node types: which fields of what kind they give; code/: what code nodes give
dataflow      from a selector to the node that makes a value
inputs, outputs   what callers send, and what nodes give at the end

This module reads the rest, which is said of an app as a whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from difygen.diagnostics import Diagnostic, Diagnostics, Path
from difygen.model import (
    APP_KINDS,
    APP_MODES,
    App,
    AppMode,
    Features,
    InputKind,
    JsonValue,
    Primitive,
    Tool,
    TurnFiles,
    Variable,
)
from difygen.parser.dsl.dataflow import Resolver
from difygen.parser.dsl.graph import PATH, Graph, mapping, read_graph, sequence, system_files_reader, text, texts
from difygen.parser.dsl.inputs import length_of, read_form, read_forms, read_inputs
from difygen.parser.dsl.outputs import read_answers, read_outputs
from difygen.parser.yaml import Document, load
from difygen.record import Record, replace
from difygen.types import fits, type_of
from difygen.wording import nearest, quoted

NEWEST = (0, 7, 0)
"""The newest version of the DSL that this reader was written for (Dify 1.16)."""

_MODES = " or ".join(f"`{mode}`" for mode in APP_MODES)
_OTHER_KINDS = {
    "rag_pipeline": "a knowledge pipeline, which fills a knowledge base and has no workflow API",
    "snippet": "a snippet, a piece of a workflow that cannot be run by itself",
}


def read_dsl(root: Mapping[str, JsonValue], file: str, report: Diagnostics) -> App | None:
    """Read an export."""
    if not check_kind(root, report):
        return None
    mode = mode_of(root, report)
    if mode is None:
        return None
    check_version(root, report)
    return read_contract(read_head(root, file, mode), root, report)


def read_head(root: Mapping[str, JsonValue], file: str, mode: AppMode) -> App:
    """Read the names of an app, and its mode as the server sees it."""
    app = mapping(root.get("app"))
    if mode == "chat" and is_agent(mapping(root.get("model_config"))):
        mode = "agent-chat"
    package = read_package(root) if mode == "agent" else None
    name = text(app.get("name")) or (package.name if package else "")
    description = text(app.get("description")) or (package.description if package else "")
    if not name.strip():
        name = file.replace("\\", "/").rsplit("/", 1)[-1].rsplit(".", 1)[0].strip("-") or APP_KINDS[mode].name
    return App(name=name, source=file, mode=mode, title=name, description=description)


def read_contract(app: App, root: Mapping[str, JsonValue], report: Diagnostics) -> App | None:
    """Read what an app takes and gives, whatever its kind; `app` tells its mode and its names."""
    return _read_graph(app, root, report) if app.kind.terminal_nodes else _read_form(app, root, report)


def _read_graph(app: App, root: Mapping[str, JsonValue], report: Diagnostics) -> App | None:
    """Read a workflow or a chatflow."""
    workflow = mapping(root.get("workflow"))
    graph = read_graph(mapping(workflow.get("graph")), report)
    if not graph.steps:
        report.error("no-nodes", f"The export of this {app.kind.word} has no nodes.", PATH)
        return None
    _check_beginning(graph, report)
    inputs, values = read_inputs(graph, report)
    forms = read_forms(graph, report)
    app = replace(app, inputs=inputs, nodes=graph.nodes(), edges=graph.shown_edges(), forms=forms)
    features = mapping(workflow.get("features"))
    files = _read_files(graph, features, report, is_run=app.kind.has_outputs)
    if app.kind.has_outputs:
        outputs = read_outputs(Resolver(graph, values, workflow), app.kind, report)
        return replace(app, outputs=outputs, files=files)
    return replace(
        app,
        variables=read_variables(workflow, report),
        answers=read_answers(Resolver(graph, values, workflow, is_chat=True), report),
        files=files,
        features=read_features(features),
    )


def _read_files(
    graph: Graph, features: Mapping[str, JsonValue], report: Diagnostics, *, is_run: bool
) -> TurnFiles | None:
    """Return the files that a call brings along beside its inputs. A turn takes them where the feature is on alone."""
    files = read_turn_files(features.get("file_upload"), has_graph=True)
    if files is not None:
        return files
    # The studio itself writes `sys.files` into what a model of a chatflow sees.
    reader = system_files_reader(graph, but=() if is_run else ("vision",))
    if reader is None:
        return None
    if is_run:
        return TurnFiles()  # a run takes them even where the feature is off (seen on 1.12.1)
    message = f"{reader} reads `sys.files`, which is always empty: file upload is off in the app's features."
    hint = "Switch file upload on in the studio and export again, or remove the reference."
    report.warn("no-system-files", message, (*PATH, reader.index), hint)
    return None


def _read_form(app: App, root: Mapping[str, JsonValue], report: Diagnostics) -> App:
    """Read a chatbot, an agent or a text generator, which is a form and a configuration."""
    form: Path = ("model_config", "user_input_form")
    config = mapping(root.get("model_config"))
    if app.mode == "agent" and (package := read_package(root)):
        config, form = package.configuration, package.variables
    if not config:
        lacking = "no package of its agent" if app.mode == "agent" else "no `model_config`"
        message = f"The export has {lacking}, so its client takes no inputs."
        report.warn("no-configuration", message, ("app",), "Export the app again in Dify.")
    return replace(
        app,
        inputs=read_form(config.get("user_input_form"), form, report, has_graph=False),
        tools=read_tools(config) if "tools" in app.kind.keys else (),
        files=read_turn_files(config.get("file_upload"), has_graph=False),
        features=read_features(config),
    )


def read_parameters(app: App, parameters: Mapping[str, JsonValue]) -> tuple[App | None, tuple[Diagnostic, ...]]:
    """Return the app with inputs and features as a server's `/parameters` tells them, and what is to be said of them.

    None where it tells no inputs.

    They have the shape of a configuration: an item of `user_input_form` is the start node's variable as it is in an
    export (seen on 1.12.1), and features are those of an export, with Dify's defaults filled in.
    """
    document = load(json.dumps(parameters).encode(), "/parameters")
    if not isinstance(document, Document) or not isinstance(document.root.get("user_input_form"), list):
        return None, ()
    live, has_graph = document.root, bool(app.kind.terminal_nodes)
    path, report = ("user_input_form",), Diagnostics(document)
    inputs = read_form(live.get("user_input_form"), path, report, has_graph=has_graph)
    app = replace(app, inputs=inputs)
    if not app.kind.has_outputs:
        files = read_turn_files(live.get("file_upload"), has_graph=has_graph)
        app = replace(app, files=files, features=read_features(live))
    return app, report.in_order()


def _check_beginning(graph: Graph, report: Diagnostics) -> None:
    """Warn where a run has no inputs, since nothing says which it takes."""
    if graph.first("start") is not None:
        return
    trigger = next((step for step in graph.steps.values() if step.type.startswith("trigger-")), None)
    if trigger is None:
        report.warn("no-start-node", "The workflow has no Start node, so its client takes no inputs.", PATH)
        return
    message = f"The workflow is started by the trigger {trigger}, so its client takes no inputs."
    report.warn(
        "started-by-trigger",
        message,
        (*PATH, trigger.index),
        "Dify runs it through the API all the same, without what the trigger brings.",
    )


def check_kind(root: Mapping[str, JsonValue], report: Diagnostics) -> bool:
    """Return whether the file is the export of an app.

    A missing `kind` or an unknown one is taken for `app`, as Dify does.
    """
    kind = text(root.get("kind"))
    if kind not in _OTHER_KINDS and "rag_pipeline" in root and "app" not in root:
        kind = "rag_pipeline"
    if kind in _OTHER_KINDS:
        report.error(
            "unsupported-kind",
            f"This is the export of {_OTHER_KINDS[kind]}.",
            ("kind",),
            "difygen makes clients for apps.",
        )
        return False
    if not mapping(root.get("app")):
        report.error("no-app", "The export has no `app` block, so it is the export of no app.", ("app",))
        return False
    return True


def check_version(root: Mapping[str, JsonValue], report: Diagnostics) -> None:
    """Warn of a version newer than this reader. Older ones are all read alike: files mix the forms of several."""
    numbers = []
    release = re.split("[-+]", text(root.get("version")), maxsplit=1)[0]
    for part in release.split(".")[:3]:
        if not (part.isascii() and part.isdecimal() and len(part) < 7):
            return
        numbers.append(int(part))
    if tuple(numbers) > NEWEST:
        newest = ".".join(map(str, NEWEST))
        message = f"The file is of DSL version {text(root.get('version'))}, and difygen knows versions up to {newest}."
        report.warn(
            "newer-version",
            message,
            ("version",),
            "It is read as far as it is understood. A newer difygen may understand more.",
        )


def mode_of(root: Mapping[str, JsonValue], report: Diagnostics) -> AppMode | None:
    """Return the app's mode, if there is one that Dify knows."""
    app = mapping(root.get("app"))
    word = text(app.get("mode"))
    for mode in APP_MODES:
        if mode == word:
            return mode
    if not word:
        nodes = sequence(mapping(mapping(root.get("workflow")).get("graph")).get("nodes"))
        types = {text(mapping(mapping(node).get("data")).get("type")) for node in nodes}
        kinds = {kind for kind in APP_KINDS.values() if not types.isdisjoint(kind.terminal_nodes)}
        if len(kinds) == 1:
            kind = kinds.pop()
            message, hint = (
                f"The app has no `mode`; it is read as {kind.noun}.",
                f"Dify writes `mode: {kind.modes[0]}`.",
            )
            report.warn("no-mode", message, ("app",), hint)
            return kind.modes[0]
        report.error("no-mode", "The app has no `mode`, and nothing else says what kind of app it is.", ("app",))
        return None
    known = nearest(word, APP_MODES)
    hint = f"Did you mean `{known}`?" if known else f"difygen knows {_MODES}."
    report.error("unknown-mode", f"{quoted(word)} is no mode of an app that difygen knows.", ("app", "mode"), hint)
    return None


# What a chatflow or a configuration has beside its inputs


_AGENT_STRATEGIES = ("function_call", "react")
_VARIABLES = ("workflow", "conversation_variables")


def is_agent(config: Mapping[str, JsonValue]) -> bool:
    """Return whether a chatbot of this configuration runs as an agent: Dify itself changes its mode then."""
    agent = mapping(config.get("agent_mode"))
    return agent.get("enabled") is True and agent.get("strategy") in _AGENT_STRATEGIES


def read_variables(workflow: Mapping[str, JsonValue], report: Diagnostics) -> tuple[Variable, ...]:
    """Return the conversation variables of a chatflow, with their initial values."""
    found: dict[str, Variable] = {}
    for index, each in enumerate(map(mapping, sequence(workflow.get("conversation_variables")))):
        name, path = text(each.get("name")), (*_VARIABLES, index)
        if not name:
            report.warn("variable-without-name", "A conversation variable has no name and is left out.", path)
            continue
        if name in found:
            message = f"Two conversation variables are called {quoted(name)}; the last one counts."
            report.warn("repeated-variable", message, path)
        type_ = type_of(each.get("value_type"))
        if type_ is None:
            word = quoted(text(each.get("value_type")))
            message = f"The conversation variable {quoted(name)} has the type {word}, which difygen does not know."
            report.warn("unknown-variable-type", message, path, "It can be of any type.")
            type_ = Primitive.ANY
        is_known = fits(each.get("value"), type_) and text(each.get("value_type")).lower() != "secret"
        found[name] = Variable(
            name=name,
            type=type_,
            initial=each.get("value") if is_known else None,
            description=text(each.get("description")),
        )
    return tuple(found.values())


def read_features(settings: Mapping[str, JsonValue]) -> Features:
    """Return what is switched on: `workflow.features` of a chatflow, or the configuration of an app without a graph."""

    def has(key: str) -> bool:
        return mapping(settings.get(key)).get("enabled") is True

    speech = mapping(settings.get("text_to_speech"))
    return Features(
        opening_statement=text(settings.get("opening_statement")).strip(),
        suggested_questions=tuple(filter(None, map(str.strip, texts(settings.get("suggested_questions"))))),
        suggested_questions_after_answer=has("suggested_questions_after_answer"),
        speech_to_text=has("speech_to_text"),
        text_to_speech=has("text_to_speech"),
        auto_play=has("text_to_speech") and speech.get("autoPlay") == "enabled",
        citations=has("retriever_resource"),
        moderation=has("sensitive_word_avoidance"),
        annotation_reply=has("annotation_reply"),
    )


def read_turn_files(upload: JsonValue, *, has_graph: bool) -> TurnFiles | None:
    """Return which files a turn may bring along, from a `file_upload`; None where Dify drops them without a word.

    Old configurations of apps without a graph switch on images alone.
    """
    rules = mapping(upload)
    if rules.get("enabled") is True:
        return TurnFiles(
            types=texts(rules.get("allowed_file_types")),
            extensions=texts(rules.get("allowed_file_extensions")),
            methods=texts(rules.get("allowed_file_upload_methods")),
            max_count=length_of(rules.get("number_limits")),
        )
    image = mapping(rules.get("image"))
    if has_graph or image.get("enabled") is not True:
        return None
    count = length_of(image.get("number_limits"))
    return TurnFiles(types=("image",), methods=texts(image.get("transfer_methods")), max_count=count)


def read_tools(config: Mapping[str, JsonValue]) -> tuple[Tool, ...]:
    """Return the tools of an agent. Old files have one key for each, which is its name."""
    tools: dict[str, Tool] = {}
    for each in map(mapping, sequence(mapping(config.get("agent_mode")).get("tools"))):
        name, settings = text(each.get("tool_name")), each
        if not name and len(each) == 1:
            name, settings = next(iter(each)), mapping(next(iter(each.values())))
        if name and settings.get("enabled") is not False and name != "dataset":
            providers = (text(each.get(key)) for key in ("provider_name", "provider_id", "provider"))
            provider = next(filter(None, providers), "")
            tools.setdefault(name, Tool(name=name, label=text(each.get("tool_label")), provider=provider))
    return tuple(tools.values())


# The package of an agent (mode `agent`, DSL 0.7.0), as the configuration that it amounts to


_FORM_KINDS: Mapping[str, InputKind] = {
    "number": "number",
    "integer": "number",
    "float": "number",
    "boolean": "checkbox",
    "bool": "checkbox",
    "paragraph": "paragraph",
    "long_text": "paragraph",
    "multiline": "paragraph",
    "select": "select",
    "json": "json_object",
    "json_object": "json_object",
}
"""The form's word for the type of a variable; any other is a line of text."""


class AgentPackage(Record):
    """What an agent is called, its configuration in the keys of a `model_config`, and where its variables stand."""

    name: str
    description: str
    configuration: Mapping[str, JsonValue]
    variables: Path


def read_package(root: Mapping[str, JsonValue]) -> AgentPackage | None:
    """Return the package that the agent refers to, or None where the export has none.

    What becomes what is Dify's own projection, by which its API shows such an app to callers (1.16).
    """
    ref = text(mapping(root.get("agent")).get("package_ref"))
    package = mapping(mapping(root.get("agent_packages")).get(ref))
    soul, metadata = mapping(package.get("soul")), mapping(package.get("metadata"))
    if not soul:
        return None
    features = {key: value for key, value in mapping(soul.get("app_features")).items() if value is not None}
    configuration: dict[str, JsonValue] = {
        **mapping(root.get("model_config")),
        **features,
        "user_input_form": list(_form(soul)),
        "agent_mode": {"tools": mapping(soul.get("tools")).get("dify_tools")},
    }
    path = ("agent_packages", ref, "soul", "app_variables")
    return AgentPackage(text(metadata.get("name")), text(metadata.get("description")), configuration, path)


def _form(soul: Mapping[str, JsonValue]) -> Iterator[JsonValue]:
    """Yield the items of the form, one for each variable: its name is its label, too."""
    for variable in map(mapping, sequence(soul.get("app_variables"))):
        kind = _FORM_KINDS.get(text(variable.get("type")).strip().lower(), "text-input")
        name = variable.get("name")
        yield {kind: {**variable, "variable": name, "label": name} if name else variable}
