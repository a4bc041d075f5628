"""What an app is to its callers: where it is, what opens it, what goes in, what comes out, and why that may be absent.

Readers of definitions say the latter in English, with names of the definition in quotes. For other languages the
catalogue has the sentences that reasons are made of; one that is put together in a way which it does not know stays as
it is.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence

from difygen.codegen.annotations import usable_default
from difygen.codegen.describe import MAX_ANSWER_TEXT, sentence
from difygen.documents.pages.page import (
    Block,
    Bullets,
    CodeSpan,
    ForeignSpan,
    Listing,
    PageSection,
    Paragraph,
    PlainSpan,
    Prose,
    Span,
    Subheading,
    TableBlock,
    TableRow,
    Words,
    code,
    foreign,
    joined,
)
from difygen.documents.pages.subject import Subject, dashed, type_word, value, values
from difygen.model import Input, ObjectOf, OneOf, Primitive, Property, TemplatePiece, Type
from difygen.naming import snake_name
from difygen.types import items_of, members_of
from difygen.wording import one_line, shorten

MAX_DEPTH = 4
"""How deep the members of objects are listed."""

MAX_LENGTH = 400
"""Characters of a reason that is translated."""

_QUOTED = re.compile(r"`([^`]+)`|'(.+?)'(?=[\s,;:.)]|$)")
_NAME = re.compile("\ue000(\\d+)\ue001")
_OURS = re.compile(r"[A-Za-z]")


def address(subject: Subject) -> PageSection:
    """Say where the API is, and the two ways to miss it."""
    words = subject.words
    return PageSection(
        "base-url",
        words.text("base.title"),
        (
            Paragraph("base-url-address", words.prose("base.is", url=code(subject.base_url))),
            Paragraph("base-url-version", words.prose("base.trap_version"), "warning"),
            Paragraph("base-url-port", words.prose("base.trap_port"), "warning"),
            Paragraph("base-url-sure", words.prose("base.sure")),
        ),
    )


def key(subject: Subject) -> PageSection:
    """Say what opens the app, and where the examples take it from."""
    words = subject.words
    own, *others = subject.plan.key_variables
    rows = [(own, words.prose("key.own")), *((each, words.prose("key.any")) for each in others)]
    rows += [("DIFY_BASE_URL", words.prose("key.base")), ("DIFY_USER", words.prose("key.user"))]
    settings = f"export DIFY_BASE_URL={shlex.quote(subject.base_url)}\nexport {own}=app-...\n"
    return PageSection(
        "key",
        words.text("key.title"),
        (
            Paragraph("key-header", words.prose("key.header", header=code("Authorization: Bearer app-…"))),
            Paragraph("key-is-app", words.prose("key.is_app"), "warning"),
            Paragraph("key-secret", words.prose("key.secret")),
            Listing("key-settings", "sh", settings, words.prose("key.variables")),
            TableBlock(
                "key-variables",
                (words.text("key.variable"), words.text("key.meaning")),
                tuple(TableRow(f"variable-{name}", (code(name), about)) for name, about in rows),
            ),
        ),
    )


# Inputs


def inputs(subject: Subject) -> PageSection:
    """List the app's inputs, with the members of those that are objects."""
    words, app = subject.words, subject.app
    blocks: list[Block] = []
    if app.inputs:
        heads = ["name", "type", "required", "rules", "meaning"]
        is_renamed = any(name != wire for wire, name in subject.names.inputs.items())
        heads += ["python"] * is_renamed
        rows = [row for each in app.inputs for row in _input_rows(each, subject, is_renamed=is_renamed)]
        table = TableBlock("inputs-table", tuple(words.text(f"inputs.{head}") for head in heads), tuple(rows))
        blocks += [Paragraph("inputs-where", words.prose("inputs.in_object")), table]
    else:
        blocks.append(Paragraph("inputs-none", words.prose("inputs.none")))
    notes = [words.prose("inputs.is_closed")]
    if any(not each.required and each.default is not None for each in app.inputs):
        notes.append(words.prose("inputs.defaults_graph" if app.kind.terminal_nodes else "inputs.defaults_form"))
    if any(each.kind == "number" for each in app.inputs):
        notes.append(words.prose("inputs.number"))
    if subject.is_chat and app.inputs:
        notes.append(words.prose("inputs.every_turn"))
    return PageSection("inputs", words.text("inputs.title"), (*blocks, Bullets("inputs-notes", tuple(notes))))


