"""What a run asks of people, and how a program answers in their place."""

from __future__ import annotations

from collections.abc import Iterator

from difygen.codegen.syntax import Code, call, code, literal
from difygen.console import pretty_json
from difygen.documents.pages.contract import rules, step_cell
from difygen.documents.pages.page import (
    Block,
    Listing,
    PageSection,
    Paragraph,
    TableBlock,
    TableRow,
    foreign,
)
from difygen.documents.pages.page import code as as_code
from difygen.documents.pages.shell import arguments, curl, file_argument, laid_out
from difygen.documents.pages.subject import Subject, dashed, type_word
from difygen.mock.example import ApiCall, example_answers, value_for
from difygen.model import WORKFLOW, HumanForm


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
        *_tables(subject),
        Paragraph("forms-unchecked", words.prose("forms.unchecked"), "warning"),
    ]
    for (name, each), answered in zip(calls.items(), answers, strict=True):
        blocks.append(Listing(f"curl-{name}", "sh", curl(subject, each), words.prose(f"forms.{name}")))
        if answered is not None:
            blocks.append(Listing(f"answer-{name}", "json", pretty_json(answered)))
    blocks += [
        Listing("curl-follow", "sh", curl(subject, follow, is_stream=True), words.prose("forms.follow")),
        Listing("python-form", "python", _python(subject, form), words.prose("forms.python")),
    ]
    return PageSection("forms", words.text("forms.title"), tuple(blocks))


def _tables(subject: Subject) -> Iterator[TableBlock]:
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


def _python(subject: Subject, form: HumanForm) -> str:
    """Return a call that pauses, its answer, and the end of it in Python."""
    client, names = subject.client, subject.names.forms[form.node]
    is_run = subject.app.kind is WORKFLOW
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
