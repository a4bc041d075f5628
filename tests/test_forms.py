"""Answers to human-input forms: what is refused before anything is sent, files, and tokens that no endpoint knows."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import pydantic
import pytest
import runtime
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field
from support.both_clients import Using, both_clients, with_sync
from support.replay import recording, replay
from support.servers import Server, as_json

TOKEN = "TheFormsToken"
FORMS = "* /v1/form/human_input/*"
POST = "POST /v1/form/human_input/*"
UPLOAD = "POST /v1/files/upload"
COLOURS = ["red", "green", "blue"]
FIELDS: list[dict[str, Any]] = [
    {
        "type": "paragraph",
        "output_variable_name": "comment",
        "default": {"type": "constant", "selector": [], "value": "as it is"},
    },
    {
        "type": "select",
        "output_variable_name": "colour",
        "option_source": {"type": "constant", "selector": [], "value": COLOURS},
    },
    {
        "type": "file",
        "output_variable_name": "proof",
        "allowed_file_types": ["document"],
        "allowed_file_extensions": [],
        "allowed_file_upload_methods": ["local_file", "remote_url"],
    },
    {
        "type": "file-list",
        "output_variable_name": "pictures",
        "allowed_file_types": ["image"],
        "allowed_file_upload_methods": ["local_file", "remote_url"],
        "number_limits": 2,
    },
]
ACTIONS = [{"id": "approve", "title": "Approve"}, {"id": "reject", "title": "Reject"}]
FORM = runtime.Form({"form_token": TOKEN, "node_title": "Review", "inputs": FIELDS, "actions": ACTIONS})
LINK = "https://files.example/a.png"
REMOTE = {"type": "image", "transfer_method": "remote_url", "url": LINK}
GOOD: dict[str, Any] = {"comment": "fine", "colour": "red", "proof": ("a.pdf", b"%PDF"), "pictures": [LINK]}


def refusal(form: runtime.Form | str = FORM, **answer: Any) -> runtime.FormValuesError:
    """The error of an answer that nothing listens for."""
    with pytest.raises(runtime.FormValuesError) as caught:
        with_sync("http://127.0.0.1:1", lambda client: client.submit_form(form, **{"action": "approve", **answer}))
    return caught.value


def only(field: dict[str, Any]) -> runtime.Form:
    return runtime.Form({**FORM.raw, "inputs": [field]})


def test_a_form_tells_its_options_its_rules_and_its_defaults() -> None:
    comment, colour, proof, pictures = FORM.inputs
    assert (colour.options, comment.options) == (tuple(COLOURS), ())
    assert (proof.allowed_file_types, proof.max_files) == (("document",), None)
    assert (pictures.allowed_file_upload_methods, pictures.max_files) == (("local_file", "remote_url"), 2)
    assert FORM.default_of(comment) == "as it is"
    assert runtime.Form({**FORM.raw, "resolved_default_values": {"comment": "cats"}}).default_of(comment) == "cats"


@both_clients
def test_files_go_to_the_server_for_the_user_who_answers(using: Using, tmp_path: Path) -> None:
    path = tmp_path / "b.png"
    path.write_bytes(b"\x89PNG")
    uploaded = runtime.UploadedFile({"id": "file-2", "name": "c.png"}, "eve")
    pictures = [path, uploaded]
    with Server({UPLOAD: as_json({"id": "file-1"}), POST: as_json({})}) as server:
        answer = {**GOOD, "pictures": pictures}
        using(server.url, lambda client: client.submit_form(FORM, action="approve", inputs=answer, user="eve"))
    *uploads, sent = server.requests
    assert len(uploads) == 2
    assert all(b'name="user"\r\n\r\neve' in upload.body for upload in uploads)
    local = {"transfer_method": "local_file"}
    assert sent.json == {
        "action": "approve",
        "user": "eve",
        "inputs": {
            "comment": "fine",
            "colour": "red",
            "proof": {"type": "document", **local, "upload_file_id": "file-1"},
            "pictures": [
                {"type": "image", **local, "upload_file_id": "file-1"},
                {"type": "image", **local, "upload_file_id": "file-2"},
            ],
        },
    }


def test_an_upload_of_another_user_is_refused() -> None:
    uploaded = runtime.UploadedFile({"id": "file-2", "name": "c.png"}, "ada")
    with pytest.raises(runtime.ConfigurationError, match=r"uploaded for the user 'ada', and this call is for 'eve'"):
        with_sync(
            "http://127.0.0.1:1",
            lambda client: client.submit_form(
                FORM, action="approve", inputs={**GOOD, "pictures": [uploaded]}, user="eve"
            ),
        )


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("comment", 5, "takes a text, not int"),
        ("comment", None, "takes a text, not NoneType"),
        ("colour", "pink", "takes one of 'red', 'green', 'blue', not 'pink'"),
        ("colour", ["red"], "takes one of 'red', 'green', 'blue', not list"),
        ("proof", ("a.exe", b""), "takes a file: 'a.exe' is of no kind that Dify knows, which is not taken here"),
        ("proof", 7, "takes a file: expected"),
        ("pictures", LINK, "takes a list of up to 2 files: a list is needed, not str"),
        ("pictures", [LINK] * 3, "takes a list of up to 2 files: 3 files are too many"),
        ("pictures", [("a.pdf", b"")], "takes a list of up to 2 files: 'a.pdf' is a document file"),
        ("clour", "red", "is no field of the form: it has 'comment', 'colour', 'proof', 'pictures'"),
    ],
)
def test_values_that_do_not_fit_are_named_with_what_is_taken(name: str, value: Any, problem: str) -> None:
    error = refusal(inputs={**GOOD, name: value})
    assert list(error.problems) == [name]
    assert error.problems[name].startswith(problem)
    assert f"{name} {problem}" in str(error)


def test_all_that_is_wrong_is_said_at_once() -> None:
    assert refusal(inputs={"colour": "pink"}).problems == {
        "comment": "is missing: it takes a text",
        "colour": "takes one of 'red', 'green', 'blue', not 'pink'",
        "proof": "is missing: it takes a file",
        "pictures": "is missing: it takes a list of up to 2 files",
    }


def test_an_unknown_action_is_refused_with_those_that_there_are() -> None:
    error = refusal(action="aprove", inputs=GOOD)
    assert str(error) == "The form has no action 'aprove': it takes 'approve', 'reject'"


@both_clients
def test_a_form_is_read_where_its_token_is_all_that_is_given(using: Using) -> None:
    shown, taken = replay("v1_14_webapp_approve_form_get"), replay("v1_14_resume_approve_form_post")
    with Server({FORMS: [shown, taken, shown]}) as server:
        using(server.url, lambda client: client.submit_form(TOKEN, action="reject", inputs={"comment": "no"}))
        with pytest.raises(runtime.FormValuesError, match="comment takes a text, not int"):
            using(server.url, lambda client: client.submit_form(TOKEN, action="reject", inputs={"comment": 5}))
    assert [request.line.partition(" ")[0] for request in server.requests] == ["GET", "POST", "GET"]


class Answer(runtime.FormAnswer):
    """As generated modules have them; tests/cases/gen/forms has one that was generated."""

    node_id: ClassVar[str] = "review"
    action_: Literal["approve", "reject"]
    comment: runtime.Text
    colour: Literal["red", "green", "blue"]
    proof: Annotated[runtime.FileInput, runtime.FileRules(types=("document",))]
    pictures: Annotated[Sequence[runtime.FileInput], Field(max_length=2)]
    action: Annotated[runtime.Text, Field(alias="action")]
    node_id_: Annotated[runtime.Text, Field(alias="node_id")]


MORE = [{"type": "paragraph", "output_variable_name": name} for name in ("action", "node_id")]
ASKED = {**FORM.raw, "node_id": "review", "inputs": [*FIELDS, *MORE]}


def answered(**other: Any) -> Answer:
    return Answer(**{"action_": "approve", **GOOD, "action": "mine", "node_id_": "too", **other})


@both_clients
def test_an_answer_is_sent_by_the_names_of_the_form(using: Using, tmp_path: Path) -> None:
    path = tmp_path / "b.png"
    path.write_bytes(b"\x89PNG")
    forms = [runtime.Form({**ASKED, "node_id": "other"}), runtime.Form(ASKED)]
    with Server({UPLOAD: as_json({"id": "file-1"}), POST: as_json({})}) as server:
        using(server.url, lambda client: client.submit_form(forms, answered(pictures=[path]), user="eve"))
    local = {"transfer_method": "local_file", "upload_file_id": "file-1"}
    assert server.requests[-1].json == {
        "action": "approve",
        "user": "eve",
        "inputs": {
            "comment": "fine",
            "colour": "red",
            "proof": {"type": "document", **local},
            "pictures": [{"type": "image", **local}],
            "action": "mine",
            "node_id": "too",
        },
    }


@pytest.mark.parametrize(
    ("forms", "message"),
    [
        (runtime.Form({**ASKED, "node_id": "other"}), "form of the node 'review', and not for that of 'other'"),
        ([], "form of the node 'review', and not for that of none at all"),
        ([runtime.Form(ASKED)] * 2, "2 forms of the node 'review' wait: give one of them alone"),
    ],
)
def test_an_answer_goes_to_the_form_of_its_own_node(forms: Any, message: str) -> None:
    with pytest.raises(runtime.FormValuesError, match=message):
        with_sync("http://127.0.0.1:1", lambda client: client.submit_form(forms, answered()))


def test_an_answer_is_held_against_the_form_as_it_is_now() -> None:
    changed = runtime.Form({**ASKED, "inputs": [*FIELDS[:3], *MORE], "actions": ACTIONS[1:]})
    with pytest.raises(runtime.FormValuesError, match="no action 'approve': it takes 'reject'"):
        with_sync("http://127.0.0.1:1", lambda client: client.submit_form(changed, answered()))
    with pytest.raises(runtime.FormValuesError, match="pictures is no field of the form"):
        with_sync("http://127.0.0.1:1", lambda client: client.submit_form(changed, answered(action_="reject")))


@pytest.mark.parametrize(
    "call", [{}, {"answer": "yes", "action": "approve"}, {"form": [FORM], "action": "approve"}], ids=str
)
def test_an_answer_is_one_of_two_things(call: dict[str, Any]) -> None:
    if "answer" in call:
        call = {**call, "answer": answered()}
    with pytest.raises(TypeError, match="or an answer"):
        with_sync("http://127.0.0.1:1", lambda client: client.submit_form(**{"form": FORM, **call}))


def test_an_answer_from_a_web_page_is_checked_and_opens_no_file(tmp_path: Path) -> None:
    (tmp_path / "secret.pdf").write_text("secret")
    data = {"action_": "delete", "comment": 5, "colour": "pink", "proof": str(tmp_path / "secret.pdf"), "pictures": []}
    with pytest.raises(pydantic.ValidationError) as caught:
        Answer.model_validate(data)
    assert {error["loc"][0] for error in caught.value.errors()} == {"action_", *data, "action", "node_id"} - {
        "pictures"
    }


@both_clients
def test_a_form_that_is_not_delivered_to_the_web_app_is_said_to_be_so(using: Using) -> None:
    case = "v1_14_pause_approve_form"
    token = recording(f"{case}_get").request["path"].rpartition("/")[2]
    assert token.encode() in recording(f"{case}_get").body  # the server's own message has it
    for use in ("get_form", "submit_form"):
        more = {} if use == "get_form" else {"action": "approve"}
        with (
            Server({FORMS: replay(f"{case}_get")}) as server,
            pytest.raises(runtime.NotFoundError, match="has the web app") as caught,
        ):
            using(server.url, lambda client, use=use, more=more: getattr(client, use)(token, **more))
        shown = f"{caught.value} {caught.value!r} {vars(caught.value)}"
        assert token not in shown
        assert "did you mean" not in shown
        assert caught.value.status == 404
        assert caught.value.__context__ is None


def test_a_form_without_a_token_says_where_else_it_is_answered() -> None:
    form = runtime.Form({**FORM.raw, "form_token": None, "approval_channels": ["console", "email"]})
    with pytest.raises(runtime.ConfigurationError, match=r"other ways than the API \(console, email\)"):
        with_sync("http://127.0.0.1:1", lambda client: client.submit_form(form, action="approve"))


def test_no_token_is_shown() -> None:
    assert TOKEN not in repr(FORM)
    event = runtime.HumanInputRequired({"event": "human_input_required", "data": FORM.raw})
    assert TOKEN not in repr(event)
    assert event.form.form_token == TOKEN


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from([*COLOURS, LINK]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(values=st.dictionaries(st.sampled_from(["comment", "colour", "extra"]), json_values))
def test_what_is_taken_is_what_the_fields_say(values: dict[str, Any]) -> None:
    form = runtime.Form({**FORM.raw, "inputs": FIELDS[:2]})
    fits = values.keys() == {"comment", "colour"}
    fits = fits and isinstance(values["comment"], str) and values["colour"] in COLOURS
    try:
        checked = runtime._operations.check_values(form, values)
    except runtime.FormValuesError as error:
        assert not fits
        assert error.problems
        assert set(error.problems) <= {"comment", "colour", "extra"}
    else:
        assert fits
        assert checked == values


@given(value=json_values | st.just(REMOTE) | st.lists(st.just(LINK), max_size=4))
def test_what_files_become_is_what_the_server_takes(value: Any) -> None:
    try:
        checked = runtime._operations.check_values(only(FIELDS[3]), {"pictures": value})
    except runtime.FormValuesError as error:
        assert list(error.problems) == ["pictures"]
        return
    wire = runtime._operations.wire_values(checked, {})
    assert len(wire["pictures"]) <= 2  # none at all are taken, too
    assert all(json.loads(json.dumps(file))["type"] == "image" for file in wire["pictures"])


@given(field=json_values, value=json_values)
def test_no_field_that_a_server_sends_breaks_the_check(field: Any, value: Any) -> None:
    hostile = {"type": field, "output_variable_name": "a", "option_source": field, "number_limits": field}
    try:
        runtime._operations.check_values(only(hostile), {"a": value})
    except runtime.FormValuesError as error:
        assert error.problems
