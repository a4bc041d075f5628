"""What exports of chat-type apps say beside their inputs: variables, answers, tools, files of a turn, features."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from difygen.diagnostics import Diagnostic, Diagnostics
from difygen.model import App, ArrayOf, ObjectOf, Primitive, TemplatePiece, Tool, TurnFiles, Variable
from difygen.parser.dsl import mode_of, read_contract, read_head
from difygen.parser.yaml import Document, load
from support import CHAT_LAB
from support.dsl_files import edges, export, node, start

ANSWER = "{{#start1.name#}} ({{#conversation.turns#}}): {{#llm1.text#}}"


def contract(definition: dict[str, Any] | bytes) -> tuple[App, list[Diagnostic]]:
    data = definition if isinstance(definition, bytes) else yaml.safe_dump(definition).encode()
    document = load(data, "app.yml")
    assert isinstance(document, Document)
    report = Diagnostics(document)
    mode = mode_of(document.root, report)
    assert mode is not None
    app = read_contract(read_head(document.root, "app.yml", mode), document.root, report)
    assert app is not None
    return app, list(report.in_order())


def lab(name: str) -> App:
    app, findings = contract((CHAT_LAB / f"{name}.yml").read_bytes())
    assert findings == []
    return app


def easy(mode: str, **config: Any) -> dict[str, Any]:
    """The export of an app without a graph."""
    return {"app": {"name": "app", "mode": mode}, "kind": "app", "version": "0.6.0", "model_config": config}


def chatflow(answer: str, *others: dict[str, Any], **workflow: Any) -> dict[str, Any]:
    nodes = [start(), *others, node("answer1", "answer", answer=answer)]
    exported = export(nodes, edges(" > ".join(each["id"] for each in nodes)))
    exported["app"]["mode"] = "advanced-chat"
    exported["workflow"] |= workflow
    return exported


class TestChatflow:
    def test_it_remembers_variables_with_initial_values(self) -> None:
        assert lab("chat_lab").variables == (
            Variable(name="turns", type=Primitive.INTEGER, initial=0, description="conversation variable turns"),
            Variable(
                name="last_query", type=Primitive.STRING, initial="", description="conversation variable last_query"
            ),
            Variable(
                name="queries", type=ArrayOf(Primitive.STRING), initial=[], description="conversation variable queries"
            ),
            Variable(name="notes", type=ObjectOf(), initial={"a": 1}, description="conversation variable notes"),
        )

    def test_its_answer_is_texts_and_values_of_known_types(self) -> None:
        (answer,) = lab("chat_lab").answers
        assert answer.pieces == (
            TemplatePiece(selector=("start1", "name")),
            TemplatePiece(text=" ("),
            TemplatePiece(selector=("conversation", "turns"), type=Primitive.INTEGER),
            TemplatePiece(text="): "),
            TemplatePiece(selector=("llm1", "text")),
        )
        assert (answer.node, answer.reason) == ("answer1", "")

    def test_answers_on_branches_say_when_they_come(self) -> None:
        reasons = {answer.node: answer.reason for answer in lab("chat_hitl").answers}
        assert reasons == {
            "answer0": "",
            "answer1": "only when the branch 'Approve' of 'Review' is taken",
            "answer2": "only when the branch 'Reject' of 'Review' is taken",
        }

    def test_the_query_is_there(self) -> None:
        (answer,) = lab("chat_plain").answers
        assert answer.pieces[-1] == TemplatePiece(selector=("sys", "query"))

    @pytest.mark.parametrize(
        "text",
        [
            "{{answer}}",
            "{{#a-b.text#}}",
            "{{#nodot#}}",
            "{{# a.text #}}",
            "{{#a.1b#}}",
            "{#a.b#}",
            "{{#" + "a" * 51 + ".b#}}",
        ],
    )
    def test_what_is_no_reference_is_text(self, text: str) -> None:
        app, _ = contract(chatflow(text))
        assert app.answers[0].pieces == (TemplatePiece(text=text),)

    def test_a_reference_to_nothing_is_said(self) -> None:
        app, findings = contract(chatflow("Hello {{#gone.text#}}"))
        assert app.answers[0].pieces[1] == TemplatePiece(selector=("gone", "text"), type=Primitive.ANY)
        assert [finding.code for finding in findings] == ["empty-reference"]
        assert "`gone.text`, which is always empty: there is no node 'gone'" in findings[0].message

    def test_a_variable_keeps_no_secret_and_no_value_of_another_type(self) -> None:
        app, findings = contract(
            chatflow(
                "Hello",
                conversation_variables=[
                    {"name": "key", "value_type": "secret", "value": "sk-1"},
                    {"name": "count", "value_type": "number", "value": "one"},
                    {"name": "odd", "value_type": "tuple", "value": 1},
                    {"value_type": "string"},
                ],
            )
        )
        assert [(each.name, each.type, each.initial) for each in app.variables] == [
            ("key", Primitive.STRING, None),
            ("count", Primitive.NUMBER, None),
            ("odd", Primitive.ANY, 1),
        ]
        assert [each.code for each in findings] == ["unknown-variable-type", "variable-without-name"]


class TestForms:
    def test_inputs_of_five_kinds(self) -> None:
        app = lab("chat_basic")
        assert [(each.name, each.kind, each.required, each.default) for each in app.inputs] == [
            ("name", "text-input", True, None),
            ("tone", "select", False, None),
            ("count", "number", False, None),
            ("about", "paragraph", False, None),
            ("brief", "checkbox", False, False),
        ]

    def test_a_default_that_dify_would_refuse_elsewhere_makes_nothing_required(self) -> None:
        form = [{"select": {"variable": "tone", "options": ["a"], "default": "b", "required": False}}]
        app, findings = contract(easy("chat", user_input_form=form))
        assert (app.inputs[0].required, app.inputs[0].default) == (False, None)
        assert [(each.code, str(each.location).split(":")[-2:] != []) for each in findings] == [
            ("default-not-usable", True)
        ]

    def test_what_a_tool_fills_in_is_no_input(self) -> None:
        form = [{"external_data_tool": {"variable": "weather"}}, {"file": {"variable": "scan"}}]
        app, findings = contract(easy("completion", user_input_form=form))
        assert app.inputs == ()
        assert [each.code for each in findings] == ["input-not-sent", "unread-input-type"]

    def test_features(self) -> None:
        features = lab("chat_basic").features
        assert features.opening_statement == "Hello {{name}}!"
        assert features.suggested_questions == ("What can you do?",)
        assert features.suggested_questions_after_answer and features.speech_to_text and features.moderation
        assert features.text_to_speech and not features.auto_play

    def test_a_chatbot_with_tools_is_an_agent(self) -> None:
        app, _ = contract(easy("chat", agent_mode={"enabled": True, "strategy": "react", "tools": [{"google": {}}]}))
        assert (app.mode, app.tools) == ("agent-chat", (Tool(name="google"),))
        app, _ = contract(easy("chat", agent_mode={"enabled": True, "strategy": "router", "tools": [{"google": {}}]}))
        assert (app.mode, app.tools) == ("chat", ())

    def test_tools_of_an_agent(self) -> None:
        assert [(tool.name, tool.provider) for tool in lab("agent_lab").tools] == [
            ("weather", "standin/tools/tools"),
            ("draw", "standin/tools/tools"),
            ("broken", "standin/tools/tools"),
        ]


class TestFiles:
    def test_files_of_a_turn_where_the_feature_is_on(self) -> None:
        assert lab("chat_basic").files == TurnFiles(
            types=("image", "document"),
            extensions=(".JPG", ".PNG", ".TXT"),
            methods=("local_file", "remote_url"),
            max_count=3,
        )

    def test_images_of_old_configurations(self) -> None:
        image = {"enabled": True, "number_limits": 2, "transfer_methods": ["remote_url"]}
        app, _ = contract(easy("chat", file_upload={"image": image}))
        assert app.files == TurnFiles(types=("image",), methods=("remote_url",), max_count=2)

    def test_none_where_dify_drops_them(self) -> None:
        upload = {"image": {"enabled": True, "number_limits": 2}}
        app, _ = contract(chatflow("Hello", features={"file_upload": upload}))
        assert app.files is None
