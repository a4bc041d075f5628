"""Human-input forms in the terminal: questions for their fields and their button, checked as they are answered."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import import_module
from typing import Any

from difygen.console import UsageProblem, one_line, printable, say
from difygen.servers.arguments import file_argument
from difygen.servers.generated_client import GeneratedClient
from difygen.wording import quoted

_FIELD = re.compile(r"\{\{#\$output\.(\w+)#\}\}")


class FormLeftError(UsageProblem):
    """The input ended before a form was filled in."""


Read = Callable[[str], str | None]
"""Shows a prompt and returns the line that was typed; None at the end of the input."""


def can_be_asked(error: Exception) -> bool:
    """Check whether a run or turn waits for forms alone that the API takes answers for."""
    forms = getattr(error, "forms", ())
    return bool(forms) and all(form.form_token for form in forms)


def fill_in(form: Any, client: Any, loaded: GeneratedClient, read: Read) -> None:
    """Ask for what a form asks for, again where it does not fit, and submit it.

    Raises:
        FormLeftError: The input ended before the form was filled in.
    """
    if not form.actions:  # its node may not be delivered to the web app at all; the server knows
        form = client.get_form(form.form_token)
    content = _FIELD.sub(r"[\1]", form.form_content)
    say(f"\n{printable(content.strip() or form.node_title)}")
    if form.expiration_time:
        say(f"(waits for an answer until {form.expiration_time.astimezone():%Y-%m-%d %H:%M})")
    forms = import_module(f"{loaded.package.__name__}._runtime._operations")
    values = {}
    for field in form.inputs:
        for number, option in enumerate(field.options, 1):
            say(f"  {number}. {one_line(option)}")
        while field.name not in values:
            try:
                value = _value(field, form.default_of(field), read)
                forms.check_value(field, value)
                values[field.name] = value
            except FormLeftError:
                raise
            except UsageProblem as problem:
                say("\n".join(problem.lines()))
            except ValueError as error:
                say(printable(f"Error: {field.name} {error}."))
    client.submit_form(form, action=_action(form, read), inputs=values)


def _value(field: Any, default: str, read: Read) -> object:
    """Ask for the value of one field. Enter takes the default of a text."""
    name = one_line(field.name)
    if field.type == "file":
        return file_argument(name, _line(f"{name} (path or URL): ", read).strip())
    if field.type == "file-list":
        files: list[object] = []
        while field.max_files is None or len(files) < field.max_files:
            text = _line(f"{name} (path or URL; Enter ends the list): ", read).strip()
            if not text:
                break
            files.append(file_argument(name, text))
        return files
    if field.options:
        text = _line(f"{name} (number or text): ", read).strip()
        return _chosen(text, list(field.options))
    beside = f" (Enter for {one_line(default)!r})" if default else ""
    return _line(f"{name}{beside}: ", read) or default


def _action(form: Any, read: Read) -> str:
    """Ask for a button, by its number, its title or its id. A single one is not asked for."""
    titles: dict[str, str] = {action.id: action.title or action.id for action in form.actions}
    if len(titles) == 1:
        return next(iter(titles))
    for number, title in enumerate(titles.values(), 1):
        say(f"  {number}. {one_line(title)}")
    while True:
        text = _chosen(_line("your choice (number or text): ", read).strip(), list(titles))
        if (choice := next((id_ for id_, title in titles.items() if text in (id_, title)), None)) is not None:
            return choice
        say(f"Error: There is no choice {quoted(text)}.")


def _chosen(text: str, options: list[str]) -> str:
    """Return the option that a text means: itself, or the one of that number."""
    if text not in options and text.isdecimal() and 0 < int(text) <= len(options):
        return options[int(text) - 1]
    return text


def _line(prompt: str, read: Read) -> str:
    left = "The form was not filled in: the run waits for it on the server."
    try:
        text = read(prompt)
    except KeyboardInterrupt:
        say(f"\n{left}")
        raise
    if text is None:
        say("")
        raise FormLeftError(left)
    return text
