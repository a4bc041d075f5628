"""OpenAPI documents: one for each app, since one address serves all apps and the key chooses.

`templates/openapi.yaml` holds the fixed words and the shape. A document is made in the words of 3.1, which the newest
version extends (an event stream has the schema of its items), and which is put into older words for 3.0.

Every object has a name, and each name is one that generators can spell. They call an object without a name after the
member that holds it. A member in Chinese leaves them nothing to call it by, and one of them then writes the object over
the one that it is a part of. `x-enum-varnames`, which many of them read, has names for values.
"""

from __future__ import annotations

import copy
import json
import os
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

import yaml

from difygen.codegen.describe import headline, paragraphs, sentence
from difygen.codegen.names import VariableNames
from difygen.config import CLOUD, OpenApiVersion
from difygen.documents.facts import event_shapes
from difygen.documents.schemas import Schema, inputs_schema, outputs_schema
from difygen.files import hash_bytes, templates_folder
from difygen.model import App, Input
from difygen.model_json import dump
from difygen.naming import Identifier, assign, class_name, distinct, nested_name, snake_name
from difygen.types import or_null_schema
from difygen.wording import one_line, quoted

Document = dict[str, Any]
Schemas = dict[str, Schema]

_FILE: Schema = {"$ref": "#/components/schemas/FileInput"}
_OUTPUT_FILE: Schema = {"$ref": "#/components/schemas/OutputFile"}
_FULL_VERSIONS = {"3.0": "3.0.3", "3.1": "3.1.0", "3.2": "3.2.0"}
_STREAM = "text/event-stream"
_FORM = "/form/human_input/{form_token}"
_OF_OBJECTS = ("type", "required", "properties", "additionalProperties")
_SPELLED = re.compile(r"[ -~]*[A-Za-z][ -~]*")


class Samples(NamedTuple):
    """A call to show: what is sent, what a blocking call gets, and the events of a streaming one."""

    request: Mapping[str, Any]
    answer: Mapping[str, Any]
    events: tuple[Mapping[str, Any], ...]


def openapi_document(
    app: App,
    name: str,
    names: VariableNames,
    samples: Samples,
    *,
    version: OpenApiVersion = "3.1",
    base_url: str = CLOUD,
) -> Document:
    """Return the OpenAPI document of an app that is called `name` in Python, in JSON's types.

    Args:
        app: The app.
        name: Its name in Python, of which names of operations and schemas are made.
        names: The Python names of its variables: what generators call a name that they cannot spell.
        samples: A call to show.
        version: Which of OpenAPI's.
        base_url: The server's address, with /v1.
    """
    stem = class_name(name)
    fixed = _for_kind(_filled(_template(), name.strip("_"), stem), app.kind.name)
    about = paragraphs(app.description)
    info = {
        "title": one_line(app.title or app.name),
        "version": contract_hash(app),
        "summary": next(map(sentence, about), f"The API of {app.kind.noun} in Dify."),
        "description": "\n".join(about) or headline(app),
        **fixed["info"],
    }
    servers = [{"url": url} for url in dict.fromkeys((base_url, CLOUD))]
    document = {"openapi": "", "info": info, "servers": servers} | {**fixed, "info": info}
    schemas = document["components"]["schemas"]
    facts = {each.name: _facts(each, names.inputs) for each in app.inputs}
    schemas[f"{stem}Inputs"] = inputs_schema(app.inputs, _FILE, facts)
    name_objects(schemas, f"{stem}Inputs")
    if app.kind.has_outputs:
        schemas[f"{stem}Outputs"] = outputs_schema(names.app.outputs, _OUTPUT_FILE)
        name_objects(schemas, f"{stem}Outputs")
        schemas[f"{stem}NoOutputs"] = _nothing(schemas[f"{stem}Outputs"])
    elif "query" in app.kind.parameters:
        schemas[f"{stem}TurnRequest"]["required"] = ["query", "inputs", "user"]
    schemas |= _events(app, stem)
    if app.forms:
        schemas |= _answers(app, stem, names, schemas)
    else:
        document["paths"].pop(_FORM, None)
    if app.nodes:
        document["x-dify-nodes"] = [{"id": each.id, "type": each.type, "title": each.title} for each in app.nodes]
    if spelled := spelled_names(schemas, {**names.outputs, **names.inputs}):
        document["x-dify-names"] = spelled
    _show(document, app, stem, samples)
    document["components"]["schemas"] = dict(sorted(schemas.items()))
    prune(document)
    return _in_words_of(version, document)


