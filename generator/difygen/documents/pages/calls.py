"""How the app is called, what it answers, what it asks of people, and what can be done with a run afterwards.

All of it runs as it stands.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from difygen.codegen.syntax import Code, call, code, literal
from difygen.console import compact_json, pretty_json
from difygen.documents.pages.contract import rules, step_cell
from difygen.documents.pages.page import (
    Block,
    Listing,
    PageSection,
    Paragraph,
    Subheading,
    TableBlock,
    TableRow,
    foreign,
)
from difygen.documents.pages.page import code as as_code
from difygen.documents.pages.subject import (
    Subject,
    arguments,
    curl,
    dashed,
    file_argument,
    laid_out,
    start_call,
    takes_files,
    type_word,
)
from difygen.mock.example import ApiCall, example_answers, file_for, value_for
from difygen.mock.files import kind_of
from difygen.model import HumanForm, Input, TurnFiles
from difygen.naming import Identifier


def request(subject: Subject) -> PageSection:
    """Say how to call the app: by curl, by Python, with files."""
    words = subject.words
    method = as_code(f"POST {subject.base_url}/{subject.app.kind.start}")
    blocks: list[Block] = [
        Paragraph("request-post", words.prose("request.post", method=method)),
        _members(subject),
    ]
    if subject.app.kind.has_blocking:
        blocks += [
            Subheading("blocking", words.text("request.blocking")),
            Listing("curl-blocking", "sh", curl(subject, start_call(subject, "blocking"))),
            Paragraph("blocking-trap", words.prose("request.blocking_trap"), "warning"),
        ]
    blocks += [
        Subheading("streaming", words.text("request.streaming")),
        Listing(
            "curl-streaming",
            "sh",
            curl(subject, start_call(subject, "streaming"), is_stream=True),
            words.prose("request.streaming_about"),
        ),
        Subheading("python", words.text("request.python")),
        Paragraph("python-about", words.prose("request.python_about")),
        *_python(subject),
    ]
    if takes_files(subject.app):
        blocks += _files(subject)
    return PageSection("request", words.text("request.title"), tuple(blocks))


def _members(subject: Subject) -> TableBlock:
    """Return the table of what a body holds beside the inputs."""
    words, kind = subject.words, subject.app.kind
    rows = [("inputs", "object", True, "m_inputs"), ("user", "string", True, "m_user")]
    if "query" in kind.parameters:
        rows.insert(0, ("query", "string", True, "m_query"))
    mode = "m_response_mode" if kind.has_blocking else "m_response_mode_agent"
    rows.append(("response_mode", "string", not kind.has_blocking, mode))
    if subject.is_chat:
        rows.append(("conversation_id", "string", False, "m_conversation_id"))
        rows.append(("auto_generate_name", "boolean", False, "m_auto_generate_name"))
    if subject.app.files is not None:
        rows.append(("files", "array[object]", False, "m_files"))
    heads = ("request.member", "inputs.type", "inputs.required", "inputs.meaning")
    return TableBlock(
        "request-members",
        tuple(map(words.text, heads)),
        tuple(
            TableRow(
                f"member-{name}",
                (
                    as_code(name),
                    as_code(type_),
                    words.prose("words.required" if required else "words.optional"),
                    words.prose(f"request.{about}"),
                ),
            )
            for name, type_, required, about in rows
        ),
    )


def _python(subject: Subject) -> Iterator[Listing]:
    """Yield the app's call in Python, waiting and streaming."""
    words, client = subject.words, subject.client
    package = Identifier(subject.wanted.package)
    run, stream = client.functions[:2]
    result = Identifier(subject.app.kind.call)
    waits, opens = ("await ", "async ") if client.is_async else ("", "")
    shown = [f"print({result}.answer)"]
    if subject.app.kind.has_outputs:
        names = [subject.names.outputs[each.name] for each in subject.app.outputs]
        shown = [f"print({result}.outputs.{name})" for name in names] or [f"print({result}.status)"]
    lines = [
        f"from {package} import {run}",
        "",
        f"{result} = {waits}{call(run, *arguments(subject))}",
        *shown,
    ]
    about = words.prose("request.python_blocking" if subject.app.kind.has_outputs else "request.python_turn")
    yield Listing("python-blocking", "python", laid_out(lines), about)
    lines = [
        f"from {package} import {stream}",
        "",
        f"{opens}with {call(stream, *arguments(subject))} as stream:",
        f"    {opens}for event in stream:",
        "        print(event.event)",
        f"    {result} = {waits}stream.result()",
    ]
    yield Listing("python-streaming", "python", laid_out(lines), words.prose("request.python_streaming"))