def _input_rows(variable: Input, subject: Subject, *, is_renamed: bool) -> Iterator[TableRow]:
    words, python = subject.words, subject.names.inputs[variable.name]
    label = "" if variable.label == variable.name else variable.label
    about = joined((foreign(label), foreign(variable.description)), " — ")
    cells = (
        code(variable.name),
        code(type_word(variable.value_type)),
        words.prose("words.required" if variable.required else "words.optional"),
        dashed(words.listed(rules(variable, words))),
        dashed(about),
        *((code(python),) if is_renamed else ()),
    )
    id_ = f"input-{python.rstrip('_')}"
    yield TableRow(id_, cells)
    yield from _member_rows(variable.name, variable.value_type, id_, subject, 5 + is_renamed)


def rules(variable: Input, words: Words) -> Iterator[Prose]:
    """Yield what holds for the values of an input, and what it is filled with before anybody fills it in."""
    if variable.max_length and variable.traits.unit:
        limit = (PlainSpan(f"{variable.max_length:,}"),)
        yield words.prose(f"inputs.{variable.traits.unit}", count=limit)
    if isinstance(variable.value_type, OneOf):
        yield words.prose("inputs.one_of", values=values(variable.value_type.values, words))
    if variable.traits.is_file:
        kinds = [each for each in variable.allowed_file_types if each != "custom"]
        kinds += variable.allowed_file_extensions if "custom" in variable.allowed_file_types else ()
        if kinds:
            yield values(kinds, words)
        if variable.allowed_file_upload_methods in (("remote_url",), ("local_file",)):
            yield words.prose(
                "inputs.by_url" if "remote_url" in variable.allowed_file_upload_methods else "inputs.by_upload"
            )
    if usable_default(variable):
        yield words.prose("inputs.default", value=value(variable.default))
    if variable.prefilled is not None:
        yield words.prose("inputs.prefilled", value=value(variable.prefilled))


def _member_rows(
    owner: str, type_: Type, id_: str, subject: Subject, columns: int, depth: int = 0
) -> Iterator[TableRow]:
    """Yield a row for each member of an object, of a list of objects too, called by the way that leads to it."""
    words = subject.words
    for path, member in _members(owner, type_):
        row_id = f"{id_}-{snake_name(member.name, 'member')}"
        about = joined((foreign(member.description), _expected(member.type, words)), "; ")
        if columns > 4:
            required = words.prose("words.required" if member.required else "words.optional")
            cells = [code(path), code(type_word(member.type)), required, dashed(()), dashed(about)]
        else:
            absent = words.prose("outputs.always" if member.required else "outputs.maybe")
            cells = [code(path), code(type_word(member.type)), absent, dashed(about)]
        yield TableRow(row_id, (*cells, *((PlainSpan("—"),) for _ in range(columns - len(cells)))))
        if depth + 1 < MAX_DEPTH:
            yield from _member_rows(path, member.type, row_id, subject, columns, depth + 1)


def _members(owner: str, type_: Type) -> Iterator[tuple[str, Property]]:
    for member in members_of(type_):
        item = items_of(member)
        if isinstance(member, ObjectOf):
            yield from ((f"{owner}.{each.name}", each) for each in member.properties)
        elif item is not None and item is not member:
            yield from _members(f"{owner}[]", item)


def _expected(type_: Type, words: Words) -> Prose:
    """Return what a text is expected to be, if its type says."""
    choices = [each for each in members_of(type_) if isinstance(each, OneOf)]
    found = [one_line(each) for choice in choices for each in choice.values]
    return words.prose("inputs.expected", values=values(found, words)) if found else ()


# What comes out


