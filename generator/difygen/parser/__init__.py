"""A definition file, whatever its format, to an `App`.

Decides whether `spec` or `dsl` reads a file; those know the formats.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice

from difygen.diagnostics import Diagnostic, Diagnostics, has_errors
from difygen.model import App, JsonValue
from difygen.parser.yaml import Document, load
from difygen.record import Record, replace
from difygen.wording import nearest

SPEC_KEYS = ("inputs", "outputs")
EXPORT_KEYS = ("app", "kind", "workflow", "model_config", "graph")


class Reading(Record):
    """What reading a definition gave: the workflow, unless a diagnostic is an error."""

    workflow: App | None
    diagnostics: tuple[Diagnostic, ...] = ()


def read(data: bytes, file: str) -> Reading:
    """Read a spec or an export.

    `file` is how messages call it. Whatever the bytes are: what is wrong is a diagnostic, not an exception.
    """
    document = load(data, file)
    if not isinstance(document, Document):
        return Reading(None, document)
    if isinstance(inner := document.root.get("data"), str) and len(document.root) == 1:
        # What Dify's console answers to an export request: the export as text, in the key `data`.
        reading = read(inner.encode(errors="replace"), f"{file}#data")
        hint = "Lines are counted within the text of `data`."
        found = tuple(each._replace(hint=f"{each.hint} {hint}".strip()) for each in reading.diagnostics)
        return Reading(reading.workflow and replace(reading.workflow, source=file), found)
    report = Diagnostics(document)
    workflow = _read_root(document.root, file, report)
    found = (*document.diagnostics, *report.in_order())
    return Reading(None if has_errors(found) else workflow, found)


def _read_root(root: Mapping[str, JsonValue], file: str, report: Diagnostics) -> App | None:
    """Read with the reader for the format that the file's keys speak for."""
    if any(key in root for key in EXPORT_KEYS) and not any(key in root for key in SPEC_KEYS):
        from difygen.parser.dsl import read_dsl

        return read_dsl(root, file, report)
    if any(key in root for key in (*SPEC_KEYS, "mode")) or any(nearest(key, SPEC_KEYS) for key in islice(root, 20)):
        from difygen.parser.spec import read_spec

        return read_spec(root, file, report)
    message = "This is neither a spec (with `inputs` and `outputs`) nor a file that Dify exported"
    report.error("unknown-format", f"{message} (with `app` and `workflow`).", ())
    return None
