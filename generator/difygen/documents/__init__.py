"""What is made of apps beside code: pages, OpenAPI documents, tools for models. A new target is a row here.

For each, `DOCUMENT_TARGETS` has functions from apps and options to `{path: text}`. What one says about apps comes from
`codegen/describe.py`; its own escaping is its own, so that texts stay texts.

facts      what documents are made of: apps with their names and the mock's examples; Dify's protocol by the runtime
schemas    schemas of inputs and outputs; the tools that are made of them
openapi    OpenAPI documents
pages/     pages for people
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from difygen.config import OpenApiOptions, ToolsOptions
from difygen.console import pretty_json
from difygen.documents.facts import NamedDefinition
from difygen.documents.openapi import Samples, openapi_document, openapi_text
from difygen.documents.pages import app_pages, index_pages
from difygen.documents.schemas import shape, tool_schema
from difygen.mock.example import example_call

Files = Mapping[str, str]
"""Texts by their paths, which start at the target's folder and have forward slashes."""


class DocumentTarget(NamedTuple):
    """What is made of apps beside code, as functions of apps and of the target's record in `difygen/config.py`.

    `pages` gives the files that are about one app each, called after it: `<name>.<ending>`. It is asked for apps that
    changed. `overview` gives those that are about all apps, and `remarks` what there is to say of single ones, by name.
    By `endings` the files of a target are known in a folder that several of them share.
    """

    pages: Callable[[Sequence[NamedDefinition], Any], Files] | None = None
    overview: Callable[[Sequence[NamedDefinition], Any], Files] | None = None
    remarks: Callable[[Sequence[NamedDefinition], Any], Mapping[str, str]] | None = None
    endings: tuple[str, ...] = ()


def openapi_files(apps: Sequence[NamedDefinition], options: OpenApiOptions) -> Files:
    """Return an OpenAPI document for each app."""
    return {f"{app.name}.openapi.{options.format}": openapi_of(app, options) for app in apps}


def openapi_of(app: NamedDefinition, options: OpenApiOptions) -> str:
    """Return the OpenAPI document of an app."""
    definition = app.definition
    samples = Samples(*example_call(definition))
    document = openapi_document(
        definition.workflow, app.name, app.names, samples, version=options.version, base_url=options.base_url
    )
    return openapi_text(document, options.format)


def tools_files(apps: Sequence[NamedDefinition], options: ToolsOptions) -> Files:
    """Return the tools that apps are, as one JSON array for each API."""
    return {f"{form}.json": f"{pretty_json(_tools(apps, form, options.strict)[0])}\n" for form in options.forms}


def loose_tools(apps: Sequence[NamedDefinition], options: ToolsOptions) -> Mapping[str, str]:
    """Return which apps cannot be strict tools though they should, with a sentence on each."""
    loose = {app.name: _tools([app], options.forms[0], options.strict)[1] for app in apps}
    return {
        name: f"{found[0]} takes objects that may hold anything, so its schema is not strict."
        for name, found in loose.items()
        if found
    }


def _tools(apps: Sequence[NamedDefinition], form: str, is_strict: bool) -> tuple[list[Any], list[str]]:
    found = (tool_schema(app.definition.workflow, app.name, app.names) for app in apps)
    return shape(found, form, is_strict=is_strict)


DOCUMENT_TARGETS: Mapping[str, DocumentTarget] = {
    "docs": DocumentTarget(pages=app_pages, overview=index_pages, endings=(".md", ".html")),
    "openapi": DocumentTarget(pages=openapi_files, endings=(".openapi.yaml", ".openapi.json")),
    "tools": DocumentTarget(overview=tools_files, remarks=loose_tools),
}
"""By the keys of the settings, and of the commands that make them alone."""
