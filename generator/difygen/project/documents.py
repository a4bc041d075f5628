"""`difygen docs`, `openapi` and `tools`: documents alone, as the settings say, or of a SOURCE and to where it is said.

Without a SOURCE and an output they go the way of `build`, for one target. Else they are the files of a folder, which
has a lock of its own, keeps what other targets have there and loses no app that was left out, or one file that stands
by itself, or are printed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from difygen import __version__
from difygen.config import (
    Config,
    DocsFormat,
    DocsOptions,
    DocumentOptions,
    OpenApiFormat,
    OpenApiOptions,
    ToolForm,
    ToolsOptions,
)
from difygen.console import FAILED, OK, SEE_HELP, WRONG, UsageProblem, echo, say, say_error
from difygen.definitions.reading import load_definitions
from difygen.diagnostics import Diagnostic, Location, has_errors
from difygen.documents import DOCUMENT_TARGETS, loose_tools, openapi_files, tools_files
from difygen.documents.facts import NamedDefinition, named_definition
from difygen.documents.pages import app_pages
from difygen.project.build import build
from difygen.project.check import CheckedOutput, run_check
from difygen.project.document_folders import folder_of, signed_texts
from difygen.project.report import progress_bar, show_report, summary_line
from difygen.project.request import DocumentOptionsT, documents_for
from difygen.publish import Destination, PublishError, publish, signed, survey_output, until_settled
from difygen.record import replace
from difygen.wording import count

_ENDINGS: Mapping[str, OpenApiFormat] = {".yaml": "yaml", ".yml": "yaml", ".json": "json"}
_PAGES: Mapping[str, DocsFormat] = {".md": "markdown", ".html": "html"}


class DocumentRun(NamedTuple):
    """Where documents go: a file, a folder, `-` for standard output, or where the settings say for None.

    `check` compares and writes nothing; `force` overwrites what difygen did not write; `prune` removes the documents of
    definitions that are there and not among the sources.
    """

    output: str | None = None
    check: bool = False
    force: bool = False
    prune: bool = False


def run_docs(
    config: Config, run: DocumentRun, *, language: str | None, formats: tuple[DocsFormat, ...], base_url: str | None
) -> int:
    """Write a page for every app and one that lists them, or a single page. What is left out is as the settings say.

    Returns what `run_openapi` does.
    """
    options = _options(config, "docs", DocsOptions(), language=language, formats=formats, base_url=_address(base_url))
    if run.output is None and options.output and config.with_documents:
        return run_target(config, run, "docs", options)
    apps = load_named(config, run.output)
    if apps is None:
        return WRONG
    options = documents_for(config, options)
    ending = os.path.splitext(run.output or "-")[1]
    if run.output in (None, "-") or ending in _PAGES:
        options = replace(options, formats=(_PAGES.get(ending) or options.formats[0],))
        return write_file(app_pages(apps, options), run, "docs")
    return write_folder(apps, options, run, "docs", config)


def _options(config: Config, key: str, usual: DocumentOptionsT, **chosen: object) -> DocumentOptionsT:
    """Return how documents of a target are to be: as is chosen, else as the settings say, else as usual."""
    options = config.documents.get(key) or usual
    assert isinstance(options, type(usual))
    return replace(options, **{name: value for name, value in chosen.items() if value})


def _address(base_url: str | None) -> str | None:
    """Return the address of the API that `--base-url` means to generated clients, too. Raises `UsageProblem`."""
    from difygen.servers import AddressProblem, parse_address

    try:
        return base_url if base_url is None else parse_address(base_url).url
    except AddressProblem as problem:
        raise UsageProblem(f"--base-url: {problem.message} {problem.fix}") from problem


def run_openapi(
    config: Config, run: DocumentRun, *, version: str | None, style: str | None, base_url: str | None
) -> int:
    """Write the OpenAPI document of every app. What is None is as the settings say.

    Returns 0; 1 if a file is in the way, or not what it should be with `check`; 2 if a definition or the arguments are
    wrong.
    """
    options = _options(config, "openapi", OpenApiOptions(), version=version, format=style, base_url=_address(base_url))
    if run.output is None and options.output and config.with_documents:
        return run_target(config, run, "openapi", options)
    apps = load_named(config, run.output)
    if apps is None:
        return WRONG
    ending = os.path.splitext(run.output or "")[1]
    if style is None and ending in _ENDINGS:
        options = replace(options, format=_ENDINGS[ending])
    if run.output in (None, "-") or ending in _ENDINGS:
        return write_file(openapi_files(apps, options), run, "openapi")
    return write_folder(apps, options, run, "openapi", config)


def run_tools(config: Config, run: DocumentRun, *, form: ToolForm | None, is_strict: bool) -> int:
    """Print the tools that the apps are as one JSON array, or write those that the settings name.

    Returns 0, or 2 if a definition or a setting is wrong; 1 if a file is in the way, or not what it should be.
    """
    options = _options(config, "tools", ToolsOptions(), strict=is_strict)
    if form is None:
        if not (options.output and config.with_documents):
            problem = "Whose tools are they to be? Add --for, or `tools` to the settings, without a SOURCE."
            raise UsageProblem(problem, note=SEE_HELP)
        return run_target(config, run, "tools", options)
    apps = load_named(config)
    if apps is None:
        return WRONG
    options = replace(options, forms=(form,))
    for text in loose_tools(apps, options).values():
        say(f"warning: {text}")
    return write_file(tools_files(apps, options), DocumentRun("-"), "tools")


def run_target(config: Config, run: DocumentRun, key: str, options: DocumentOptions) -> int:
    """Write the documents of one target to where the settings say, or check them."""
    config = replace(config, documents={**config.documents, key: options}, force=run.force)
    if run.check:
        return run_check(config, only=key)
    with progress_bar(config) as progress:
        report = build(config, progress=progress, only=key)
    show_report(report, config)
    return report.exit_code()


def load_named(config: Config, documents: str | None = None) -> list[NamedDefinition] | None:
    """Read and name all apps, and say what is wrong with them. None if that is too much.

    What difygen itself wrote to the folder `documents` is no definition.
    """
    loaded, problems = load_definitions(config, documents=documents)
    found = [named_definition(each, config.options) for each in loaded]
    findings = [*problems, *(problem for each in found for problem in each.names.problems)]
    if not found and not findings:
        message = "None of the files that were found defines an app."
        findings.append(Diagnostic("error", "no-definitions", message, Location(config.sources[0])))
    for finding in findings:
        say(str(finding))
    return None if has_errors(findings) or not found else found


def write_file(files: Mapping[str, str], run: DocumentRun, command: str) -> int:
    """Print the one document, or write it to a file that stands by itself.

    With `check`, tell whether it is what it should be.
    """
    output = run.output
    if len(files) > 1:
        raise UsageProblem(f"There are {len(files)} apps, and each has a document of its own: give a folder, -o DIR.")
    (text,) = files.values()
    if output is None or output == "-":
        echo(text.removesuffix("\n"))
        return OK
    destination = Destination(output, {"": signed(text, __version__, output)})
    return _finish(lambda: destination, run, command)


def write_folder(
    apps: Sequence[NamedDefinition], options: DocumentOptions, run: DocumentRun, key: str, config: Config
) -> int:
    """Make the documents of one target in a folder what the apps give, all of them or none, and remove no others.

    With `check`, tell which of them are not what they should be.
    """
    output = os.path.normpath(run.output or "")
    config = replace(config, force=run.force, prune=run.prune)
    texts = signed_texts(DOCUMENT_TARGETS[key], options, changed=apps, every=apps)
    return _finish(lambda: folder_of(texts, apps, output, key, config), run, key)


def _finish(plan: Callable[[], Destination], run: DocumentRun, command: str) -> int:
    """Write what is planned, or compare with it, and say what came of it."""
    try:
        return until_settled(lambda: _compare(plan(), command) if run.check else _publish(plan(), force=run.force))
    except PublishError as problem:
        say_error(str(problem))
        return FAILED


def _publish(output: Destination, *, force: bool) -> int:
    (found,) = publish(output, force=force)
    written, documents = len(found.missing) + len(found.changed), count(len(output.texts), "document")
    echo(summary_line(output.path, documents, written, len(found.stale), lock=found.lock))
    return OK


def _compare(output: Destination, command: str) -> int:
    """Tell which files of an output are not what they should be."""
    found = sorted(
        CheckedOutput(output, survey_output(output)).differences(), key=lambda one: (one.state == "EXTRA", one.path)
    )
    for one in found:
        what = "no longer given by any definition" if one.state == "EXTRA" else "not what its definition gives"
        say_error(f"{one.path} is {what}; run difygen {command} again.")
    return FAILED if found else OK
