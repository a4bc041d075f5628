"""`difygen openapi` and `difygen tools`: from definitions to documents, on standard output or in files."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

from difygen import __version__
from difygen.codegen.python.names import VariableNames, name_variables
from difygen.config import Config
from difygen.console import FAILED, OK, WRONG, UsageProblem, echo, pretty_json, say, say_error, writing
from difygen.diagnostics import has_errors
from difygen.documents.openapi import Samples, openapi_document, openapi_text
from difygen.documents.tool_schemas import shape, tool_schema
from difygen.mock.definition import Definition, load_served
from difygen.mock.example import example_call
from difygen.project.writer import PublishError, publish_file, signed, survey_file
from difygen.wording import count

Style = Literal["yaml", "json"]
_STYLES: Mapping[str, Style] = {".yaml": "yaml", ".yml": "yaml", ".json": "json"}


class NamedDefinition(NamedTuple):
    """An app with its names in Python, and what the mock knows of it."""

    definition: Definition
    name: str
    names: VariableNames


class DocumentOptions(NamedTuple):
    """Where documents go: a file, a folder, or standard output for None. `check` compares and writes nothing."""

    output: str | None = None
    style: Style | None = None
    force: bool = False
    check: bool = False


def run_openapi(config: Config, options: DocumentOptions, *, version: str, base_url: str) -> int:
    """Write the OpenAPI document of every app.

    Returns 0; 1 if a file is in the way, or not what it should be with `check`; 2 if a definition or the arguments are
    wrong.
    """
    apps = load_named(config)
    if apps is None:
        return WRONG

    def text(app: NamedDefinition, style: Style) -> str:
        samples = Samples(*example_call(app.definition))
        workflow = app.definition.workflow
        document = openapi_document(workflow, app.name, app.names, samples, version=version, base_url=base_url)
        return openapi_text(document, style)

    return _write(apps, options, "openapi", text)


def run_tools(config: Config, *, form: str, is_strict: bool) -> int:
    """Print the tools that the apps are, as one JSON array. Returns 0, or 2 if a definition or a setting is wrong."""
    apps = load_named(config)
    if apps is None:
        return WRONG
    tools, loose = shape(
        (tool_schema(app.definition.workflow, app.name, app.names) for app in apps), form, is_strict=is_strict
    )
    for name in loose:
        say(f"warning: {name} takes objects that may hold anything, so its schema is not strict.")
    echo(pretty_json(tools))
    return OK


def load_named(config: Config) -> list[NamedDefinition] | None:
    """Read and name all apps, and say what is wrong with them. None if that is too much."""
    loaded = load_served(config)
    found, findings = [], [*loaded.diagnostics]
    for definition in loaded.definitions:
        names = name_variables(definition.workflow, config.options, definition.key_name)
        findings += names.problems
        found.append(NamedDefinition(definition, definition.key_name, names))
    for finding in findings:
        say(str(finding))
    return None if has_errors(findings) or not found else found


def _write(
    apps: list[NamedDefinition], options: DocumentOptions, kind: str, text: Callable[[NamedDefinition, Style], str]
) -> int:
    """Print the one document, or make files hold one each; with `check`, tell which of them do not."""
    output = options.output
    ending = os.path.splitext(output or "")[1]
    if len(apps) > 1 and (output in (None, "-") or ending in _STYLES):
        raise UsageProblem(f"There are {len(apps)} apps, and each has a document of its own: give a folder, -o DIR.")
    style = options.style or _STYLES.get(ending, "yaml")
    if output is None or output == "-":
        echo(text(apps[0], style).removesuffix("\n"))
        return OK
    folder = "" if ending in _STYLES else output
    paths = [os.path.join(folder, f"{app.name}.{kind}.{style}") for app in apps] if folder else [output]
    texts = {path: signed(text(app, style), __version__, path) for app, path in zip(apps, paths, strict=True)}
    if options.check:
        stale = [path for path, whole in texts.items() if not survey_file(path, whole).is_clean]
        for path in stale:
            say_error(f"{path} is not what its definition gives; run difygen {kind} again.")
        return FAILED if stale else OK
    if folder:
        with writing(folder):
            os.makedirs(folder, exist_ok=True)
    written = 0
    try:
        for path, whole in texts.items():
            survey = publish_file(path, whole, force=options.force)
            written += len(survey.missing) + len(survey.changed)
    except PublishError as problem:
        say_error(str(problem))
        return FAILED
    done = f"{written:,} written" if written else "nothing changed"
    echo(f"{output}: {count(len(texts), 'document')}; files: {done}")
    return OK
