"""Answers to human-input forms: held against the form before anything is sent.

The server looks whether the action and every field are there, and at nothing else (seen on
1.14.2): a number for a paragraph fails the run, a text that is no option becomes its output.
Later releases look at options and files, too.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from ._errors import FormValuesError
from ._files import FileRules, PreparedFile, Uploads
from ._payloads import Form, FormInput

TEXT_FIELDS = ("paragraph", "text_input", "text-input")
FILE_FIELDS = ("file", "file-list")
MAX_SHOWN_ITEMS = 20
FORM_UNKNOWN = (
    "The server knows no such form. It gives a token to every form (seen on 1.14.2), but "
    "takes answers over the API only where the delivery of the human-input node has the "
    "web app; or the form is another app's"
)
WEB_APP_HINT = (
    "Switch on the web app in the delivery method of the node, publish the app, and start a "
    "run anew; or let the person answer by the e-mail that the node sends"
)


def listed(items: Iterable[str]) -> str:
    """Return names for a message: not too many, and none too long."""
    shown = [repr(item[:100]) for item in items]
    if len(shown) > MAX_SHOWN_ITEMS:
        shown = [*shown[:MAX_SHOWN_ITEMS], "..."]
    return ", ".join(shown)


def form_of(forms: Form | Sequence[Form] | str, node_id: str) -> Form | str:
    """Return the form of a node among those that wait; a token may be that of any.

    Raises:
        FormValuesError: None of them is, or several are.
    """
    if isinstance(forms, str):
        return forms
    given = [forms] if isinstance(forms, Form) else list(forms)
    found = [form for form in given if form.node_id in ("", node_id)]
    if len(found) == 1:
        return found[0]
    if found:
        raise FormValuesError(
            f"{len(found)} forms of the node {node_id!r} wait: give one of them alone"
        )
    others = listed(form.node_id for form in given) or "none at all"
    raise FormValuesError(
        f"The answer is for the form of the node {node_id!r}, and not for that of {others}"
    )


def check_action(form: Form, action: object) -> None:
    """Check that the form has the action.

    Raises:
        FormValuesError: It has not; the message says which it has.
    """
    actions = [each.id for each in form.actions]
    if action not in actions:
        names = f"it takes {listed(actions)}" if actions else "it has no actions at all"
        raise FormValuesError(
            f"The form has no action {str(action)[:100]!r}: {names}",
            problems={"action": names},
        )


def check_values(form: Form, values: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the values as they are sent, files prepared to be.

    Raises:
        FormValuesError: Some do not fit, or are missing, or are no fields of the form.
    """
    fields = {field.name: field for field in form.inputs}
    problems: dict[str, str] = {}
    checked: dict[str, Any] = {}
    values = values or {}
    for name, field in fields.items():
        try:
            if name not in values:
                raise ValueError(f"is missing: it takes {expected(field)}")
            checked[name] = check_value(field, values[name])
        except ValueError as error:
            problems[name] = str(error)
    for name in values:
        if name not in fields:
            known = f"it has {listed(fields)}" if fields else "it has none"
            problems[name] = f"is no field of the form: {known}"
    if problems:
        lines = [f"{name[:100]} {problem}" for name, problem in problems.items()]
        raise FormValuesError(
            f"The values do not fit the form: {'; '.join(lines)}", problems=problems
        )
    return checked


def check_value(field: FormInput, value: Any) -> Any:
    """Return the value of a field as it is sent, files prepared to be.

    A field of a kind that is not known takes what the server makes of it.

    Raises:
        ValueError: It does not fit; the message goes on where the field's name ends.
    """
    if field.type in TEXT_FIELDS or field.type == "select":
        if not isinstance(value, str):
            found = type(value).__name__
            raise ValueError(f"takes {expected(field)}, not {found}")
        if field.options and value not in field.options:
            raise ValueError(f"takes {expected(field)}, not {value[:100]!r}")
        return value
    if field.type not in FILE_FIELDS:
        return value
    try:
        if field.type == "file":
            return rules_of(field).prepare(value)
        return check_files(field, value)
    except ValueError as error:
        raise ValueError(f"takes {expected(field)}: {error}") from None


def check_files(field: FormInput, value: Any) -> list[PreparedFile]:
    """Return the files of a field that takes several.

    Raises:
        ValueError: They are no list, too many, or one of them is not taken. An empty list
            is, as by the server.
    """
    found = type(value).__name__
    is_one = isinstance(value, str | bytes | bytearray | tuple | Mapping)
    if is_one or not isinstance(value, Sequence):
        raise ValueError(f"a list is needed, not {found}")
    files = cast(Sequence[object], value)
    if field.max_files is not None and len(files) > field.max_files:
        raise ValueError(f"{len(files)} files are too many")
    return [rules_of(field).prepare(file) for file in files]


def rules_of(field: FormInput) -> FileRules:
    """Return which files a field takes."""
    return FileRules(
        types=field.allowed_file_types,
        extensions=field.allowed_file_extensions,
        methods=field.allowed_file_upload_methods,
    )


def expected(field: FormInput) -> str:
    """Say what a field takes."""
    if field.options:
        return f"one of {listed(field.options)}"
    if field.type in TEXT_FIELDS or field.type == "select":
        return "a text"
    if field.type == "file":
        return "a file"
    if field.type != "file-list":
        return "a value"
    limit = field.max_files
    return "a list of files" if limit is None else f"a list of up to {limit} files"


def files_among(values: Mapping[str, Any]) -> Iterator[PreparedFile]:
    """Yield the files of values that were checked."""
    for value in values.values():
        items = cast(list[object], value) if isinstance(value, list) else [value]
        yield from (item for item in items if isinstance(item, PreparedFile))


def wire_values(values: Mapping[str, Any], uploads: Uploads) -> dict[str, Any]:
    """Return values that were checked as JSON for the server, once their files are there."""

    def wire(value: Any) -> Any:
        if isinstance(value, PreparedFile):
            return value.wire_with(uploads)
        if isinstance(value, list):
            return [wire(item) for item in cast(list[object], value)]
        return value

    return {name: wire(value) for name, value in values.items()}
