"""What every type of node gives: one case or more for each row of the table. A new row needs a new case, or the first test fails."""

from __future__ import annotations

from typing import Any

import pytest
from difygen.model import ArrayOf, ObjectOf, OneOf, Primitive, Property, Type
from difygen.parser.dsl.control_flow import Branch
from difygen.parser.dsl.node_fields import DATA, FILES, NOT_TRIGGERED, RETRIEVED, USAGE
from difygen.parser.dsl.node_types import NODE_TYPES, NodeType
from difygen.type_algebra import union
from support.dsl_files import chain, code, codes, edges, end, export, node, outputs, start, template, variable

STRING, NUMBER, INTEGER, BOOLEAN = Primitive.STRING, Primitive.NUMBER, Primitive.INTEGER, Primitive.BOOLEAN
FILE, ANY, NULL, OBJECT = Primitive.FILE, Primitive.ANY, Primitive.NULL, ObjectOf()
TEXTS = ArrayOf(STRING)
SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name"],
    "additionalProperties": False,
}
PERSON = ObjectOf((Property("name", STRING), Property("age", INTEGER, required=False)))
SOURCES = [
    start(
        variable("text"),
        variable("doc", "file"),
        variable("docs", "file-list"),
        variable("maybe", "file", required=False),
    ),
    code(
        "lists",
        outputs={
            "texts": {"type": "array[string]"},
            "numbers": {"type": "array[number]"},
            "any": {"type": "array[any]"},
        },
        text='def main():\n    return {"texts": ["a"], "numbers": [1], "any": [1]}\n',
    ),
]
LLM: dict[str, Any] = {"structured_output_enabled": True, "structured_output": {"schema": SCHEMA}}
FORM: dict[str, Any] = {
    "inputs": [
        {"output_variable_name": "comment", "type": "paragraph"},
        {"output_variable_name": "proof", "type": "file"},
        {"output_variable_name": "proofs", "type": "file-list"},
    ],
    "user_actions": [{"id": "ok", "title": "Approve"}],
}
WEBHOOK = {
    "headers": [{"name": "X-Request-Id"}],
    "params": [{"name": "page", "type": "number"}],
    "body": [{"name": "payload", "type": "object"}, {"name": "tags", "type": "array[string]"}],
}
TWO = "null when the model of 'N' does not say why it stopped"


def declared(*outputs_: dict[str, Any]) -> dict[str, Any]:
    return {"agent_node_kind": "dify_agent", "version": "2", "agent_job": {"declared_outputs": list(outputs_)}}


