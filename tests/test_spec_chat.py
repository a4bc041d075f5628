"""Specs of chat-type apps: what they say, and what is wrong with those that say it wrongly."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import dedent
from typing import cast

import pytest
from difygen.diagnostics import Diagnostics
from difygen.model import App, ArrayOf, Example, Features, JsonValue, Primitive, Tool, TurnFiles, Variable
from difygen.parser.spec import read_spec
from difygen.parser.yaml import Document, load

SUPPORT = """
    mode: chatflow
    description: Answers questions about orders.
    inputs:
      order: text-input
    variables:
      language: {type: string, initial: en, description: What the person writes in}
      orders: array[string]
    files: {types: [image, custom], extensions: [.pdf], methods: [local_file], max_count: 3}
    opening_statement: Hello! What is it about?
    suggested_questions: [Where is my order?, Can I send it back?]
    suggested_questions_after_answer: true
    text_to_speech: {auto_play: true}
    examples:
      - query: Where is it?
        inputs: {order: A-17}
        answer: On its way.
"""


def reading(text: str, file: str = "support.yaml") -> tuple[App, list[str]]:
    document = load(dedent(text).encode(), file)
    assert isinstance(document, Document)
    report = Diagnostics(document)
    app = read_spec(cast(Mapping[str, JsonValue], document.root), file, report)
    return app, [str(each).splitlines()[0] for each in report.in_order()]


def test_a_chatflow() -> None:
    app, mistakes = reading(SUPPORT)
    assert mistakes == []
    assert (app.name, app.mode) == ("support", "advanced-chat")
    assert [each.name for each in app.inputs] == ["order"]
    assert app.variables == (
        Variable(name="language", type=Primitive.STRING, initial="en", description="What the person writes in"),
        Variable(name="orders", type=ArrayOf(Primitive.STRING)),
    )
    assert app.files == TurnFiles(types=("image", "custom"), extensions=(".pdf",), methods=("local_file",), max_count=3)
    assert app.features == Features(
        opening_statement="Hello! What is it about?",
        suggested_questions=("Where is my order?", "Can I send it back?"),
        suggested_questions_after_answer=True,
        text_to_speech=True,
        auto_play=True,
    )
    assert app.examples == (Example(query="Where is it?", inputs={"order": "A-17"}, answer="On its way."),)


@pytest.mark.parametrize(
    ("word", "mode"),
    [("workflow", "workflow"), ("chat", "chat"), ("agent", "agent-chat"), ("completion", "completion")],
)
def test_modes(word: str, mode: str) -> None:
    app, mistakes = reading(f"{{mode: {word}, inputs: {{}}}}")
    assert (app.mode, mistakes) == (mode, [])


def test_an_agent_has_tools_and_takes_any_files() -> None:
    app, mistakes = reading("{mode: agent, tools: [weather, draw], files: true, speech_to_text: true}")
    assert mistakes == []
    assert app.tools == (Tool(name="weather"), Tool(name="draw"))
    assert (app.files, app.features) == (TurnFiles(), Features(speech_to_text=True))


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("mode: advanced-chat", "support.yaml:1:7: error: `advanced-chat` is no mode of an app. [unknown-mode]"),
        ("mode: chatt", "support.yaml:1:7: error: `chatt` is no mode of an app. [unknown-mode]"),
        ("mode: 3", "support.yaml:1:7: error: `mode` must be text, not `3`. [wrong-type]"),
        (
            "{mode: chat, outputs: {a: string}}",
            "support.yaml:1:14: error: `outputs` does not apply to a chatbot. [key-not-applicable]",
        ),
        (
            "{mode: chat, variables: {a: string}}",
            "support.yaml:1:14: error: `variables` does not apply to a chatbot. [key-not-applicable]",
        ),
        (
            "{inputs: {}, tools: []}",
            "support.yaml:1:14: error: `tools` does not apply to a workflow. [key-not-applicable]",
        ),
        (
            "{mode: chatflow, variables: {a: {type: integer, initial: x}}}",
            "support.yaml:1:58: error: `initial` must be a whole number, not the text `x`. [wrong-value]",
        ),
        (
            "{mode: chat, files: {types: [picture]}}",
            "support.yaml:1:30: error: `picture` is no value for `types`. [unknown-value]",
        ),
        (
            "{mode: chat, files: {max_count: 1.5}}",
            "support.yaml:1:33: error: `max_count` must be a whole number from 1, not `1.5`. [wrong-type]",
        ),
        (
            "{mode: chat, files: 3}",
            "support.yaml:1:21: error: `files` must be true, false, or a mapping of rules, not `3`. [wrong-type]",
        ),
        (
            "{mode: completion, examples: [{query: a}]}",
            "support.yaml:1:32: error: `query` is not a key of an example. [unknown-key]",
        ),
        (
            "{mode: chat, text_to_speech: {autoplay: true}}",
            "support.yaml:1:31: error: `autoplay` is not a key of `text_to_speech`. [unknown-key]",
        ),
    ],
)
def test_mistakes(text: str, mistake: str) -> None:
    assert reading(text)[1][0] == mistake