def outputs(subject: Subject) -> PageSection:
    """List what a run of a workflow gives."""
    words = subject.words
    blocks: list[Block] = []
    is_renamed = any(name != wire for wire, name in subject.names.outputs.items())
    if subject.app.outputs:
        heads = ["inputs.name", "inputs.type", "outputs.presence", "inputs.meaning", *["inputs.python"] * is_renamed]
        rows: list[TableRow] = []
        for output in subject.app.outputs:
            python = subject.names.outputs[output.name]
            reason = reason_in(words, output.reason) or words.prose("outputs.maybe")
            about = joined((foreign(output.description), _expected(output.type, words)), "; ")
            cells = (
                code(output.name),
                code(type_word(output.type)),
                reason if output.optional else words.prose("outputs.always"),
                dashed(about),
                *((code(python),) if is_renamed else ()),
            )
            id_ = f"output-{python.rstrip('_')}"
            rows.append(TableRow(id_, cells))
            rows += _member_rows(output.name, output.type, id_, subject, 4 + is_renamed)
        blocks.append(TableBlock("outputs-table", tuple(map(words.text, heads)), tuple(rows)))
        blocks.append(Paragraph("outputs-failure", words.prose("outputs.failure"), "warning"))
        types = " ".join(type_word(output.type) for output in subject.app.outputs)
        notes = [leaf.value for leaf in (Primitive.ANY, Primitive.FILE) if leaf.value in types]
        if notes:
            blocks.append(Bullets("outputs-notes", tuple(words.prose(f"outputs.{name}") for name in notes)))
    else:
        blocks.append(Paragraph("outputs-none", words.prose("outputs.none")))
    return PageSection("outputs", words.text("outputs.title"), tuple(blocks))


def step_cell(titles: Mapping[str, str], node: str) -> Prose:
    """Return how tables call a node: by its title and its id."""
    return (*foreign(titles.get(node, "")), PlainSpan(" "), *code(node))


def answer(subject: Subject) -> PageSection:
    """Say what a turn answers, and what its app has switched on."""
    words, app = subject.words, subject.app
    blocks: list[Block] = [Paragraph("answer-text", words.prose("answer.text"))]
    titles = {node.id: node.title for node in app.nodes}
    if app.answers:
        rows = [
            TableRow(
                f"answer-{subject.names.nodes[each.node].lower()}",
                (
                    step_cell(titles, each.node),
                    _template(each.pieces, titles),
                    reason_in(words, each.reason) or words.prose("answer.always"),
                ),
            )
            for each in app.answers
        ]
        heads = tuple(words.text(f"answer.{head}") for head in ("node", "says", "when"))
        blocks += [Paragraph("answer-pieces", words.prose("answer.pieces")), TableBlock("answers", heads, tuple(rows))]
    if app.variables:
        blocks += _variables(subject)
    if app.tools:
        heads = (words.text("answer.tool"), words.text("answer.label"))
        tool_rows = tuple(
            TableRow(f"tool-{at}", (code(tool.name), dashed(foreign(tool.label))))
            for at, tool in enumerate(app.tools, 1)
        )
        blocks += [
            Subheading("tools", words.text("answer.tools")),
            Paragraph("tools-about", words.prose("answer.tools_about")),
            TableBlock("tools-table", heads, tool_rows),
        ]
    if features := tuple(_features(subject)):
        blocks += [Subheading("features", words.text("answer.features")), Bullets("features-list", features)]
    return PageSection("answer", words.text("answer.title"), tuple(blocks))


def _template(pieces: Sequence[TemplatePiece], titles: Mapping[str, str]) -> Prose:
    """Return what an Answer node says: its own words, and the values in it by where they come from."""
    found: list[Prose] = []
    for piece in pieces:
        if piece.selector:
            source, *path = piece.selector
            found.append(code(".".join((titles.get(source) or source, *path))))
        elif piece.text.strip():
            found.append(foreign(shorten(one_line(piece.text), MAX_ANSWER_TEXT)))
    return dashed(joined(found, " "))