# node type, its settings, the field, its type, and why it may be null ("" for never)
CASES: list[tuple[str, dict[str, Any], str, Type, str]] = [
    ("start", {}, "text", STRING, ""),
    ("start", {}, "sys.user_id", STRING, ""),
    ("start", {}, "docs", FILES, ""),
    ("start", {}, "maybe", FILE, "null when the input 'maybe' is left out"),
    ("answer", {"answer": "hi"}, "answer", STRING, ""),
    ("answer", {}, "files", FILES, ""),
    ("llm", {}, "text", STRING, ""),
    ("llm", {}, "usage", USAGE, ""),
    ("llm", {}, "reasoning_content", STRING, ""),
    ("llm", {}, "finish_reason", STRING, TWO),
    ("llm", {}, "files", FILES, "only when the model of 'N' produces files"),
    ("llm", LLM, "structured_output", PERSON, "only when the answer of 'N' can be read as its schema asks"),
    (
        "llm",
        {"structured_output_switch_on": True},
        "structured_output",
        OBJECT,
        "only when the answer of 'N' can be read as its schema asks",
    ),
    ("knowledge-retrieval", {"query_variable_selector": ["start", "text"]}, "result", ArrayOf(RETRIEVED), ""),
    ("knowledge-retrieval", {}, "result", ArrayOf(RETRIEVED), "null when 'N' is given nothing to look for"),
    ("question-classifier", {"classes": [{"id": "source", "name": "A"}]}, "class_name", STRING, ""),
    ("question-classifier", {"classes": [{"id": "source", "name": "A"}]}, "class_id", STRING, ""),
    ("question-classifier", {"classes": [{"id": "source", "name": "A"}]}, "class_label", STRING, ""),
    ("question-classifier", {"classes": [{"id": "source", "name": "A"}]}, "usage", USAGE, ""),
    ("code", {"outputs": {"x": {"type": "string"}}}, "x", STRING, "null when the code of 'N' gives None for `x`"),
    (
        "code",
        {"outputs": {"x": {"type": "array[boolean]"}}},
        "x",
        ArrayOf(union(BOOLEAN, NULL)),
        "null when the code of 'N' gives None for `x`",
    ),
    (
        "code",
        {"outputs": {"x": {"type": "array[number]"}}},
        "x",
        ArrayOf(NUMBER),
        "null when the code of 'N' gives None for `x`",
    ),
    (
        "code",
        {"outputs": {"x": {"type": "object", "children": {"n": {"type": "number", "children": None}}}}},
        "x",
        ObjectOf((Property("n", union(NUMBER, NULL)),)),
        "null when the code of 'N' gives None for `x`",
    ),
    (
        "code",
        {"outputs": {"x": {"type": "array[object]", "children": {"n": {"type": "string"}}}}},
        "x",
        ArrayOf(union(ObjectOf((Property("n", union(STRING, NULL)),)), NULL)),
        "null when the code of 'N' gives None for `x`",
    ),
    ("template-transform", {}, "output", STRING, ""),
    ("http-request", {}, "body", STRING, ""),
    ("http-request", {}, "status_code", INTEGER, ""),
    ("http-request", {}, "headers", OBJECT, ""),
    ("http-request", {}, "files", FILES, ""),
    ("tool", {"output_schema": None}, "text", STRING, ""),
    ("tool", {}, "files", FILES, ""),
    ("tool", {}, "json", DATA, ""),
    ("tool", {"output_schema": SCHEMA}, "name", STRING, ""),
    ("tool", {"output_schema": SCHEMA}, "age", INTEGER, "only when 'N' gives `age`"),
    ("tool", {"output_schema": {"properties": {"text": {"type": "integer"}}}}, "text", union(INTEGER, STRING), ""),
    (
        "tool",
        {"output_schema": {"properties": {"n": {"type": ["number", "null"]}}, "required": ["n"]}},
        "n",
        NUMBER,
        "null where the schema of 'N' allows it",
    ),
    ("agent", {}, "text", STRING, ""),
    ("agent", {}, "json", DATA, ""),
    ("agent", {"version": "2"}, "usage", USAGE, ""),
    ("agent", declared({"name": "n", "type": "number", "required": True}), "n", NUMBER, ""),
    (
        "agent",
        declared({"name": "l", "type": "array", "array_item": {"type": "file"}}),
        "l",
        FILES,
        "only when 'N' gives `l`",
    ),
    ("agent", declared(), "json", OBJECT, "only when 'N' gives `json`"),
    ("variable-aggregator", {"variables": [["start", "text"]]}, "output", STRING, ""),
    ("variable-assigner", {"variables": [["start", "text"], ["start", "doc"]]}, "output", union(STRING, FILE), ""),
    (
        "variable-aggregator",
        {
            "variables": [],
            "advanced_settings": {
                "group_enabled": True,
                "groups": [{"group_name": "g", "output_type": "any", "variables": [["start", "docs"]]}],
            },
        },
        "g",
        ObjectOf((Property("output", FILES),)),
        "",
    ),
    (
        "loop",
        {"loop_variables": [{"label": "sum", "var_type": "number"}]},
        "sum",
        NUMBER,
        "",
    ),
    ("loop", {}, "loop_round", INTEGER, "null when 'N' ends before its first round"),
    ("parameter-extractor", {"parameters": [{"name": "p", "type": "bool"}]}, "p", BOOLEAN, ""),
    ("parameter-extractor", {"parameters": [{"name": "p", "type": "array[object]"}]}, "p", ArrayOf(OBJECT), ""),
    (
        "parameter-extractor",
        {"parameters": [{"name": "p", "type": "select", "options": ["a", "b"]}]},
        "p",
        OneOf(("a", "b"), closed=False),
        "",
    ),
    ("parameter-extractor", {}, "__is_success", INTEGER, ""),
    ("parameter-extractor", {}, "__reason", STRING, "null when 'N' finds its parameters"),
    ("parameter-extractor", {}, "__usage", USAGE, ""),
    ("document-extractor", {"variable_selector": ["start", "doc"], "is_array_file": True}, "text", STRING, ""),
    ("document-extractor", {"variable_selector": ["start", "docs"], "is_array_file": False}, "text", TEXTS, ""),
    ("document-extractor", {"variable_selector": ["start", "maybe"]}, "text", union(STRING, TEXTS), ""),
    ("document-extractor", {"variable_selector": [], "is_array_file": True}, "text", TEXTS, ""),
    ("list-operator", {"variable": ["start", "docs"]}, "result", FILES, ""),
    (
        "list-operator",
        {"variable": ["start", "docs"]},
        "first_record",
        FILE,
        "null when 'N' leaves no member in its list",
    ),
    (
        "list-operator",
        {"variable": ["lists", "texts"]},
        "last_record",
        STRING,
        "null when 'N' leaves no member in its list",
    ),
    ("list-operator", {"variable": ["lists", "any"], "var_type": "array[number]"}, "result", ArrayOf(NUMBER), ""),
    ("human-input", {"inputs": FORM["inputs"]}, "comment", STRING, ""),
    ("human-input", {"inputs": FORM["inputs"]}, "proof", FILE, ""),
    ("human-input", {"inputs": FORM["inputs"]}, "proofs", FILES, ""),
    ("human-input", {}, "__action_id", STRING, ""),
    ("human-input", {}, "__rendered_content", STRING, ""),
    ("human-input", {}, "__action_value", STRING, ""),
    ("datasource", {}, "datasource_type", STRING, ""),
    ("datasource", {"provider_type": "local_file"}, "file", FILE, ""),
    ("iteration", {"iterator_selector": ["lists", "texts"]}, "item", STRING, ""),
    ("iteration", {}, "index", INTEGER, ""),
    ("if-else", {"cases": []}, "result", BOOLEAN, ""),
    ("if-else", {"conditions": []}, "selected_case_id", STRING, ""),
]
TRIGGERS: list[tuple[str, dict[str, Any], str, Type, str]] = [
    ("trigger-webhook", WEBHOOK, "X_Request_Id", STRING, NOT_TRIGGERED),
    ("trigger-webhook", WEBHOOK, "page", NUMBER, NOT_TRIGGERED),
    ("trigger-webhook", WEBHOOK, "payload", OBJECT, NOT_TRIGGERED),
    ("trigger-webhook", WEBHOOK, "tags", TEXTS, NOT_TRIGGERED),
    ("trigger-webhook", WEBHOOK, "_webhook_raw", OBJECT, NOT_TRIGGERED),
    ("trigger-schedule", {}, "sys.timestamp", INTEGER, ""),
    ("trigger-plugin", {"output_schema": SCHEMA}, "name", STRING, NOT_TRIGGERED),
    ("trigger-plugin", {}, "name", ANY, NOT_TRIGGERED),
]
WITHOUT_OUTPUTS = ["end", "assigner", "iteration-start", "loop-start", "loop-end"]
UNKNOWN = [
    ("tool", {}, "score", "tool-without-schema"),
    ("agent", {}, "score", "tool-without-schema"),
    ("agent", {"agent_node_kind": "dify_agent"}, "score", "agent-without-outputs"),
    ("agent", declared(), "score", "unknown-field"),
    ("datasource", {}, "url", "datasource-field"),
    ("knowledge-index", {}, "x", "knowledge-index-field"),
    ("code", {}, "x", "any-declared"),
    ("code", {"outputs": {"x": {"type": "array[any]"}}}, "x", "any-members"),
    ("llm", {}, "structured_output", "unknown-field"),
    ("llm", {}, "txt", "unknown-field"),
    ("brand-new", {}, "x", "unknown-node-type"),
    ("list-operator", {"variable": ["lists", "any"]}, "result", "any-members"),
    ("variable-aggregator", {"variables": []}, "output", "aggregator-without-sources"),
]


