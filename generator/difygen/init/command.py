"""`difygen init`: a commented file of settings to start from, or the spec that an export amounts to, for people to review.

Overwrites nothing unless told to.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress

import click

from difygen.config import OWN_FILE, PROJECT_FILE, Config, load_config
from difygen.diagnostics import has_errors
from difygen.model import App
from difygen.project.files import read_file

SCHEMA_FILE = "difygen.schema.json"
USUAL_FOLDERS = ("specs", "exports", "workflows", "dify")

_SETTINGS = """\
# Settings of difygen. `difygen` alone does what stands here, and `difygen check` tells in CI whether it is done.
# Paths start at the folder of this file.

# The definitions: specs, files that Dify exported, folders of them, or patterns such as "exports/*.yml".
sources = ["{source}"]

# The package to write; one self-contained file, if it ends in .py.
output = "dify_client"

# The longest line of the generated code.
# line_length = 88

# Which clients to write: "both", "sync" or "async".
# emit = "both"

# A folder of templates that replace difygen's own, one by one.
# templates = "templates"

# A package to import the runtime from, in place of a copy in each output; `difygen runtime` writes it.
# runtime = "our_project.dify_runtime"

# What to do differently for one workflow, by its name in Python.
# [workflows.concat]
# The definition that is to have this name:
# source = "exports/字段拼接.yml"
# Python names for inputs and outputs, by their names in Dify:
# rename = {{ "文本" = "text" }}
# Types of outputs, where the definition does not tell:
# outputs = {{ result = "string" }}
# The environment variable that holds the API key:
# env = "CONCAT_API_KEY"
"""

_SPEC_HEAD = """\
# yaml-language-server: $schema={schema}
# What callers of this workflow send and get. Review it: outputs are what the export tells about them.
"""


def run_init(export: str | None = None, output: str | None = None, force: bool = False) -> int:
    """Write a file of settings, or for an export its spec. The exit code: 1 if something is in the way, 2 if the export is wrong."""
    if export is not None:
        return _init_spec(export, output, force)
    return _init_settings(output or OWN_FILE, force)


def _init_settings(path: str, force: bool) -> int:
    if os.path.basename(path) == PROJECT_FILE:
        return _refuse(
            f"{path} is not written; put the settings into its table [tool.difygen], as `difygen init -o -` prints them"
        )
    known = load_config(os.path.dirname(path) or ".")
    if known is not None and not force and path != "-" and not os.path.exists(path):
        file = known.file if isinstance(known, Config) else known[0].location.file
        return _refuse(f"{file} has settings of difygen already")
    return _write(path, settings_text(), force)


def settings_text(folder: str = ".") -> str:
    """The commented settings, with the folder that most likely holds the definitions."""
    found = (name for name in USUAL_FOLDERS if os.path.isdir(os.path.join(folder, name)))
    return _SETTINGS.format(source=next(found, USUAL_FOLDERS[0]))


def _init_spec(export: str, output: str | None, force: bool) -> int:
    from difygen.init.spec_text import spec_text
    from difygen.parser import read

    try:
        data = _data_of(export)
    except OSError as error:
        click.echo(f"{export}: error: It cannot be read: {error.strerror}.", err=True)
        return 2
    reading = read(data, export)
    for found in reading.diagnostics:
        click.echo(str(found), err=True)
    if reading.workflow is None or has_errors(reading.diagnostics):
        return 2
    text = f"{_SPEC_HEAD.format(schema=SCHEMA_FILE)}{spec_text(reading.workflow)}"
    path = output or _path_of(reading.workflow)
    code = _write(path, text, force)
    if code == 0 and path != "-":
        _review(text, path)
        _add_schema(os.path.dirname(path))
    return code


def _data_of(export: str) -> bytes:
    if export == "-":
        return sys.stdin.buffer.read()
    return read_file(export, special=True)


def _path_of(workflow: App) -> str:
    from difygen.generate import module_names
    from difygen.plan.names import Wanted

    (name,), _ = module_names([Wanted(workflow.name, workflow.source)])
    return f"specs/{name}.yaml"


def _review(text: str, path: str) -> None:
    """Say what a spec cannot take over from the export, so that somebody has to decide."""
    from difygen.parser import read

    for found in read(text.encode(), path).diagnostics:
        click.echo(str(found), err=True)


def schema_text() -> str:
    """The JSON Schema of specs, which is beside the code in an installed wheel, and with the specs in a checkout."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    checkout = os.path.dirname(os.path.dirname(package))
    for folder in (package, os.path.join(checkout, "specs")):
        with suppress(FileNotFoundError), open(os.path.join(folder, SCHEMA_FILE), encoding="utf-8") as file:
            return file.read()
    raise FileNotFoundError(SCHEMA_FILE)


def _add_schema(folder: str) -> None:
    """Put the JSON Schema beside the first spec of a folder, so that editors complete and check it."""
    path = os.path.join(folder, SCHEMA_FILE)
    if not os.path.exists(path):
        _write(path, schema_text(), force=False)


def _write(path: str, text: str, force: bool) -> int:
    if path == "-":
        click.echo(text, nl=False)
        return 0
    if os.path.isdir(path):
        return _refuse(f"{path} is a folder; -o names the file to write")
    if os.path.exists(path) and not force:
        return _refuse(f"{path} exists already; --force overwrites it")
    try:
        _write_file(path, text)
    except OSError as error:
        return _refuse(f"{path} cannot be written: {error.strerror}")
    click.echo(f"wrote {path}")
    return 0


def _write_file(path: str, text: str) -> None:
    """Write a file as a whole or not at all."""
    if folder := os.path.dirname(path):
        os.makedirs(folder, exist_ok=True)
    draft = f"{path}.difygen-new"
    try:
        with open(draft, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        os.replace(draft, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(draft)
        raise


def _refuse(why: str) -> int:
    click.echo(f"Error: {why}.", err=True)
    return 1