def _variables(subject: Subject) -> list[Block]:
    words = subject.words
    heads = ("inputs.name", "inputs.type", "answer.initial", "inputs.meaning")
    rows = tuple(
        TableRow(
            f"remembered-{subject.names.variables[each.name].rstrip('_')}",
            (
                code(each.name),
                code(type_word(each.type)),
                dashed(() if each.initial in (None, "") else value(each.initial)),
                dashed(foreign(each.description)),
            ),
        )
        for each in subject.app.variables
    )
    return [
        Subheading("variables", words.text("answer.variables")),
        Paragraph("variables-about", words.prose("answer.variables_about")),
        TableBlock("variables-table", tuple(map(words.text, heads)), rows),
    ]


def _features(subject: Subject) -> Iterator[Prose]:
    words, features = subject.words, subject.app.features
    if features.opening_statement.strip():
        yield words.prose("answer.opening", text=foreign(features.opening_statement))
    if features.suggested_questions:
        yield words.prose("answer.suggested", texts=words.listed(map(foreign, features.suggested_questions)))
    switched: Mapping[str, bool] = {
        "citations": features.citations,
        "moderation": features.moderation,
        "annotation": features.annotation_reply,
        "speech": features.text_to_speech and features.auto_play,
    }
    yield from (words.prose(f"answer.{name}") for name, is_on in switched.items() if is_on)


def result(subject: Subject) -> PageSection:
    """Say what comes out, whatever the kind of app."""
    return outputs(subject) if subject.app.kind.has_outputs else answer(subject)


# Reasons


def reason_in(words: Words, reason: str) -> Prose:
    """Return a reason as a sentence; nothing for none. Names in it are code, titles stand in quotes."""
    reason = one_line(reason).translate({0xE000: None, 0xE001: None})
    names: list[Span] = []

    def name(found: re.Match[str]) -> str:
        names.append(CodeSpan(found[1]) if found[1] else ForeignSpan(words.text("reasons.quoted", title=found[2])))
        return f"\ue000{len(names) - 1}\ue001"

    if words.language != "en" and len(reason) <= MAX_LENGTH:
        clauses = [_translated(words, each, {}) for each in _QUOTED.sub(name, reason).split("; ")]
        if reason and None not in clauses:
            bare = words.text("reasons.then").join(map(str, clauses))
            return tuple(_spans(f"{bare}{words.text('reasons.stop')}", names))
        names.clear()
    return tuple(_spans(_QUOTED.sub(name, sentence(reason)), names))


def _spans(bare: str, names: list[Span]) -> Iterator[Span]:
    for at, piece in enumerate(_NAME.split(bare)):
        if at % 2:
            yield names[int(piece)]
        elif piece:
            yield PlainSpan(piece) if names else ForeignSpan(piece)


def _translated(words: Words, text: str, known: dict[str, str | None]) -> str | None:
    """Return a clause in the language of the words; None if it is made of something that they lack."""
    if not _OURS.search(text):
        return text.replace(", ", words.comma)
    if text not in known:
        known[text] = None
        for key in words.keys("reasons.clauses"):
            for parts in _taken_apart(words.english(f"reasons.clauses.{key}"), text):
                inner = {hole: _translated(words, part, known) for hole, part in parts.items()}
                if None not in inner.values():
                    known[text] = words.text(
                        f"reasons.clauses.{key}", **{hole: str(each) for hole, each in inner.items()}
                    )
                    return known[text]
    return known[text]


def _taken_apart(pattern: str, text: str) -> Iterator[dict[str, str]]:
    """Yield what may stand in the holes of a pattern: `{a}`, and `{b}` behind it, wherever it can be split."""
    before, *rest = re.split(r"\{\w\}", pattern)
    if not text.startswith(before) or not text.endswith(rest[-1]):
        return
    inner = text[len(before) : len(text) - len(rest[-1])]
    if len(rest) == 1:
        if inner:
            yield {"a": inner}
        return
    at = inner.find(rest[0], 1)
    while at > 0:
        if inner[at + len(rest[0]) :]:
            yield {"a": inner[:at], "b": inner[at + len(rest[0]) :]}
        at = inner.find(rest[0], at + 1)
