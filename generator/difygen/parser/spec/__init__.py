"""The YAML spec, written by hand: names and types of inputs and outputs, and nothing of the graph."""

from __future__ import annotations

from difygen.model import App, Input, Output
from difygen.parser import Reading
from difygen.parser.document import Document
from difygen.parser.spec.examples import read_examples
from difygen.parser.spec.inputs import read_input
from difygen.parser.spec.types import OUTPUT, description, read_type
from difygen.parts import Part, Report

KEYS = ("name", "title", "description", "inputs", "outputs", "examples")


def read_spec(document: Document) -> Reading:
    """The workflow that a spec describes, or everything that is wrong with the spec."""
    report = Report(document)
    root = Part(document.root, (), report, "The spec")
    root.only(KEYS, "a spec")
    inputs, outputs = _inputs(root), _outputs(root)
    workflow = App(
        name=_name(root, document.file),
        source=document.file,
        title=root.text_of("title"),
        description=root.text_of("description"),
        inputs=inputs,
        outputs=outputs,
        examples=read_examples(root, inputs, outputs),
    )
    found = report.diagnostics()
    return Reading(None if any(each.severity == "error" for each in found) else workflow, found)


def _name(root: Part, file: str) -> str:
    """The name of the workflow; where it is not given, that of the file."""
    name = root.get("name")
    if name is None:
        stem = file.replace("\\", "/").rpartition("/")[2].partition("#")[0]
        stem = stem.rpartition(".")[0] or stem
        if stem in ("", "-"):
            root.error("missing-key", "The spec has no `name`, and there is no file name to take it from.")
        return stem
    text = name.text()
    if isinstance(name.value, str) and not text.strip():
        name.error("empty-name", "`name` must not be empty.")
    return text


def _inputs(root: Part) -> tuple[Input, ...]:
    members = root.mapping_of("inputs", "names to types")
    found = [read_input(name, part) for name, part in members.members()] if members is not None else []
    return tuple(input_ for input_ in found if input_ is not None)


def _outputs(root: Part) -> tuple[Output, ...]:
    members = root.mapping_of("outputs", "names to types")
    return tuple(_output(name, part) for name, part in members.members()) if members is not None else ()


def _output(name: str, part: Part) -> Output:
    return Output(
        name=name,
        type=read_type(part, OUTPUT),
        optional=part.flag_of("optional"),
        reason=part.text_of("reason"),
        description=description(part),
    )
