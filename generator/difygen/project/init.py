"""`difygen init`: a commented file of settings to start from, or the spec of an export, for people to review.

Overwrites nothing unless told to.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import yaml

from difygen.config import Config, Settings
from difygen.console import can_print, echo, say, say_error
from difygen.definitions import Source
from difygen.definitions.reading import assign_names
from difygen.diagnostics import has_errors
from difygen.files import STDIN, is_same_place, read_file, templates_folder
from difygen.model import (
    WORKFLOW,
    App,
    ArrayOf,
    Input,
    JsonValue,
    ObjectOf,
    OneOf,
    Primitive,
    TurnFiles,
    Type,
    UnionOf,
)
from difygen.parser import read
from difygen.settings import OWN_FILE, PROJECT_FILE, load_settings
from difygen.types import word_of

SCHEMA_FILE = "difygen.schema.json"
Json = dict[str, Any]

USUAL_FOLDERS = ("specs", "exports", "workflows", "dify")

_SETTINGS = """\
# Settings of difygen. `difygen` alone does what stands here, and `difygen check` tells in CI whether it is done.
# Paths start at the folder of this file.

# The definitions: specs, files that Dify exported, folders of them, or patterns such as "exports/*.yml".
sources = ["{source}"]

# The package to write; one self-contained file, if it ends in .py.
output = "dify_client"

# Documents that go along with it, each to a folder of its own: pages for people, OpenAPI, and tools for models.
# docs = "docs/api"
# openapi = "openapi"
# tools = {{ output = "tools", for = ["anthropic", "openai"] }}

# The longest line of the generated code.
# line_length = 88

# Which clients to write: "both", "sync" or "async".
# emit = "both"

# A folder of templates that replace difygen's own, one by one.
# templates = "templates"

# A package to import the runtime from, in place of a copy in each output; `difygen runtime` writes it.
# runtime = "our_project.dify_runtime"