def test_every_node_type_has_a_case() -> None:
    covered = {case[0] for case in [*CASES, *TRIGGERS]} | {case[0] for case in UNKNOWN} | set(WITHOUT_OUTPUTS)
    assert set(NODE_TYPES) <= covered


@pytest.mark.parametrize(
    ("kind", "data", "name", "type_", "null"), CASES, ids=lambda value: value if isinstance(value, str) else ""
)
def test_fields(kind: str, data: dict[str, Any], name: str, type_: Type, null: str) -> None:
    if kind == "start":
        definition = chain(*SOURCES, end(out=["start", name]))
    else:
        nodes = [*SOURCES, node("n", kind, **data), end(out=["n", name])]
        ways = ["n > end", "n:true > end", "n:false > end"] if kind == "if-else" else ["n > end"]
        definition = export(nodes, edges("start > lists > n", *ways))
    found = outputs(definition)["out"]
    assert found.type == type_
    assert null in found.reason if null else not found.reason
    assert found.optional is bool(null)


@pytest.mark.parametrize(("kind", "data", "name", "type_", "null"), TRIGGERS)
def test_fields_of_triggers(kind: str, data: dict[str, Any], name: str, type_: Type, null: str) -> None:
    found = outputs(chain(node("n", kind, **data), end(out=["n", name])))["out"]
    assert (found.type, found.reason) == (type_, null.replace("{node}", "'N'"))


