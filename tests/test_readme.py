"""The README, and pages of docs, are a long session each: this runs it from top to bottom and compares what it prints
with what the page says.

    ```console   `$ command` lines with the output that follows; `export` lasts, `difygen mock` runs on
    ```python    a program, run as it stands
    ```text      the output of the program right before it
    <!-- file: NAME -->   the block below is written to NAME
    <!-- needs: MODULE… -->   without these the page is skipped
    <!-- studio: NAME VARIABLE… -->   before the block below, a server of Dify's stands in for https://dify.example.com,
                          and its app NAME takes these variables

A line `…` in an output stands for any number of lines; seconds, ids and versions may differ. The page says port
8098; what runs here has a free one. `--update` writes the real output into the page; read it before you commit it.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support import GENERATOR, ROOT
from support.node import NO_NETWORK, need_npm
from support.processes import eventually
from support.servers import Server
from support.studio import Studio, StudioApp

RUN = (
    *(
        "bulk",
        "call",
        "clients",
        "connections",
        "doctor",
        "documents",
        "files",
        "forms",
        "library",
        "long-runs",
        "pull",
        "mcp",
        "recipes",
    ),
    "settings",
)
"""The pages of docs/ that are such sessions."""

PAGES = [
    ROOT / "README.md",
    *(ROOT / "docs" / f"{name}.md" for name in RUN),
    *(
        pytest.param(ROOT / "docs" / f"{name}.md", marks=pytest.mark.slow, id=name)
        for name in ("engines", "typescript")
    ),
]
BLOCK = re.compile(
    r"(?:<!-- file: (?P<file>\S+) -->\n)?(?:<!-- studio: (?P<studio>.+?) -->\n)?"
    r"```(?P<language>\w+)\n(?P<body>.*?)```\n",
    re.DOTALL,
)
PORT = "8098"
STUDIO = "https://dify.example.com"

CELL = """\
import ast, asyncio, sys
asyncio.run(eval(compile(sys.argv[1], "cell", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), {}))
"""

VARYING = (
    (re.compile(r"\b\d+(\.\d+)?(?= ?(s|ms)\b)"), "0"),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "<id>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d+)?)?(\+00:00)?"), "<time>"),
    (re.compile(r"^ +\d+\.\d\d (?=run |[✓✗])", re.MULTILINE), "0.00 "),
    (re.compile(r"\b\d\d(?= (written|unchanged)\b)"), "<all>"),  # the runtime's files among them
    (re.compile(r"[ \t]+$", re.MULTILINE), ""),
)


@dataclass
class Block:
    language: str
    body: str
    file: str | None
    studio: str | None
    start: int
    end: int


def blocks(text: str) -> list[Block]:
    return [
        Block(found["language"], found["body"], found["file"], found["studio"], found.start("body"), found.end("body"))
        for found in BLOCK.finditer(text)
    ]


class Session:
    """A shell in a scratch folder that holds what a newcomer's clone holds."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder = folder
        self.background: list[subprocess.Popen[str]] = []
        self.port = PORT
        support, contracts = StudioApp(2, "support", mode="advanced-chat"), StudioApp(3, "合同审核", mode="chat")
        self.studio = Studio([StudioApp(1, "concat"), support, contracts])
        self.server: Server | None = None
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith("DIFY") and name != "PYTHONPATH"
        } | {
            "PATH": os.pathsep.join((str(programs), str(Path(sys.executable).parent), os.environ["PATH"])),
            "PYTHONPATH": os.pathsep.join((str(folder), str(GENERATOR))),
            "COLUMNS": "100",
            "NO_COLOR": "1",
            "PYTHONUNBUFFERED": "1",
        }

    def command(self, line: str) -> str:
        line = line.replace(PORT, self.port)
        if line.startswith("export "):
            name, _, value = line.removeprefix("export ").partition("=")
            self.environment[name] = value.strip("'\"")
            return ""
        if line.startswith("difygen mock"):
            return self._start(line)
        if line == "python3 scripts/demo.py":
            printed = self._run([sys.executable, line.split()[1]], cwd=ROOT)
            return printed[printed.index("$ difygen") :]  # without what it says of the environment, the first time
        if line == "python3 scripts/test.py":
            return ""  # this is what runs now
        printed = self._run(["bash", "-c", line])
        if line.startswith("npm ") and NO_NETWORK.search(printed):
            pytest.skip("npm's packages cannot be had here: there is no network")
        return printed

    def program(self, text: str) -> str:
        """Run a program, or what is a cell of a notebook, where `await` needs no function around it."""
        program = [CELL] if re.search(r"^\S.*\bawait ", text, re.MULTILINE) else []
        return self._run([sys.executable, "-c", *program, text.replace(PORT, self.port)])

    def _run(self, command: list[str], cwd: Path | None = None) -> str:
        done = subprocess.run(
            command,
            check=False,
            cwd=cwd or self.folder,
            env=self.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        return self._with_the_port_of_the_page(done.stdout)

    def _with_the_port_of_the_page(self, printed: str) -> str:
        printed = printed.replace(self.server.origin, STUDIO) if self.server else printed
        return re.sub(rf"\b{self.port}\b", PORT, printed)

    def _start(self, line: str) -> str:
        log = self.folder / "mock.log"
        with log.open("w") as output:
            self.background.append(
                subprocess.Popen(
                    ["bash", "-c", f"exec {line} --port 0"],
                    cwd=self.folder,
                    env=self.environment,
                    text=True,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                )
            )
        address = re.compile(r"http://127\.0\.0\.1:(\d+)/v1 \(Ctrl-C")
        if eventually(lambda: bool(address.search(log.read_text()))):
            self.port = address.findall(log.read_text())[0]
        return self._with_the_port_of_the_page(log.read_text())

    def write(self, name: str, text: str) -> None:
        """Write a file that the page shows."""
        target = self.folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text.replace(STUDIO, self.server.origin) if self.server else text, "utf-8")

    def change(self, name: str, *variables: str) -> None:
        """Publish an app of the server that stands in for Dify, so that it takes these variables."""
        (app,) = (each for each in self.studio.apps if each.name == name)
        app.variables = variables
        app.publish()

    def close(self) -> None:
        if self.server:
            self.server.__exit__(None, None, None)
        for process in self.background:
            process.send_signal(signal.SIGINT)
        for process in self.background:
            process.wait(60)