# What to do differently for one workflow, by its name in Python.
# [workflows.concat]
# The definition that is to have this name:
# source = "exports/字段拼接.yml"
# Python names for inputs and outputs, by their names in Dify:
# rename = {{ "文本" = "text" }}
# Types of outputs, where the definition does not tell:
# outputs = {{ result = "string" }}
# The environment variable that holds the API key:
# env = "CONCAT_API_KEY"
"""

_SPEC_HEAD = """\
# yaml-language-server: $schema={schema}
# What callers of this {word} send and get. Review it: it says what the export tells.
"""


_SHORT = 100
"""How long a mapping or a list may be, as Python writes it, to stand on one line."""
_WIDE = 1 << 30
"""No text is broken into lines that it does not have."""
_SPECIAL = re.compile(r"[^\n -~]")


def init_settings(path: str | None, *, force: bool = False) -> int:
    """Write a commented file of settings. Return 1 if something is in the way."""
    path = path or OWN_FILE
    if os.path.basename(path) == PROJECT_FILE:
        return _refuse(
            f"{path} is not written; put the settings into its table [tool.difygen], as `difygen init -o -` prints them"
        )
    there = load_settings(os.path.dirname(path) or ".")
    if there is not None and not force and path != "-" and not os.path.exists(path):
        file = there.file if isinstance(there, Settings) else there[0].location.file
        return _refuse(f"{file} has settings of difygen already")
    return _write(path, settings_text(), force)


def settings_text(folder: str = ".") -> str:
    """Return the commented settings, with the folder that most likely holds the definitions."""
    found = (name for name in USUAL_FOLDERS if os.path.isdir(os.path.join(folder, name)))
    return _SETTINGS.format(source=next(found, USUAL_FOLDERS[0]))


def init_spec(config: Config, output: str | None) -> int:
    """Write the spec of the export that is the source.

    Return 1 if something is in the way, 2 if the export is wrong.
    """
    (export,) = config.sources
    try:
        data = sys.stdin.buffer.read() if export == "-" else read_file(export, special=True)
    except OSError as error:
        say(f"{export}: error: It cannot be read: {error.strerror}.")
        return 2
    reading = read(data, export)
    for found in reading.diagnostics:
        say(str(found))
    if reading.workflow is None or has_errors(reading.diagnostics):
        return 2
    head = _SPEC_HEAD.format(schema=SCHEMA_FILE, word=reading.workflow.kind.word)
    text = f"{head}{spec_text(reading.workflow)}"
    if output == "-" and not can_print(text):
        text = f"{head}{spec_text(reading.workflow, in_ascii=True)}"
    path = output
    if path is None:
        source = Source(STDIN if export == STDIN else os.path.abspath(export), export)
        (named,), _ = assign_names([(source, reading.workflow, None)], config)
        path = f"specs/{named.name}.yaml"
    if path != STDIN and is_same_place(path, export):
        return _refuse(f"{path} is the export to read; -o names another file to write")
    code = _write(path, text, config.force)
    if code == 0 and path != "-":
        for found in read(text.encode(), path).diagnostics:  # what a spec cannot take over: somebody has to decide
            say(str(found))
        schema = os.path.join(os.path.dirname(path), SCHEMA_FILE)
        if not os.path.exists(schema):  # beside the first spec of a folder, so that editors complete and check it
            _write(schema, schema_text(), force=False)
    return code


def schema_text() -> str:
    """Return the JSON Schema of specs: beside the code in an installed wheel, with the specs in a checkout."""
    top = os.path.dirname(templates_folder())
    for folder in (top, os.path.join(top, "specs")):
        with suppress(FileNotFoundError), open(os.path.join(folder, SCHEMA_FILE), encoding="utf-8") as file:
            return file.read()
    raise FileNotFoundError(SCHEMA_FILE)


def _write(path: str, text: str, force: bool) -> int:
    if path == "-":
        echo(text, nl=False)
        return 0
    if os.path.isdir(path):
        return _refuse(f"{path} is a folder; -o names the file to write")
    if os.path.exists(path) and not force:
        return _refuse(f"{path} exists already; --force overwrites it")
    try:
        _write_file(path, text)
    except OSError as error:
        return _refuse(f"{path} cannot be written: {error.strerror}")
    echo(f"wrote {path}")
    return 0


def _write_file(path: str, text: str) -> None:
    """Write a file as a whole or not at all."""
    if folder := os.path.dirname(path):
        os.makedirs(folder, exist_ok=True)
    draft = f"{path}.difygen-new"
    try:
        with open(draft, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        os.replace(draft, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(draft)
        raise


def _refuse(why: str) -> int:
    say_error(f"{why}.")
    return 1


# The spec of an export


def spec_text(workflow: App, *, in_ascii: bool = False) -> str:
    """Return the spec that says the same as a workflow, as YAML. Reading it back gives the same contract."""
    return yaml_text(spec_of(workflow), in_ascii=in_ascii)


def yaml_text(root: Mapping[str, JsonValue], *, in_ascii: bool = False) -> str:
    """Return a mapping as YAML that people like to read, and that is read back with the same values.

    Mappings and lists deep down stand on one line if they are short; long texts stand as blocks. Only quoted texts hold
    characters that do not print (with `in_ascii`, that ASCII lacks), and these are escaped.
    """
    laid_out = {
        key: {name: _laid_out(each) for name, each in value.items()} if isinstance(value, Mapping) else _laid_out(value)
        for key, value in root.items()
    }
    text: str = yaml.dump(laid_out, Dumper=_Dumper, sort_keys=False, allow_unicode=not in_ascii, width=_WIDE)
    return _SPECIAL.sub(_escape, text)


def _laid_out(value: JsonValue) -> JsonValue:
    """Return a value whose short mappings and lists are of the types that are written on one line."""
    if isinstance(value, Mapping):
        short = not any(isinstance(each, Mapping) and each for each in value.values()) and len(str(value)) <= _SHORT
        return _OneLineMapping(value) if short else {key: _laid_out(each) for key, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        short = not any(isinstance(each, Mapping) and each for each in value) and len(str(value)) <= _SHORT
        return _OneLineList(value) if short else [_laid_out(each) for each in value]
    return value


class _OneLineMapping(dict[str, JsonValue]):
    """A mapping that is written in braces."""


class _OneLineList(list[JsonValue]):
    """A list that is written in brackets."""


class _Dumper(yaml.SafeDumper):
    """Writes YAML without aliases, lists indented below their keys."""

    def ignore_aliases(self, data: object) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def represent_text(self, text: str) -> yaml.ScalarNode:
        """Choose the style of a text: a block if it has lines, quotes if it has characters that do not print."""
        lines = text.removesuffix("\n").split("\n")
        printable = all(line.isprintable() and line == line.rstrip() for line in lines)
        is_block = len(lines) > 1 and printable and lines[0][:1] not in ("", " ") and bool(lines[-1])
        style = "|" if is_block else None if text.isprintable() else '"'
        return self.represent_scalar("tag:yaml.org,2002:str", text, style)


_Dumper.add_representer(str, _Dumper.represent_text)
_Dumper.add_representer(
    _OneLineMapping, lambda dumper, value: dumper.represent_mapping("tag:yaml.org,2002:map", value, flow_style=True)
)
_Dumper.add_representer(
    _OneLineList, lambda dumper, value: dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=True)
)


def _escape(found: re.Match[str]) -> str:
    if found[0].isprintable():
        return found[0]
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def spec_of(workflow: App) -> Json:
    """Return the spec as plain values, with everything left out that goes without saying."""
    name = workflow.name if workflow.name.strip() else ""
    mode = "" if workflow.kind is WORKFLOW else workflow.kind.name
    spec = _filled(name=name, mode=mode, title=workflow.title, description=workflow.description)
    spec["inputs"] = {input_.name: _input(input_) for input_ in workflow.inputs}
    if workflow.kind.has_outputs:
        spec["outputs"] = {
            each.name: _described(each.type, each.description, {"optional": each.optional, "reason": each.reason})
            for each in workflow.outputs
        }
        spec |= _filled(files=_turn_files(workflow.files))
    else:
        spec |= _chat(workflow)
    if workflow.examples:
        spec["examples"] = [
            _filled(query=each.query, inputs=each.inputs, outputs=each.outputs, answer=each.answer)
            for each in workflow.examples
        ]
    return spec


def _chat(app: App) -> Json:
    """Return what only chat-type apps have."""
    features = app.features
    variables: Json = {}
    for each in app.variables:
        described = _described(each.type, each.description, {})
        if each.initial is not None:
            long = described if isinstance(described, dict) else {"type": described}
            described = {**long, "initial": each.initial}
        variables[each.name] = described
    return _filled(
        variables=variables,
        tools=_texts(tuple(tool.name for tool in app.tools)),
        files=_turn_files(app.files),
        opening_statement=features.opening_statement,
        suggested_questions=_texts(features.suggested_questions),
        suggested_questions_after_answer=features.suggested_questions_after_answer or None,
        speech_to_text=features.speech_to_text or None,
        text_to_speech={"auto_play": True} if features.auto_play else features.text_to_speech or None,
    )


def _turn_files(files: TurnFiles | None) -> JsonValue:
    """Return what a spec says of the files that come with a call: nothing where there are none."""
    if files is None:
        return None
    return (
        _filled(
            types=_texts(files.types),
            extensions=_texts(files.extensions),
            methods=_texts(files.methods),
            max_count=files.max_count,
        )
        or True
    )


def _filled(**values: object) -> Json:
    return {key: value for key, value in values.items() if value not in ("", (), None, {})}


def _input(input_: Input) -> JsonValue:
    long: Json = {"type": input_.kind, **_filled(label=input_.label, description=input_.description)}
    if input_.required == (input_.default is not None):
        long["required"] = input_.required
    said = _filled(
        max_length=input_.max_length or None,
        options=_texts(input_.options),
        allowed_file_types=_texts(input_.allowed_file_types),
        allowed_file_extensions=_texts(input_.allowed_file_extensions),
        allowed_file_upload_methods=_texts(input_.allowed_file_upload_methods),
    )
    if input_.type is not None:
        said["properties"] = _properties(input_.type)
    if input_.default is not None:
        said["default"] = input_.default
    long |= {key: value for key, value in said.items() if key in input_.traits.keys}
    return input_.kind if len(long) == 1 else long


def _texts(texts: tuple[str, ...]) -> list[str] | None:
    return list(dict.fromkeys(texts)) or None


def _described(type_: Type, description: str, said: Mapping[str, object]) -> JsonValue:
    """Return a type with what is said about the place that has it."""
    said = {key: value for key, value in said.items() if value}
    word = word_of(type_)
    if word is not None and not description and not said:
        return word
    long = _long(type_)
    if description:
        long = {**{key: long[key] for key in long if key == "type"}, "description": description} | long
        long["description"] = description
    return long | said


def _type(type_: Type) -> JsonValue:
    return word_of(type_) or _long(type_)


def _long(type_: Type) -> Json:
    """Return the long form of a type, to which more can be added."""
    if (word := word_of(type_)) is not None:
        return {"type": word}
    match type_:
        case ObjectOf(properties, description):
            shape = {"properties": _properties(type_)} if properties else {}
            return {"type": "object", **_filled(description=description), **shape}
        case ArrayOf(ObjectOf(properties, "") as item) if properties:
            return {"type": "array[object]", "properties": _properties(item)}
        case ArrayOf(item):
            return {"type": "array", "items": _type(item)}
        case OneOf(values, closed):
            open_ = {} if closed else {"open": True}
            return {"type": "string", "options": list(values), **open_} if values else {"type": "string"}
        case UnionOf(members):
            return _union(members)
    return {"type": "any"}  # NULL by itself: nothing is known about a value that is never there


def _union(members: tuple[Type, ...]) -> Json:
    *others, last = members
    if last is not Primitive.NULL:
        return {"any_of": ["null" if member is Primitive.NULL else _type(member) for member in members]}
    base = _long(others[0]) if len(others) == 1 else _union(tuple(others))
    return {**base, "nullable": True}


def _properties(type_: ObjectOf) -> Json:
    return {
        each.name: _described(each.type, each.description, {"optional": not each.required}) for each in type_.properties
    }