def openapi_text(document: Document, style: str) -> str:
    """Return a document as YAML (`yaml`) or JSON (`json`): the same bytes for the same document."""
    if style == "json":
        return json.dumps(document, ensure_ascii=False, indent=2) + "\n"
    return yaml.dump(document, Dumper=_Plain, allow_unicode=True, sort_keys=False, width=100)


class _Plain(yaml.SafeDumper):
    """YAML without anchors, each thing where it belongs, in which no text is a number for readers of YAML 1.2."""

    def ignore_aliases(self, data: Any) -> bool:
        """Check whether to write it again: always."""
        return True

    def represent_str(self, data: str) -> yaml.ScalarNode:
        """Return a text, quoted where it has a line end that PyYAML writes and does not read."""
        return self.represent_scalar("tag:yaml.org,2002:str", data, '"' if "\x85" in data else None)


_NUMBER_OF_1_2 = r"(?:0o[0-7]+|[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?)$"
_Plain.add_representer(str, _Plain.represent_str)
_Plain.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(_NUMBER_OF_1_2), list("-+.0123456789"))


@cache
def _template() -> Document:
    with open(os.path.join(templates_folder(), "openapi.yaml"), encoding="utf-8") as file:
        fixed: Document = yaml.safe_load(file)
    return fixed


def _filled(value: Any, name: str, stem: str) -> Any:
    """Return a copy of a part of the template with an app's names."""
    if isinstance(value, str):
        return value.replace("{app}", name).replace("{App}", stem)
    if isinstance(value, list):
        return [_filled(each, name, stem) for each in value]
    if isinstance(value, dict):
        return {_filled(key, name, stem): _filled(each, name, stem) for key, each in value.items()}
    return value


def _for_kind(document: Document, kind: str) -> Document:
    """Return a document without the paths and schemas of other kinds of app."""

    def chosen(rows: Mapping[str, Any]) -> Document:
        return {
            name: {key: value for key, value in row.items() if key != "x-for"}
            for name, row in rows.items()
            if kind in row.get("x-for", (kind,))
        }

    document["paths"] = chosen(document["paths"])
    document["components"]["schemas"] = chosen(document["components"]["schemas"])
    return document


def contract_hash(app: App) -> str:
    """Return a hash of all that callers see of an app, and of nothing else."""
    return hash_bytes(json.dumps(dump(app), sort_keys=True).encode())[:12]


def _nothing(outputs: Schema) -> Schema:
    """Return the schema of an object without members, where a run gave none of its outputs.

    It names them, so that those who have either object in a typed language may ask for them without a cast.
    """
    about = {"description": "No outputs: those of a run that has not succeeded.", "maxProperties": 0}
    return {"type": "object", **about, "properties": copy.deepcopy(outputs["properties"]), "additionalProperties": True}


def _answers(app: App, stem: str, names: VariableNames, schemas: Document) -> Document:
    """Return the schema of an answer to any form of an app, which refers to those of each."""
    answers = []
    for form in app.forms:
        own = names.forms[form.node]
        facts = {each.name: _facts(each, own.inputs) for each in form.inputs}
        schemas[f"{own.answer}Inputs"] = inputs_schema(form.inputs, _FILE, facts)
        name_objects(schemas, f"{own.answer}Inputs")
        titles = ", ".join(f"`{each.id}` is {quoted(each.title or each.id)}" for each in form.actions)
        title = next((node.title for node in app.nodes if node.id == form.node), "") or form.node
        schemas[str(own.answer)] = {
            "type": "object",
            "description": f"An answer to the form of {quoted(title)}.",
            "x-dify-node": form.node,
            "required": ["action", "inputs", "user"],
            "properties": {
                "action": {"type": "string", "enum": [each.id for each in form.actions], "description": f"{titles}."},
                "inputs": reference(f"{own.answer}Inputs"),
                "user": reference("EndUser"),
            },
            "additionalProperties": True,
        }
        name_objects(schemas, str(own.answer))
        answers.append(reference(own.answer))
    about = {"description": "An answer to a form: which one, its token says."}
    return {f"{stem}FormAnswer": {**about, "anyOf": answers}}


