"""One definition file -> its module: read, planned, rendered, with all that the lock has to know. Runs in any process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from difygen.code import Identifier
from difygen.contract import dump
from difygen.diagnostics import Diagnostic, Location, has_errors
from difygen.files import read_file
from difygen.generate import Module, generate_module, module_names
from difygen.model import App
from difygen.options import Options
from difygen.parser import read
from difygen.plan.names import Wanted
from difygen.project.lock import LockedWorkflow, format_contract, hash_bytes

OTHER_THINGS = ("unknown-format", "unsupported-kind", "unsupported-mode")
"""What is said of a file that defines no workflow: a mistake if the user named it, but not if it lies about in a folder."""


class Task(NamedTuple):
    """A definition to make a module of. `source` is its way from the package, `origin` how the module calls it, `shown` how messages do."""

    path: str
    shown: str
    source: str
    origin: str
    named: bool
    name: str | None = None
    data: bytes | None = None


class Made(NamedTuple):
    """What came of a definition: a module, or findings that say why there is none. `wanted` is the workflow's own name."""

    task: Task
    source_hash: str
    wanted: str
    module: Module | None
    contract: str
    renamed: Mapping[str, str]
    diagnostics: tuple[Diagnostic, ...]

    @property
    def is_other_thing(self) -> bool:
        """Whether the file was found in a folder and is no definition of a workflow."""
        codes = {finding.code for finding in self.diagnostics if finding.severity == "error"}
        return not self.task.named and bool(codes) and codes <= set(OTHER_THINGS)

    def locked(self) -> LockedWorkflow:
        """What the lock keeps of it."""
        assert self.module is not None, "nothing is locked of a definition with errors"
        return LockedWorkflow(
            self.task.source,
            self.task.origin,
            self.source_hash,
            tuple(self.module.exports),
            self.wanted,
            self.contract,
            self.renamed,
            sum(finding.severity == "warning" for finding in self.diagnostics),
        )


def make(task: Task, options: Options) -> Made:
    """The module of one definition. Without a given name, it is called what it would be if it were alone."""
    try:
        data = task.data if task.data is not None else read_file(task.path, special=task.named)
    except OSError as error:
        finding = Diagnostic("error", "unreadable", f"It cannot be read: {error.strerror}.", Location(task.shown))
        return Made(task, "", "", None, "", {}, (finding,))
    reading = read(data, task.shown)
    if reading.workflow is None or has_errors(reading.diagnostics):
        return Made(task, hash_bytes(data), "", None, "", {}, reading.diagnostics)
    workflow = replace(reading.workflow, source=task.origin)
    name = Identifier(task.name) if task.name else module_names([Wanted(workflow.name, task.origin)])[0][0]
    module = generate_module(workflow, options, name)
    workflow = pinned(workflow, options, name)
    findings = (*reading.diagnostics, *(_placed(finding, task) for finding in module.diagnostics))
    renamed = options.rename.get(name) or options.rename.get(workflow.name) or {}
    return Made(
        task,
        hash_bytes(data),
        workflow.name,
        module,
        format_contract(dump(workflow)),
        renamed,
        findings,
    )


def pinned(workflow: App, options: Options, name: str) -> App:
    """`workflow` with the types that the user pinned for its outputs, which is what callers see."""
    words = options.outputs.get(name) or options.outputs.get(workflow.name)
    if not words:
        return workflow
    from difygen.parser.type_syntax import type_of_word

    types = {output: type_of_word(word) for output, word in words.items()}
    outputs = [replace(output, type=types.get(output.name) or output.type) for output in workflow.outputs]
    return replace(workflow, outputs=tuple(outputs))


def _placed(finding: Diagnostic, task: Task) -> Diagnostic:
    """A finding about the code, with the definition called as in all other messages."""
    if finding.location.file != task.origin:
        return finding  # about a template
    return finding._replace(location=finding.location._replace(file=task.shown))
