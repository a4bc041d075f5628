"""Findings for machines: as JSON, as annotations of GitHub Actions, and as SARIF 2.1.0. Decides nothing about them.

Each is one text for standard output. Foreign texts cannot forge a line of it, whatever they hold.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import cast
from urllib.parse import quote

from difygen import __version__
from difygen.config import OutputFormat
from difygen.console import DefinitionProblem, UsageProblem, echo, pretty_json, printable, writing
from difygen.diagnostics import Diagnostic, Location, Severity
from difygen.model import JsonValue

FORMAT = 1
"""The version of the JSON; docs/findings.md has its members. It goes up when one changes its meaning or goes away."""

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_HOME = "https://github.com/difygen/difygen"
_COMMANDS: dict[Severity, str] = {"error": "error", "warning": "warning", "note": "notice"}
_EMBEDDED_LINK = re.compile(r"\[(?=[^][]*]\()")


def show_findings(
    findings: Sequence[Diagnostic],
    output_format: OutputFormat,
    command: str,
    *,
    ok: bool,
    more: Mapping[str, JsonValue] | None = None,
    notices: Sequence[Diagnostic] = (),
) -> None:
    """Print the findings of a command.

    Args:
        findings: What is wrong.
        output_format: JSON, annotations or SARIF.
        command: Its name.
        ok: Whether it ends with exit code 0.
        more: What JSON has to say of this command beside the findings.
        notices: What annotations and SARIF have to say beside the findings, since they do not have `more`.
    """
    if output_format == "json":
        echo(_document(findings, command, ok, more))
    elif output_format == "github":
        for line in map(annotation, (*findings, *notices)):
            echo(line)
    else:
        echo(pretty_json(sarif((*findings, *notices))))


def write_report(
    path: str, findings: Sequence[Diagnostic], command: str, *, ok: bool, more: Mapping[str, JsonValue] | None = None
) -> None:
    """Write what `show_findings` prints as JSON to a file. Raises `OutputError`."""
    with writing(path), open(path, "w", encoding="utf-8", newline="\n") as file:
        file.write(f"{_document(findings, command, ok, more)}\n")


def _document(findings: Iterable[Diagnostic], command: str, ok: bool, more: Mapping[str, JsonValue] | None) -> str:
    members = [_as_json(finding) for finding in findings]
    return pretty_json({"format": FORMAT, "command": command, "ok": ok, "findings": members, **(more or {})})


def _as_json(finding: Diagnostic) -> dict[str, JsonValue]:
    file, line, column = finding.location
    return {
        "severity": finding.severity,
        "code": finding.code,
        "message": finding.message,
        "hint": finding.hint or None,
        "file": file or None,
        "line": line or None,
        "column": column or None,
    }


def annotation(finding: Diagnostic) -> str:
    """Return a finding as a workflow command of GitHub Actions, which shows it beside the line that it is about."""
    path = repository_path(finding.location.file)
    properties = {
        "file": path,
        "line": str(finding.location.line or ""),
        "col": str(finding.location.column or ""),
        "title": f"difygen: {finding.code}",
    }
    if not path:
        del properties["line"], properties["col"]
    said = ",".join(f"{name}={_escape(text, ':,')}" for name, text in properties.items() if text)
    return f"::{_COMMANDS[finding.severity]} {said}::{_escape(_whole(finding, path))}"


def _escape(text: str, more: str = "") -> str:
    """Write text for a workflow command: line breaks and what has a meaning there as GitHub's own toolkit does."""
    plain = printable(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    for sign in more:
        plain = plain.replace(sign, f"%{ord(sign):02X}")
    return plain


def _whole(finding: Diagnostic, path: str) -> str:
    """Return message and hint, behind the place where that is no file which could be pointed at."""
    file = finding.location.file
    message = finding.message if path or not file else f"{finding.location}: {finding.message}"
    return f"{message}\n{finding.hint}" if finding.hint else message


def sarif(findings: Iterable[Diagnostic]) -> JsonValue:
    """Return findings as a SARIF log, as GitHub's code scanning and others take it."""
    found = list(findings)
    rules = list(dict.fromkeys(finding.code for finding in found))
    driver: JsonValue = {
        "name": "difygen",
        "version": __version__,
        "informationUri": _HOME,
        "rules": [{"id": rule} for rule in rules],
    }
    run: JsonValue = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(finding, rules.index(finding.code)) for finding in found],
    }
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _result(finding: Diagnostic, rule: int) -> JsonValue:
    path = repository_path(finding.location.file)
    text = _EMBEDDED_LINK.sub(r"\\[", _whole(finding, path))
    result: dict[str, JsonValue] = {
        "ruleId": finding.code,
        "ruleIndex": rule,
        "level": finding.severity,
        "message": {"text": text},
    }
    if path:
        place: dict[str, JsonValue] = {"artifactLocation": {"uri": _uri(path)}}
        if finding.location.line:
            region = {"startLine": finding.location.line, "startColumn": finding.location.column}
            place["region"] = cast(JsonValue, {name: number for name, number in region.items() if number})
        result["locations"] = [{"physicalLocation": place}]
    return result


def _uri(path: str) -> str:
    if os.path.isabs(path):
        return Path(path).as_uri()
    return quote(path.encode("utf-8", "surrogateescape"))


def repository_path(file: str) -> str:
    """Return a file's path from the root of the repository that we are in, or else from here, with forward slashes.

    Absolute where the file is elsewhere, and empty where there is no such place on this machine: standard input, a
    revision of git.
    """
    if not file or not (os.path.lexists(file) or os.path.isdir(os.path.dirname(os.path.normpath(file)))):
        return ""
    here = os.getcwd()
    root = next((str(each) for each in (Path(here), *Path(here).parents) if (each / ".git").exists()), here)
    full = os.path.abspath(file)
    inside = full.startswith(os.path.join(root, ""))
    return (os.path.relpath(full, root) if inside else full).replace(os.sep, "/")


def show_problem(problem: UsageProblem, output_format: OutputFormat, command: str) -> None:
    """Print what is wrong with what the user gave, in place of the findings of a command."""
    findings = problem.diagnostics if isinstance(problem, DefinitionProblem) else without_a_place(problem.sentences)
    show_findings(findings, output_format, command, ok=False)


def without_a_place(sentences: Iterable[str]) -> list[Diagnostic]:
    """Return what is wrong with what the user gave, and not within a file, as findings."""
    return [Diagnostic("error", "usage", sentence, Location("")) for sentence in sentences]