# Files


def _files(subject: Subject) -> Iterator[Block]:
    """Yield how a file is uploaded, and what is done with it."""
    words = subject.words
    name = example_file(subject)
    upload = upload_call(subject)
    (uploaded,) = example_answers(subject.definition, [upload])
    yield Subheading("files", words.text("request.files"))
    yield Paragraph("files-about", words.prose("request.files_about"))
    yield Listing("curl-upload", "sh", curl(subject, upload))
    yield Listing("uploaded", "json", pretty_json(uploaded))
    body = _with_upload(subject)
    mode = "blocking" if subject.app.kind.has_blocking else "streaming"
    yield Listing(
        "curl-with-file", "sh", curl(subject, start_call(subject, mode, body)), words.prose("request.files_then")
    )
    run = subject.client.functions[0]
    given, path = arguments(subject), literal(name)
    argument = code("files=[{}]", path)
    if subject.file_inputs:
        variable = subject.file_inputs[0]
        value = path if variable.kind == "file" else code("[{}]", path)
        argument = code("{}={}", subject.names.inputs[variable.name], value)
        given = [each for each in given if each.partition("=")[0] != argument.partition("=")[0]]
    given.insert(len(given) - 1, argument)
    waits = "await " if subject.client.is_async else ""
    result = subject.app.kind.call
    lines = [f"from {subject.wanted.package} import {run}", "", f"{result} = {waits}{call(run, *given)}"]
    yield Listing("python-file", "python", laid_out(lines), words.prose("request.files_python"))


def upload_call(subject: Subject) -> ApiCall:
    """Return the call that uploads a file which the app takes."""
    return ApiCall("POST", "/files/upload", {"user": subject.example.request["user"]}, example_file(subject))


def example_file(subject: Subject) -> str:
    """Return the name of a file which the app takes."""
    given = _first_file(subject)
    if given is None or "url" not in given:
        rules = subject.app.files or TurnFiles()
        variable = Input(
            name="file",
            kind="file",
            allowed_file_types=rules.types or ("image",),
            allowed_file_extensions=rules.extensions,
        )
        given = file_for(subject.file_inputs[0] if subject.file_inputs else variable)
    return "example." + str(given["url"]).rpartition(".")[2]


def _first_file(subject: Subject) -> Mapping[str, Any] | None:
    """Return the file that the example sends as the first file input, if it sends one."""
    if not subject.file_inputs:
        return None
    given = subject.example.request["inputs"].get(subject.file_inputs[0].name)
    given = given[0] if isinstance(given, list) and given else given
    return given if isinstance(given, Mapping) else None


def _with_upload(subject: Subject) -> dict[str, Any]:
    """Return the example's body with an uploaded file in it: in the first file input, else beside the inputs."""
    body = dict(subject.example.request)
    given = _first_file(subject)
    file = {
        "transfer_method": "local_file",
        "type": given["type"] if given and "type" in given else kind_of(example_file(subject).rpartition(".")[2]),
        "upload_file_id": "{file_id}",
    }
    if not subject.file_inputs:
        return body | {"files": [file]}
    variable = subject.file_inputs[0]
    return body | {"inputs": body["inputs"] | {variable.name: file if variable.kind == "file" else [file]}}