def test_hand_written_webhooks_may_have_a_mapping_as_body() -> None:
    trigger = node("n", "trigger-webhook", body={"payload": {"type": "object", "required": True}})
    assert outputs(chain(trigger, end(out=["n", "payload"])))["out"].type == OBJECT


@pytest.mark.parametrize("kind", WITHOUT_OUTPUTS)
def test_nodes_without_outputs(kind: str) -> None:
    definition = chain(start(), node("n", kind), end(out=["n", "x"]))
    assert codes(definition) == ["unknown-field"]
    assert outputs(definition)["out"].type is ANY


@pytest.mark.parametrize(("kind", "data", "name", "code_"), UNKNOWN)
def test_what_cannot_be_known_is_said_with_its_reason(kind: str, data: dict[str, Any], name: str, code_: str) -> None:
    data = {"outputs": {"x": {}}, **data} if kind == "code" else data
    definition = chain(*SOURCES, node("n", kind, **data), end(out=["n", name]))
    found = outputs(definition)["out"]
    assert found.type in (ANY, ArrayOf(ANY))
    assert found.optional or found.type != ANY or kind == "list-operator"
    assert code_ in codes(definition)


def test_a_new_node_type_is_one_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        NODE_TYPES, "brand-new", NodeType({"x": STRING}, branches=lambda step: [Branch("a", "A"), Branch("b", "B")])
    )
    nodes = [start(), node("n", "brand-new"), end(out=["n", "x"])]
    found = outputs(export(nodes, edges("start > n", "n:a > end")))["out"]
    assert (found.type, found.reason) == (STRING, "only when the branch 'A' of 'N' is taken")


# --- selectors that go deeper ---