def _facts(variable: Input, names: Mapping[str, str]) -> Schema:
    """Return what OpenAPI has no word for; `names` are the Python names of inputs."""
    facts: Schema = {"x-dify-type": variable.kind}
    if names[variable.name] != variable.name:
        facts["x-dify-python-name"] = str(names[variable.name])
    for key in ("allowed_file_types", "allowed_file_extensions", "allowed_file_upload_methods"):
        if values := getattr(variable, key):
            facts[f"x-dify-{key.replace('_', '-')}"] = list(values)
    return facts


def _events(app: App, stem: str) -> Document:
    """Return the schemas of an app's events, and that of any of them."""
    outputs: Schema = {"anyOf": [reference(f"{stem}Outputs"), reference(f"{stem}NoOutputs"), {"type": "null"}]}
    schemas: Document = {}
    mapping = {}
    for shape in event_shapes(app.kind):
        event = shape.name
        members = {name: dict(schema) for name, schema in shape.members.items()}
        if app.kind.has_outputs and event == "workflow_finished":
            members["outputs"] = outputs
        envelope: Schema = {"event": {"type": "string", "enum": [event]}}
        required = ["event"]
        if event != "ping":
            ids = ["task_id"] + ["workflow_run_id"] * app.kind.has_runs
            envelope |= {id_: {"type": ["string", "null"]} for id_ in ids}
        name = f"{stem}{''.join(part.capitalize() for part in event.split('_'))}Event"
        if shape.flat:
            envelope |= members
        else:
            schemas[f"{name}Data"] = {"type": "object", "properties": members, "additionalProperties": True}
            envelope["data"] = reference(f"{name}Data")
            required.append("data")
        schemas[name] = {
            "type": "object",
            "description": shape.about,
            "required": required,
            "properties": envelope,
            "additionalProperties": True,
        }
        mapping[event] = f"#/components/schemas/{name}"
    return schemas | {
        f"{stem}StreamEvent": {
            "description": "One `data:` line of the stream. Newer releases may send events that are not listed here: "
            "leave out what you do not know. A line `event: ping` without data says that the server is alive.",
            "oneOf": [{"$ref": each} for each in mapping.values()],
            "discriminator": {"propertyName": "event", "mapping": mapping},
        }
    }


def _show(document: Document, app: App, stem: str, samples: Samples) -> None:
    """Put a call and its answers beside what they are examples of."""
    operation = document["paths"][f"/{app.kind.start}"]["post"]
    body = operation["requestBody"]["content"]["application/json"]
    body["examples"] = {
        "blocking": {"summary": "Wait for the end", "value": samples.request},
        "streaming": {
            "summary": "Stream the events",
            "value": {**samples.request, "response_mode": "streaming"},
        },
    }
    if not app.kind.has_blocking:
        del body["examples"]["blocking"]
    content = operation["responses"]["200"]["content"]
    content["application/json"]["examples"] = {"whole": {"summary": "Blocking", "value": samples.answer}}
    last = next((each for each in reversed(samples.events) if each["event"] in app.kind.terminal_events), None)
    if last is not None:
        content[_STREAM]["examples"] = {"last": {"summary": "The last event", "value": last}}


# Versions


def _in_words_of(version: OpenApiVersion, document: Document) -> Document:
    found: Document = {**document, "openapi": _FULL_VERSIONS[version]}
    if version == "3.2":
        for stream in _streams(found):
            data = {"type": "string", "contentMediaType": "application/json", "contentSchema": stream.pop("schema")}
            stream["itemSchema"] = {"type": "object", "required": ["data"], "properties": {"data": data}}
            stream.pop("examples", None)
    if version == "3.0":
        license_ = {key: value for key, value in found["info"]["license"].items() if key != "identifier"}
        info = {key: value for key, value in found["info"].items() if key != "summary"} | {"license": license_}
        found = {**_older(found), "info": info}
    return found


def _streams(document: Document) -> Iterator[Document]:
    """Yield what a document says of each stream."""
    for path in document["paths"].values():
        for operation in path.values():
            for answer in operation["responses"].values():
                if stream := answer.get("content", {}).get(_STREAM):
                    yield stream


