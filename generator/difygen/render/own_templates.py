"""Templates of the user's own in place of ours: rendered by jinja2 in its sandbox, and tried before they are used.

Imported only where there are some. Knows the names of our templates and nothing of what they print.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from jinja2 import FileSystemLoader, StrictUndefined, TemplateError, TemplateSyntaxError, Undefined
from jinja2.sandbox import SandboxedEnvironment

from difygen.code import trusted
from difygen.diagnostics import Diagnostic, Location
from difygen.render.printing import SUFFIX, TEMPLATE_SETTINGS, TemplateProblem, templates_folder
from difygen.wording import nearest


def render_own(folder: str, template: str, context: Mapping[str, Any]) -> str:
    """The text that a template of the folder gives, which must be Python."""
    name = template + SUFFIX
    try:
        text = _environment(folder).get_template(name).render(context)
        ast.parse(text)
    except TemplateSyntaxError as error:
        raise _problem(folder, name, error.message or "it is not a template", error.lineno) from error
    except SyntaxError as error:
        raise _problem(folder, name, f"what it gives is not Python: {error.msg}") from error
    except (TemplateError, TypeError) as error:
        raise _problem(folder, name, str(error)) from error
    return text


def _problem(folder: str, name: str, why: str, line: int = 0) -> TemplateProblem:
    location = Location(_shown(folder, name), line, 1 if line else 0)
    hint = "templates/README.md of difygen lists what a template is given."
    message = f"The template cannot be used: {why.rstrip('.')}."
    return TemplateProblem(Diagnostic("error", "bad-template", message, location, hint))


def folder_problems(folder: str) -> tuple[Diagnostic, ...]:
    """What is wrong with a folder of templates before any of them is read."""
    if not os.path.isdir(folder):
        return (Diagnostic("error", "bad-template", "There is no such folder of templates.", Location(folder)),)
    return tuple(_strangers(folder))


def _strangers(folder: str) -> Iterator[Diagnostic]:
    """Files that look like templates and are called like none of ours."""
    ours = [name for name in os.listdir(templates_folder()) if name.endswith(SUFFIX)]
    for name in sorted(os.listdir(folder)):
        if name in ours and not os.path.isfile(os.path.join(folder, name)):
            yield Diagnostic("error", "bad-template", "It is no file.", Location(_shown(folder, name)))
        if name.endswith(".jinja") and name not in ours:
            near = nearest(name, ours)
            hint = f"Did you mean `{near}`?" if near else f"Known are {', '.join(sorted(ours))}."
            yield Diagnostic(
                "error", "bad-template", "No template has this name.", Location(_shown(folder, name)), hint
            )


def _shown(folder: str, name: str) -> str:
    return f"{folder.rstrip('/')}/{name}"


@cache
def _environment(folder: str) -> SandboxedEnvironment:
    return SandboxedEnvironment(
        loader=FileSystemLoader(folder), undefined=StrictUndefined, finalize=_printed, **TEMPLATE_SETTINGS
    )


def _printed(value: object) -> str:
    """What may be printed. Something undefined raises jinja2's own error, which names it."""
    return trusted(str(value) if isinstance(value, Undefined) else value)