# Answers


def response(subject: Subject) -> PageSection:
    """Show what comes back: whole, and event by event."""
    words, kind = subject.words, subject.app.kind
    blocks: list[Block] = [Paragraph("response-made", words.prose("response.made"))]
    if kind.has_blocking:
        trap = "status_trap" if kind.has_outputs else "turn_trap"
        blocks += [
            Subheading("response-blocking", words.text("response.blocking")),
            Listing("answer-blocking", "json", pretty_json(subject.example.answer)),
            Paragraph("response-trap", words.prose(f"response.{trap}"), "warning"),
        ]
    blocks += [
        Subheading("response-streaming", words.text("response.streaming")),
        Paragraph("stream-about", words.prose("response.stream_about")),
        Listing("answer-streaming", "sse", _stream(subject)),
    ]
    return PageSection("response", words.text("response.title"), tuple(blocks))


def _stream(subject: Subject) -> str:
    """Return the events of the example as they come, the first of each kind; comments count the others."""
    events = subject.example.events
    first = {event["event"]: at for at, event in reversed([*enumerate(events)])}
    kept = {*first.values(), len(events) - 1}
    lines: list[str] = []
    skipped: Counter[str] = Counter()
    empty: tuple[Any, ...] = (None, {}, [])  # within what the app itself gives they stay
    for at, event in enumerate(events):
        if at in kept:
            if skipped:
                lines.append(
                    f": {subject.words.text('response.more', count=str(skipped.total()))} ({', '.join(skipped)})"
                )
                skipped.clear()
            data = event.get("data")
            if isinstance(data, Mapping):
                event = event | {"data": {key: each for key, each in data.items() if each not in empty}}
            lines.append(f"data: {compact_json({key: each for key, each in event.items() if each not in empty})}")
        else:
            skipped[event["event"]] += 1
    return "\n\n".join(lines) + "\n"


def later(subject: Subject) -> PageSection:
    """Say how a run of a workflow is looked up and stopped, and how a text generator's call is."""
    words, kind = subject.words, subject.app.kind
    user = {"user": subject.example.request["user"]}
    calls = []
    if kind.has_outputs:
        calls.append(("detail", ApiCall("GET", "/workflows/run/{workflow_run_id}")))
    else:
        calls.append(("feedback", ApiCall("POST", "/messages/{message_id}/feedbacks", {"rating": "like", **user})))
    calls.append(("stop", ApiCall("POST", f"/{kind.stop}", user)))
    answers = example_answers(subject.definition, [each for _, each in calls])
    blocks: list[Block] = []
    if not (kind.has_outputs or kind.has_conversations):
        blocks.append(Paragraph("later-alone", words.prose("conversation.alone")))
    for (name, each), answered in zip(calls, answers, strict=True):
        group = "conversation" if name == "feedback" else "later"
        about = words.prose("conversation.feedback_about" if name == "feedback" else f"later.{name}")
        blocks.append(Listing(f"curl-{name}", "sh", curl(subject, each), about))
        blocks.append(Listing(f"answer-{name}", "json", pretty_json(answered)))
        if words.has(f"{group}.{name}_about") and name != "feedback":
            blocks.append(Paragraph(f"{name}-about", words.prose(f"{group}.{name}_about")))
    return PageSection("later", words.text("later.title"), tuple(blocks))


# Conversations


