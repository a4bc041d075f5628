"""What sections of a page are about: an app with its names, its client, a call of it, and the words to say it in."""

from __future__ import annotations

from collections.abc import Iterable

from difygen.codegen.module import ClientPlan, ModulePlan, plan_module
from difygen.codegen.names import VariableNames
from difygen.config import DocsOptions
from difygen.console import compact_json
from difygen.documents.apps import NamedDefinition
from difygen.documents.pages.page import CodeSpan, PlainSpan, Prose, code, joined
from difygen.documents.pages.words import Words
from difygen.mock.definition import Definition
from difygen.mock.example import ExampleCall, example_call
from difygen.model import App, ArrayOf, Input, JsonValue, ObjectOf, OneOf, Primitive, Type, UnionOf
from difygen.naming import Identifier
from difygen.record import Record


class Subject(Record):
    """An app, and everything that is needed to write about it."""

    app: App
    name: str
    names: VariableNames
    definition: Definition
    plan: ModulePlan
    example: ExampleCall
    wanted: DocsOptions
    words: Words

    @property
    def base_url(self) -> str:
        """The server's address, without a slash at its end."""
        return self.wanted.base_url.rstrip("/")

    @property
    def client(self) -> ClientPlan:
        """The client that examples use: the blocking one, where there is one."""
        return self.plan.clients[0]

    @property
    def is_chat(self) -> bool:
        """Check whether the app has conversations."""
        return "conversation_id" in self.app.kind.parameters

    @property
    def file_inputs(self) -> tuple[Input, ...]:
        """The inputs that are files."""
        return tuple(each for each in self.app.inputs if each.traits.is_file)


def subject_of(named: NamedDefinition, wanted: DocsOptions) -> Subject:
    """Return what a page is about. The names of the app are known to be good."""
    app = named.definition.workflow
    planned = plan_module(app, wanted.client, Identifier(named.name))
    assert planned.plan is not None, "names with problems are refused before"
    example = example_call(named.definition)
    words = Words(wanted.language)
    return Subject(planned.app, named.name, named.names, named.definition, planned.plan, example, wanted, words)


def type_word(type_: Type) -> str:
    """Return a type in Dify's words."""
    match type_:
        case Primitive():
            return type_.value
        case ArrayOf(item):
            return f"array[{type_word(item)}]"
        case ObjectOf():
            return "object"
        case OneOf():
            return "string"
        case UnionOf(members):
            return " | ".join(dict.fromkeys(map(type_word, members)))


def values(items: Iterable[str], words: Words) -> Prose:
    """Return values as code, in a list."""
    return words.listed(map(value, items))


def value(item: JsonValue) -> Prose:
    """Return a value as JSON writes it; a plain text of letters needs no quotes."""
    if isinstance(item, str) and item == " ".join(item.split()) and item:
        return code(item)
    return code(compact_json(item))


def dashed(prose: Prose) -> Prose:
    """Return a text, or a dash for none."""
    return prose or (PlainSpan("—"),)


def names_as_code(names: Iterable[str], words: Words) -> Prose:
    """Return names in a list."""
    return joined(((CodeSpan(name),) for name in names), words.comma)
