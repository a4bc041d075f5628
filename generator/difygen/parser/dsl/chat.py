"""What apps that answer a query have beside their inputs: what they remember, what they say, and what is switched on.

Prompts, secrets and the values of environment variables are never looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from difygen.cursor import Diagnostics, Path
from difygen.model import (
    CHATFLOW,
    AnswerTemplate,
    Features,
    InputKind,
    JsonValue,
    Primitive,
    TemplatePiece,
    Tool,
    TurnFiles,
    Variable,
)
from difygen.parser.dsl.control_flow.sentences import ONLY, Giver
from difygen.parser.dsl.dataflow import Resolver
from difygen.parser.dsl.graph import PATH, Step, mapping, sequence, text, texts
from difygen.parser.dsl.inputs import length_of
from difygen.record import Record
from difygen.types import any_if_null, fits, type_of, without_null
from difygen.wording import named, quoted

_REFERENCE = r"\{\{#([a-zA-Z0-9_]{1,50}(?:\.[a-zA-Z_][a-zA-Z0-9_]{0,29}){1,10})#\}\}"
"""What the engine takes for a reference; anything else in a template is text."""

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


def read_answers(resolver: Resolver, report: Diagnostics) -> tuple[AnswerTemplate, ...]:
    """Return what the Answer nodes say, in the order of the file."""
    steps = [step for step in resolver.graph.steps.values() if step.type in CHATFLOW.terminal_nodes]
    if not steps:
        report.warn("no-answer-node", "The chatflow has no Answer node, so it answers nothing.", PATH)
    return tuple(_answer(step, resolver, report) for step in steps)


def _answer(step: Step, resolver: Resolver, report: Diagnostics) -> AnswerTemplate:
    reason = resolver.sentences(step.parent).missing([Giver(step.id)])
    if step.parent is not None:
        rounds = f"only when {resolver.graph.steps[step.parent]} goes through a round"
        within = f" in which {reason[len(ONLY) :]}" if reason.startswith(ONLY) else f"; in each, {reason}"
        reason = rounds + within if reason else rounds
    elif not resolver.runs(None).reaches(step.id):
        message = f"No way leads to the Answer node {step}, so what it says never comes."
        report.warn("unreachable-answer", message, (*PATH, step.index))
    return AnswerTemplate(node=step.id, pieces=tuple(_pieces(step, resolver, report)), reason=reason)


def _pieces(step: Step, resolver: Resolver, report: Diagnostics) -> Iterator[TemplatePiece]:
    """Take a template apart; `split` gives texts and references by turns."""
    for number, each in enumerate(re.split(_REFERENCE, text(step.data.get("answer")))):
        if number % 2 == 0:
            if each:
                yield TemplatePiece(text=each)
            continue
        selector = tuple(each.split("."))
        value = resolver.resolve(list(selector), step.parent)
        if value.type is Primitive.NULL:
            why = value.unknown.reason if value.unknown is not None else "nothing is known of it"
            message = f"The Answer node {step} refers to {named(each)}, which is always empty: {why}."
            report.warn("empty-reference", message, (*PATH, step.index, "data", "answer"))
        yield TemplatePiece(selector=selector, type=any_if_null(without_null(value.type)[0]))


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
