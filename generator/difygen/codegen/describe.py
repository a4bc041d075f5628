"""What is said about an app, whatever the target: texts of its definition as sentences, and sentences of our own.

What comes out is still plain text, which each target has a door for.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from difygen.model import App, HumanForm, Input, JsonValue, OneOf, Output, Type
from difygen.types import members_of
from difygen.wording import listed, named, one_line, quoted, width

_LINE_BREAKS = str.maketrans({"\r": "\n", "\u2028": "\n", "\u2029": "\n"})
MAX_ANSWER_TEXT = 60
"""Characters of a fixed text of an answer that are shown."""
_SENTENCE_ENDS = (".", "!", "?", "。", "！", "？", "…")


def paragraphs(text: str) -> list[str]:
    """Return the lines of `text`, each on one line; an empty one stands between paragraphs."""
    lines: list[str] = []
    for line in map(one_line, text.replace("\r\n", "\n").translate(_LINE_BREAKS).split("\n")):
        if line or (lines and lines[-1]):
            lines.append(line)
    while lines and not lines[-1]:
        lines.pop()
    return lines


def sentence(text: str) -> str:
    """Return `text` as a sentence: a capital first, a full stop at the end. An empty text stays empty."""
    text = one_line(text)
    if not text:
        return ""
    first = text.split(" ", 1)[0]
    if first.isalpha() and first.islower():
        text = text[0].upper() + text[1:]
    return text if text.endswith(_SENTENCE_ENDS) else text + "."


def headline(app: App) -> str:
    """Return the name of an app, with its title and its description where that is one line."""
    name, title = one_line(app.name), one_line(app.title)
    head = f"`{name}` ({title})" if title and title != name else f"`{name}`"
    about = paragraphs(app.description)
    return f"{head}: {sentence(about[0])}" if len(about) == 1 else f"{head}."


def summary(app: App) -> str:
    """Return the first paragraph of an app's description, as a sentence."""
    return next(map(sentence, paragraphs(app.description)), "")


def input_text(variable: Input, name: str) -> str:
    """Return label, limits and description of an input that is called `name`, as sentences."""
    label = one_line(variable.label)
    if "".join(filter(str.isalnum, label.casefold())) == name.replace("_", "").casefold():
        label = ""
    texts = [_labelled(label, variable), sentence(variable.description), _prefilled(variable.prefilled)]
    if variable.name != name:
        texts.append(f"Sent as `{one_line(variable.name)}`.")
    return " ".join(filter(None, texts))


def _prefilled(value: JsonValue) -> str:
    if value is None:
        return ""
    shown = quoted(value) if isinstance(value, str) else named(json.dumps(value, ensure_ascii=False))
    return f"Prefilled with {shown} in Dify."


def action_texts(form: HumanForm) -> str:
    """Return what stands on the buttons of a form, where that is not what answers call them anyway."""
    titles = {action.id: one_line(action.title) for action in form.actions}
    said = [
        f"`{id_}` is {quoted(title)}" for id_, title in titles.items() if title and title.casefold() != id_.casefold()
    ]
    return f"{', '.join(said)}." if said else ""


def output_text(output: Output) -> str:
    """Return what an output is, when it is missing, and what it is expected to be, as sentences."""
    reason = sentence(output.reason) if output.optional else ""
    return " ".join(filter(None, (sentence(output.description), reason, expected_values(output.type))))


def answer_texts(app: App, nodes: Mapping[str, str]) -> Iterator[str]:
    """Return what each Answer node says: its template, with values by the names that `nodes` have in the target."""
    for answer in app.answers:
        pieces = (
            (
                f"{{{'.'.join((nodes.get(each.selector[0], each.selector[0]), *each.selector[1:]))}}}"
                if each.selector
                else each.text if len(each.text) <= MAX_ANSWER_TEXT else f"{each.text[:MAX_ANSWER_TEXT]}…"
            )
            for each in answer.pieces
        )
        said = one_line("".join(pieces)) or "nothing"
        reason = f" ({one_line(answer.reason)})" if answer.reason else ""
        yield f"`{nodes.get(answer.node, answer.node)}` says: {said}{reason}"


def expected_values(type_: Type) -> str:
    """Return a sentence about the values that a text is expected, but not bound, to have."""
    choices = [each for each in members_of(type_) if isinstance(each, OneOf) and not each.closed]
    values = [f'"{one_line(value)}"' for each in choices for value in each.values]
    return f"Expected to be {listed(values, 'or')}." if values else ""


def _labelled(label: str, variable: Input) -> str:
    """Label and limits in one sentence, if the label does not end with a mark of its own."""
    if label and not label[-1].isalnum():
        return " ".join(filter(None, (sentence(label), _labelled("", variable))))
    unit = variable.traits.unit
    size = f"at most {variable.max_length:,} {unit}" if variable.max_length and unit else ""
    kinds = _file_kinds(variable) if variable.traits.is_file else ""
    head = ", ".join(filter(None, (label, size)))
    return sentence(f"{head} ({kinds})" if head and kinds else head or kinds)


def _file_kinds(variable: Input) -> str:
    kinds = [kind for kind in variable.allowed_file_types if kind != "custom"]
    if "custom" in variable.allowed_file_types:
        kinds += variable.allowed_file_extensions
    return listed(map(one_line, kinds), "or") if kinds else ""


def wrap(text: str, columns: int, *, lead: str = "", hang: str = "") -> list[str]:
    """Return `text` in lines of at most that many columns: `lead` before the first, `hang` before the others.

    Words that are too long stand alone.
    """
    if width(lead + text) <= columns:
        return [lead + " ".join(text.split())]
    lines: list[str] = []
    line = lead
    for piece in _pieces(text):
        if line.strip() and width(line + piece.rstrip()) > columns:
            lines.append(line.rstrip())
            line = hang
        line += piece
    return [*lines, line.rstrip()]


def _pieces(text: str) -> Iterator[str]:
    """Yield words with the blank after them.

    East Asian text may break before and after any of its characters, but not before a closing or after an opening mark.
    """
    for word in text.split():
        if word.isascii():
            yield f"{word} "
            continue
        piece = ""
        for character in f"{word} ":
            is_kept = character in _CLOSING or piece[-1:] in _OPENING
            if piece and not is_kept and (_is_wide(piece[-1]) or _is_wide(character)):
                yield piece
                piece = ""
            piece += character
        yield piece


def _is_wide(character: str) -> bool:
    return not character.isascii() and width(character) == 2


_CLOSING = frozenset("、。，．：；！？）］｝」』】》〉”’…—ー,.;:!?)]}'\" ")
_OPENING = frozenset("（［｛「『【《〈“‘([{")
