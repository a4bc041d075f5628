"""The file that Dify's "Export DSL" gives, to an `App`: inputs from its start node, outputs by following its graph.

The specification of everything in here is Dify's own behaviour; where versions differ, the engine of Dify 1.9 and
later counts.

graph           steps and how they are connected; control_flow/: which of them a run comes to
node_types      the table of node types; node_fields, node_sources, code/: what its functions say that nodes give
nullability     what a selector leads to, and when there is a value of it; dataflow: from a selector to the node that
                makes one
inputs, outputs, forms, chat   the parts of an `App`
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from difygen.cursor import Diagnostics, Path
from difygen.diagnostics import Diagnostic
from difygen.model import AGENT, APP_KINDS, APP_MODES, WORKFLOW, App, AppMode, JsonValue, TurnFiles
from difygen.parser.dsl import chat
from difygen.parser.dsl.dataflow import Resolver
from difygen.parser.dsl.forms import read_forms
from difygen.parser.dsl.graph import PATH, Graph, mapping, read_graph, sequence, system_files_reader, text
from difygen.parser.dsl.inputs import read_form, read_inputs
from difygen.parser.dsl.outputs import read_outputs
from difygen.parser.yaml import Document, load
from difygen.record import replace
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
    if mode == "chat" and chat.is_agent(mapping(root.get("model_config"))):
        mode = "agent-chat"
    package = chat.read_package(root) if mode == "agent" else None
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
    files = _read_files(graph, features, report, is_run=app.kind is WORKFLOW)
    if app.kind is WORKFLOW:
        outputs = read_outputs(Resolver(graph, values, workflow), app.kind, report)
        return replace(app, outputs=outputs, files=files)
    return replace(
        app,
        variables=chat.read_variables(workflow, report),
        answers=chat.read_answers(Resolver(graph, values, workflow, is_chat=True), report),
        files=files,
        features=chat.read_features(features),
    )


def _read_files(
    graph: Graph, features: Mapping[str, JsonValue], report: Diagnostics, *, is_run: bool
) -> TurnFiles | None:
    """Return the files that a call brings along beside its inputs. A turn takes them where the feature is on alone."""
    files = chat.read_turn_files(features.get("file_upload"), has_graph=True)
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
    if app.mode == "agent" and (package := chat.read_package(root)):
        config, form = package.configuration, package.variables
    if not config:
        lacking = "no package of its agent" if app.mode == "agent" else "no `model_config`"
        message = f"The export has {lacking}, so its client takes no inputs."
        report.warn("no-configuration", message, ("app",), "Export the app again in Dify.")
    return replace(
        app,
        inputs=read_form(config.get("user_input_form"), form, report, has_graph=False),
        tools=chat.read_tools(config) if app.kind is AGENT else (),
        files=chat.read_turn_files(config.get("file_upload"), has_graph=False),
        features=chat.read_features(config),
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
    if app.kind is not WORKFLOW:
        files = chat.read_turn_files(live.get("file_upload"), has_graph=has_graph)
        app = replace(app, files=files, features=chat.read_features(live))
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