@pytest.mark.parametrize(
    ("selector", "type_", "optional"),
    [
        (["n", "structured_output", "name"], STRING, True),
        (["n", "structured_output", "age"], INTEGER, True),
        (["n", "usage", "total_tokens"], INTEGER, False),
        (["n", "usage", "total_price"], STRING, False),
        (["n", "usage", "time_to_generate"], NUMBER, True),
        (["start", "doc", "name"], STRING, True),
        (["start", "doc", "size"], INTEGER, False),
        (["start", "doc", "type"], STRING, False),
        (["start", "doc", "url"], STRING, True),
        (["sys", "workflow_run_id"], STRING, False),
        (["sys", "query"], STRING, True),
        (["env", "LIMIT"], NUMBER, False),
        (["env", "KEY"], STRING, False),
        (["env", "COUNT"], INTEGER, False),
    ],
)
def test_nested_selectors(selector: list[str], type_: Type, optional: bool) -> None:
    environment = [
        {"name": "LIMIT", "value_type": "float", "value": 1.5},
        {"name": "KEY", "value_type": "secret", "value": ""},
        {"name": "COUNT", "value_type": "integer", "value": 3},
    ]
    nodes = [*SOURCES, node("n", "llm", **LLM), end(out=selector)]
    found = outputs(export(nodes, edges("start > lists > n > end"), environment_variables=environment))["out"]
    assert (found.type, found.optional) == (type_, optional)
    assert found.selectors == (tuple(selector),)


@pytest.mark.parametrize(
    ("selector", "code_"),
    [
        ([], "empty-selector"),
        (["n"], "empty-selector"),
        (["gone", "text"], "missing-node"),
        (["env", "GONE"], "undeclared-variable"),
        (["conversation", "x"], "undeclared-variable"),
        (["sys", "gone"], "unknown-system-variable"),
        (["lists", "texts", "0"], "selector-into-list"),
        (["n", "text", "x"], "selector-into-scalar"),
        (["start", "doc", "gone"], "unknown-attribute"),
        (["n", "structured_output", "gone"], "unknown-property"),
        (["http", "headers", "etag"], "object-without-schema"),
    ],
)
def test_selectors_that_lead_nowhere(selector: list[str], code_: str) -> None:
    definition = chain(*SOURCES, node("n", "llm", **LLM), node("http", "http-request"), end(out=selector))
    assert codes(definition) == [code_]
    found = outputs(definition)["out"]
    assert (found.type, found.optional) == (ANY, True)


def test_groups_of_an_aggregator_are_objects_that_may_be_missing() -> None:
    groups = [{"group_name": "g", "variables": [["a", "x"]]}]
    aggregator = node("n", "variable-aggregator", advanced_settings={"group_enabled": True, "groups": groups})
    nodes = [start(), node("check", "if-else", cases=[{"case_id": "true"}]), code("a"), aggregator]
    nodes.append(end(group=["n", "g"], inner=["n", "g", "output"]))
    found = outputs(export(nodes, edges("start > check", "check:true > a > n > end", "check:false > n")))
    assert found["group"].type == ObjectOf((Property("output", union(STRING, NULL)),))
    assert found["group"].reason == "null when none of the variables of 'N' has a value"
    assert (found["inner"].type, found["inner"].optional) == (STRING, True)


# --- iterations and loops ---


def iteration(inside: list[dict[str, Any]], connections: list[str], output: list[str], **data: Any) -> dict[str, Any]:
    box = node(
        "box", "iteration", start_node_id="first", iterator_selector=["lists", "texts"], output_selector=output, **data
    )
    nodes = [*SOURCES, box, node("first", "iteration-start", "box"), *inside, end(out=["box", "output"])]
    return export(nodes, edges("start > lists > box > end", *connections))


def test_iterations_give_a_list_of_what_their_steps_make() -> None:
    assert outputs(iteration([template("t", "box")], ["first > t"], ["t", "output"]))["out"].type == TEXTS


