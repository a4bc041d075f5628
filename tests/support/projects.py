"""A scratch project for tests of regeneration: specs to write and change, and the command line to run on them."""

from __future__ import annotations

import subprocess
from contextlib import chdir
from dataclasses import dataclass
from inspect import signature
from pathlib import Path

from click.testing import CliRunner
from difygen.cli import root

CONCAT = """\
name: concat
inputs:
  string: {type: text-input, max_length: 48}
  list: {type: select, options: [list_a, list_b]}
outputs:
  result: string
"""
REPORT = """\
name: report
inputs: {}
outputs:
  text: string
"""


@dataclass(frozen=True)
class Ran:
    """What a command printed and returned."""

    code: int
    out: str
    err: str


def runner() -> CliRunner:
    """A runner that keeps the error stream apart, as click does by itself since 8.2."""
    is_told = "mix_stderr" in signature(CliRunner).parameters
    return CliRunner(**({"mix_stderr": False} if is_told else {}))


def difygen(*arguments: str, stdin: bytes | None = None) -> Ran:
    """Run the command line in this process."""
    result = runner().invoke(root, list(arguments), input=stdin, prog_name="difygen", catch_exceptions=False)
    return Ran(result.exit_code, result.stdout, result.stderr)


def git(*arguments: str) -> None:
    """Run git in the current folder."""
    subprocess.run(["git", *arguments], check=True)


def commit_all(branch: str = "main") -> None:
    """Make the current folder a repository with all of it in one commit."""
    git("init", "-q", "-b", branch)
    git("add", ".")
    git("-c", "user.name=Ann", "-c", "user.email=ann@example.com", "commit", "-q", "-m", "First")


@dataclass(frozen=True)
class Project:
    """A folder with specs in `specs/` and a package in `client/`."""

    folder: Path

    @property
    def client(self) -> Path:
        return self.folder / "client"

    def write(self, path: str, text: str) -> Path:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        return target

    def change(self, path: str, old: str, new: str) -> None:
        target = self.folder / path
        text = target.read_text()
        assert old in text
        target.write_text(text.replace(old, new))

    def generate(self, *arguments: str) -> Ran:
        return difygen(*(arguments or ("specs",)), "-o", "client")

    def check(self, *arguments: str) -> Ran:
        return difygen("check", *(arguments or ("specs",)), "-o", "client")

    def stamps(self) -> dict[str, tuple[int, int, int]]:
        found = [(path, path.stat()) for path in [self.client, *self.client.rglob("*")]]
        return {str(path): (stat.st_ino, stat.st_mtime_ns, stat.st_size) for path, stat in found}

    def modules(self) -> set[str]:
        return {path.stem for path in self.client.glob("*.py")} - {"__init__"}


def committed_project(folder: Path) -> Project:
    """A project with settings, one spec and its package, committed on its branch `main`."""
    project = Project(folder)
    project.write("specs/concat.yaml", CONCAT)
    project.write("pyproject.toml", '[tool.difygen]\nsources = ["specs"]\noutput = "client"\n')
    with chdir(folder):
        assert difygen().code == 0
        commit_all()
    return project