def conversation(subject: Subject) -> PageSection:
    """Say how conversations go on, and what can be asked about them."""
    words, app = subject.words, subject.app
    user = str(subject.example.request["user"])
    mode = "blocking" if app.kind.has_blocking else "streaming"
    again = {**subject.example.request, "conversation_id": "{conversation_id}"}
    named = "/conversations/{conversation_id}"
    page = f"?user={user}&limit=20"
    calls = {
        "messages": ApiCall("GET", f"/messages{page}&conversation_id={{conversation_id}}"),
        "list": ApiCall("GET", f"/conversations{page}"),
        "variables": ApiCall("GET", f"{named}/variables?user={user}"),
        "feedback": ApiCall("POST", "/messages/{message_id}/feedbacks", {"rating": "like", "user": user}),
        "suggested": ApiCall("GET", f"/messages/{{message_id}}/suggested?user={user}"),
        "stop": ApiCall("POST", f"/{app.kind.stop}", {"user": user}),
        "rename": ApiCall("POST", f"{named}/name", {"name": "Orders", "user": user}),
        "delete": ApiCall("DELETE", named, {"user": user}),
    }
    if not app.variables:
        del calls["variables"]
    if not app.features.suggested_questions_after_answer:
        del calls["suggested"]
    answers = dict(zip(calls, example_answers(subject.definition, [*calls.values()]), strict=True))
    blocks: list[Block] = [
        Paragraph("conversation-life", words.prose("conversation.life")),
        Subheading("go-on", words.text("conversation.go_on")),
        Listing("curl-go-on", "sh", curl(subject, start_call(subject, mode, again), is_stream=mode == "streaming")),
        Paragraph("go-on-about", words.prose("conversation.go_on_about"), "warning"),
        Listing("python-conversation", "python", _python_conversation(subject), words.prose("conversation.python")),
    ]
    for name, each in calls.items():
        if name != "delete":
            blocks.append(Subheading(f"calls-{name}", words.text(f"conversation.{name}")))
        if words.has(f"conversation.{name}_about"):
            blocks.append(Paragraph(f"{name}-about", words.prose(f"conversation.{name}_about")))
        blocks.append(Listing(f"curl-{name}", "sh", curl(subject, each)))
        if answers[name] is not None:
            blocks.append(Listing(f"answer-{name}", "json", pretty_json(answers[name])))
    if "suggested" not in calls:
        blocks.append(Paragraph("suggested-off", words.prose("conversation.suggested_off")))
    return PageSection("conversation", words.text("conversation.title"), tuple(blocks))


def _python_conversation(subject: Subject) -> str:
    """Return a conversation in Python, with what the app has switched on."""
    client, query = subject.client, literal(subject.example.request["query"])
    waits, opens = ("await ", "async ") if client.is_async else ("", "")
    given = arguments(subject, user=False, query=False)
    user = code("user={}", literal(str(subject.example.request["user"])))
    lines = [
        f"from {subject.wanted.package} import {client.name}",
        "",
        f"{opens}with {call(client.name, user)} as client:",
        f"    conversation = {call(code('client.conversation'), *given)}",
        f"    turn = {waits}{call(code('conversation.send'), query)}",
        f"    {opens}with {call(code('conversation.stream'), query)} as stream:",
        f"        {opens}for piece in stream.text():",
        '            print(piece, end="")',
        f"        turn = {waits}stream.result()",
        f"    {waits}turn.like()",
    ]
    if subject.app.features.suggested_questions_after_answer:
        lines.append(f"    print({waits}turn.suggested_questions())")
    if subject.app.variables:
        lines.append(f"    print({waits}conversation.variables())")
    lines += [
        f"    {opens}for message in conversation.messages():",
        "        print(message.query, message.answer)",
    ]
    return laid_out(lines)


def afterwards(subject: Subject) -> PageSection:
    """Say what can be done after a call, whatever the kind of app."""
    return conversation(subject) if subject.is_chat else later(subject)


# Forms