@pytest.fixture
def session(tmp_path: Path, programs: Path) -> Iterator[Session]:
    for name in ("specs", "examples", "tests/dsl_lab"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("node_modules", "dist"))
    session = Session(tmp_path, programs)
    yield session
    session.close()


def same(said: str, printed: str) -> bool:
    for pattern, word in VARYING:
        said, printed = pattern.sub(word, said), pattern.sub(word, printed)
    lines = (r"(?:.*\n)*" if line == "…" else re.escape(line) + r"\n" for line in said.strip().splitlines())
    return re.fullmatch("".join(lines), printed.strip() + "\n" if printed.strip() else "") is not None


def console(body: str) -> Iterator[tuple[str, str]]:
    """The commands of a console block, each with the output that the page gives for it."""
    for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        while command.endswith("\\"):
            more, _, output = output.partition("\n")
            command = f"{command}\n{more}"
        yield command, output


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_and_program_does_what_the_page_says(
    page: Path, session: Session, request: pytest.FixtureRequest
) -> None:
    text = page.read_text("utf-8")
    for module in " ".join(re.findall(r"<!-- needs: (.+?) -->", text)).split():
        pytest.importorskip(module, reason=f"{page.name} needs {module}, which is not installed")
    if "$ npm " in text:
        need_npm()
    if "<!-- studio:" in text:
        session.server = session.studio.serve().__enter__()
    wrong: list[str] = []
    fresh: list[tuple[Block, str]] = []
    program_output: str | None = None
    for block in blocks(text):
        if block.file:
            session.write(block.file, block.body)
        if block.studio:
            session.change(*block.studio.split())
        if block.file:
            continue
        if block.language == "console":
            body = ""
            for command, said in console(block.body):
                printed = session.command(command)
                if command == "python3 scripts/demo.py":
                    program_output = printed
                elif not same(said, printed):
                    wrong.append(f"$ {command}\n--- the page\n{said}--- the command\n{printed}")
                    said = printed
                body += f"$ {command}\n{said}"
            fresh.append((block, body))
            if program_output:
                continue
        elif block.language == "python":
            program_output = session.program(block.body)
            if "Traceback" in program_output:
                wrong.append(f"{block.body}\n--- printed\n{program_output}")
            continue
        elif block.language == "text" and program_output is not None and not same(block.body, program_output):
            wrong.append(f"--- the page\n{block.body}--- the program\n{program_output}")
            fresh.append((block, program_output))
        program_output = None
    if request.config.getoption("update"):
        for block, body in reversed(fresh):
            text = text[: block.start] + body + text[block.end :]
        page.write_text(text, "utf-8")
    assert not wrong, "\n\n".join(wrong)