def test_iterations_join_lists_unless_told_not_to() -> None:
    inside = [node("ex", "parameter-extractor", "box", parameters=[{"name": "p", "type": "array[number]"}])]
    flat = iteration(inside, ["first > ex"], ["ex", "p"])
    nested = iteration(inside, ["first > ex"], ["ex", "p"], flatten_output=False)
    assert outputs(flat)["out"].type == ArrayOf(NUMBER)
    assert outputs(nested)["out"].type == ArrayOf(ArrayOf(NUMBER))


def test_iterations_that_go_on_after_errors_give_null_for_them() -> None:
    definition = iteration(
        [template("t", "box")], ["first > t"], ["t", "output"], error_handle_mode="continue-on-error"
    )
    assert outputs(definition)["out"].type == ArrayOf(union(STRING, NULL))
    dropped = iteration(
        [template("t", "box")], ["first > t"], ["t", "output"], error_handle_mode="remove-abnormal-output"
    )
    assert outputs(dropped)["out"].type == TEXTS


def test_rounds_that_skip_the_step_give_null() -> None:
    inside = [node("check", "if-else", "box", cases=[{"case_id": "true"}]), template("t", "box")]
    definition = iteration(inside, ["first > check", "check:true > t"], ["t", "output"])
    assert outputs(definition)["out"].type == ArrayOf(union(STRING, NULL))


def test_the_editors_note_of_an_iterations_type_does_not_count() -> None:
    definition = iteration([template("t", "box")], ["first > t"], ["t", "output"], output_type="array[object]")
    assert outputs(definition)["out"].type == TEXTS


def test_iterations_within_iterations_see_their_own_items() -> None:
    inner = node(
        "in", "iteration", "box", start_node_id="s", iterator_selector=["box", "item"], output_selector=["in", "item"]
    )
    outer = node(
        "box", "iteration", start_node_id="first", iterator_selector=["c", "m"], output_selector=["in", "output"]
    )
    matrix = code("c", outputs={"m": {"type": "array[array[number]]"}}, text="def main():\n    return {'m': [[1]]}")
    nodes = [start(), matrix, outer, node("first", "iteration-start", "box"), inner, node("s", "iteration-start", "in")]
    nodes.append(end(out=["box", "output"]))
    assert outputs(export(nodes, edges("start > c > box > end", "first > in")))["out"].type == ArrayOf(NUMBER)


def test_nothing_outside_sees_the_steps_of_a_container() -> None:
    definition = iteration([template("t", "box")], ["first > t"], ["t", "output"])
    definition["workflow"]["graph"]["nodes"][-1] = end(out=["t", "output"])
    found = outputs(definition)["out"]
    assert (found.type, found.optional) == (STRING, True)
    assert "nothing outside of 'BOX' can see" in found.reason


def test_an_end_in_a_container_gives_what_its_rounds_give() -> None:
    last = {**end("inner", out=["t", "output"]), "parentId": "box"}
    definition = iteration([template("t", "box"), last], ["first > t > inner"], ["t", "output"])
    del definition["workflow"]["graph"]["nodes"][-1]
    found = outputs(definition)["out"]
    assert (found.type, found.reason) == (STRING, "only when 'BOX' goes through a round")


def test_container_ids_left_behind_by_copying_do_not_count() -> None:
    definition = iteration([template("t", "box")], ["first > t"], ["t", "output"])
    copied = template("copy", isInIteration=True, iteration_id="box")
    definition["workflow"]["graph"]["nodes"] += [copied, end("end2", other=["copy", "output"])]
    definition["workflow"]["graph"]["edges"] += edges("start > copy > end2")
    assert not outputs(definition)["other"].optional


def test_steps_may_name_their_container_without_parent_id() -> None:
    inside = template("t", iteration_id="box", isInIteration=True)
    assert outputs(iteration([inside], ["first > t"], ["t", "output"]))["out"].type == TEXTS