def _older(value: Any) -> Any:
    """Return schemas in the words of 3.0: `nullable` in place of null among the types."""
    if isinstance(value, list):
        return [_older(each) for each in value]
    if not isinstance(value, dict):
        return value
    found: Document = {}
    for key, each in value.items():
        if key == "properties":
            found[key] = {name: _older(schema) for name, schema in each.items()}
        else:
            found[key] = each if key in ("value", "default", "enum") else _older(each)
    types = found.get("type")
    if isinstance(types, list):
        del found["type"]
        rest = [{"type": each, "nullable": "null" in types} for each in types if each != "null"]
        found |= rest[0] if len(rest) == 1 else {"anyOf": rest}
    elif types == "null":
        found |= {"type": "string", "nullable": True, "enum": [None]}
    for word in ("oneOf", "anyOf"):
        choices = found.get(word)
        if isinstance(choices, list) and {"type": "null"} in choices:
            del found[word]
            # only what has a type may say that it takes null; references are to objects
            rest = [
                {"type": "object", "nullable": True, "allOf": [each]} if "$ref" in each else {**each, "nullable": True}
                for each in choices
                if each != {"type": "null"}
            ]
            found |= rest[0] if len(rest) == 1 else {word: rest}
    return found


# Named parts


def reference(name: str) -> Schema:
    """Return a reference to a schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def name_objects(schemas: Schemas, name: str) -> None:
    """Give each object within a schema a name, at any depth: those that classes have in the Python package."""
    members = schemas[name].get("properties", {})
    for member, schema in members.items():
        members[member] = _named(schema, nested_name(name, member), schemas)


def _named(schema: Schema, name: str, schemas: Schemas) -> Schema:
    """Return a schema that refers to the objects within it, and has names for values of other scripts."""
    if "items" in schema:
        return {**schema, "items": _named(schema["items"], nested_name(name, "item"), schemas)}
    for word in schema.keys() & {"anyOf", "oneOf"}:
        return {**schema, word: [_named(each, name, schemas) for each in schema[word]]}
    values = [each for each in schema.get("enum", ()) if each is not None]
    is_odd = not all(map(_SPELLED.fullmatch, values))
    if not schema.get("properties") and not is_odd:
        return schema
    taken = {each.casefold() for each in schemas}  # generators make files of them
    name = str(distinct(name, name, lambda candidate: candidate.casefold() in taken))
    own = {key: schema[key] for key in _OF_OBJECTS if key in schema}
    if is_odd:
        names = assign(values, snake_name).values()
        own = {"type": "string", "enum": values, "x-enum-varnames": [str(each) for each in names]}
    schemas[name] = own | {"type": "string" if is_odd else "object"}
    name_objects(schemas, name)
    rest = {key: value for key, value in schema.items() if key not in (*_OF_OBJECTS, "enum")}
    if isinstance(schema["type"], list):
        return or_null_schema(reference(name)) | rest
    return rest | {"allOf": [reference(name)]} if rest else reference(name)


def spelled_names(schemas: Schemas, chosen: Mapping[str, Identifier]) -> dict[str, str]:
    """Return what to call the members whose names generators cannot spell, for all schemas at once.

    `chosen` are names that are settled already.
    """
    wires = sorted({name for schema in schemas.values() for name in schema.get("properties", ())})
    odd = {wire for wire in wires if not _SPELLED.fullmatch(wire)}
    explicit = {wire: name for wire, name in chosen.items() if wire in odd}
    return {wire: str(name) for wire, name in assign(wires, snake_name, explicit=explicit).items() if wire in odd}


def prune(document: Schema) -> None:
    """Remove the components that nothing refers to, as long as there are some."""
    components = document["components"]
    while True:
        used = set(_references(document))
        unused = [
            (kind, name)
            for kind, rows in components.items()
            if kind != "securitySchemes"
            for name in rows
            if f"#/components/{kind}/{name}" not in used
        ]
        if not unused:
            return
        for kind, name in unused:
            del components[kind][name]


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for each in value.values():
            yield from _references(each)
    elif isinstance(value, list):
        for each in value:
            yield from _references(each)