def forms(subject: Subject) -> PageSection | None:
    """Say what is asked, and how it is answered; nothing for an app whose callers answer nothing."""
    words, app = subject.words, subject.app
    if not app.forms:
        return None
    user = str(subject.example.request["user"])
    data = subject.example.answer.get("data", {})
    form, is_asked = next(
        ((each, True) for each in app.forms if each.node in data.get("paused_nodes", ())), (app.forms[0], False)
    )
    answer = {field.name: value_for(field) for field in form.inputs}
    calls = {
        "form": ApiCall("GET", "/form/human_input/{form_token}"),
        "submit": ApiCall(
            "POST", "/form/human_input/{form_token}", {"action": form.actions[0].id, "inputs": answer, "user": user}
        ),
    }
    follow = ApiCall("GET", f"/workflow/{{workflow_run_id}}/events?user={user}")
    answers = example_answers(subject.definition, [*calls.values()]) if is_asked else (None, None)
    blocks: list[Block] = [
        Paragraph("forms-about", words.prose("forms.about")),
        Paragraph("forms-secret", words.prose("forms.secret"), "warning"),
        *_form_tables(subject),
        Paragraph("forms-unchecked", words.prose("forms.unchecked"), "warning"),
    ]
    for (name, each), answered in zip(calls.items(), answers, strict=True):
        blocks.append(Listing(f"curl-{name}", "sh", curl(subject, each), words.prose(f"forms.{name}")))
        if answered is not None:
            blocks.append(Listing(f"answer-{name}", "json", pretty_json(answered)))
    blocks += [
        Listing("curl-follow", "sh", curl(subject, follow, is_stream=True), words.prose("forms.follow")),
        Listing("python-form", "python", _python_form(subject, form), words.prose("forms.python")),
    ]
    return PageSection("forms", words.text("forms.title"), tuple(blocks))


def _form_tables(subject: Subject) -> Iterator[TableBlock]:
    """Yield what the forms ask for, and the buttons that they have."""
    words, app = subject.words, subject.app
    titles = {node.id: node.title for node in app.nodes}
    fields: list[TableRow] = []
    buttons: list[TableRow] = []
    for form in app.forms:
        names = subject.names.forms[form.node]
        step = step_cell(titles, form.node)
        id_ = subject.names.nodes[form.node].lower()
        for field in form.inputs:
            cells = (
                as_code(field.name),
                as_code(type_word(field.value_type)),
                dashed(words.listed(rules(field, words))),
            )
            fields.append(TableRow(f"field-{id_}-{names.inputs[field.name]}", (step, *cells)))
        for number, action in enumerate(form.actions, 1):
            button = (as_code(action.id), dashed(foreign(action.title)))
            buttons.append(TableRow(f"button-{id_}-{number}", (step, *button)))
    heads = ("steps.step", "forms.field", "inputs.type", "inputs.rules")
    if fields:
        yield TableBlock("forms-fields", tuple(map(words.text, heads)), tuple(fields))
    yield TableBlock(
        "forms-buttons", tuple(map(words.text, ("steps.step", "forms.action", "forms.button"))), tuple(buttons)
    )


def _python_form(subject: Subject, form: HumanForm) -> str:
    """Return a call that pauses, its answer, and the end of it in Python."""
    client, names = subject.client, subject.names.forms[form.node]
    is_run = subject.app.kind.has_outputs
    result, error = ("run", "RunPausedError") if is_run else ("turn", "TurnPausedError")
    waits, opens = ("await ", "async ") if client.is_async else ("", "")
    given = [code("{}={}", names.action, literal(form.actions[0].id))]
    for field in form.inputs:
        given.append(code("{}={}", names.inputs[field.name], literal(file_argument(value_for(field)))))
    user = code("user={}", literal(str(subject.example.request["user"])))
    start = call(Code(f"client.{client.verbs[0]}"), *arguments(subject, user=False))
    lines = [
        f"from {subject.wanted.package} import {client.name}, {names.answer}, {error}",
        "",
        f"{opens}with {call(client.name, user)} as client:",
        "    try:",
        f"        {result} = {waits}{start}",
        f"    except {error} as paused:",
        f"        answer = {call(names.answer, *given)}",
        f"        {waits}client.submit_form(paused.forms, answer)",
        f"        {result} = {waits}client.resume(paused).result()",
    ]
    return laid_out(lines)
