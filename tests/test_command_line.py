"""What the command line offers: commands are loaded when they are called, and known by name before."""

import subprocess
import sys

import click
import pytest
from difygen import commands
from difygen.cli import COMMANDS, root
from support import GENERATOR
from support.processes import importing
from support.projects import difygen


def test_the_command_line_names_every_command() -> None:
    defined = {name: each for name, each in vars(commands).items() if isinstance(each, click.Command)}
    assert {name: root.get_command(click.Context(root), name) for name in COMMANDS} == defined


def test_generating_does_not_load_the_other_commands() -> None:
    program = "import sys; from difygen.cli import root; print('difygen.commands' in sys.modules); root(['--version'])"
    done = subprocess.run(
        [sys.executable, "-c", program], env=importing(GENERATOR), capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[0] == "False"


@pytest.mark.parametrize(
    "arguments",
    [
        ("spec.yaml", "-o"),
        ("docs", "spec.yaml", "-o"),
        ("pull", "--server"),
        ("call", "spec.yaml", "--inputs", "rows.csv", "--store"),
        ("call", "spec.yaml", "--file", "a.pdf", "--file"),
    ],
)
def test_a_place_that_a_variable_has_left_empty_is_refused(arguments: tuple[str, ...]) -> None:
    ran = difygen(*arguments, "")
    assert ran.code == 2
    option = arguments[-1].replace("-o", "--output")
    assert ran.err.splitlines()[-1] == f"Error: {option} is empty: is a variable not set?"
