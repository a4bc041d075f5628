"""How well exports are read: what each file is answered with, and how many outputs have a type, or why not.

`python benchmarks/corpus.py [FOLDER]` reads every definition below FOLDER (by default the real exports that lie beside
the repository) and prints a table. With `--check` it also generates one package of all of them and lets black, `mypy
--strict`, ruff, pyright and an import of every module judge it; the exit code is 1 if one of them objects, or if less
than 97 % of the outputs have a type.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "generator"))

from difygen.codegen.package import generate
from difygen.diagnostics import Diagnostics
from difygen.model import App, ArrayOf, ObjectOf, Primitive, Type, UnionOf
from difygen.parser import Reading, read
from difygen.parser.dsl import read_dsl
from difygen.parser.yaml import Document, load

CORPUS = ROOT.parent / "shared" / "dsl-corpus"
ENDINGS = (".yml", ".yaml", ".json")
TARGET = 0.97
BY_CODE, BY_DATA = re.compile("the code of .* gives None"), re.compile("null when '.*' finds nothing at `")
"""Why an output is optional: its code may give None; its code gives what is in data that nothing describes."""


@dataclass
class Survey:
    """What was found over all files."""

    answers: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    workflows: list[App] = field(default_factory=list)
    size: int = 0
    seconds_in_all: float = 0.0
    seconds_in_reader: float = 0.0

    def add(self, data: bytes, file: str) -> None:
        """Read one definition and count what it gives."""
        self.size += len(data)
        alone = _reader_alone(data, file)
        began = time.process_time()
        reading = read(data, file)
        self.seconds_in_all += time.process_time() - began
        self.answers[_answer(reading)] += 1
        self.warnings.update(each.code for each in reading.diagnostics if each.severity == "warning")
        if reading.workflow is not None:
            self.workflows.append(reading.workflow)
            self.seconds_in_reader += alone

    @property
    def outputs(self) -> list[tuple[Type, bool]]:
        """Type and optionality of every output of every workflow."""
        return [(output.type, output.optional) for workflow in self.workflows for output in workflow.outputs]

    def optional(self, why: re.Pattern[str]) -> int:
        """Return how many outputs are optional for reasons of one kind alone."""
        reasons = [output.reason.split("; ") for workflow in self.workflows for output in workflow.outputs]
        return sum(all(why.search(each) for each in some) for some in reasons if any(some))

    @property
    def kinds(self) -> Counter[str]:
        """How many apps there are of each kind."""
        return Counter(workflow.kind.word for workflow in self.workflows)

    @property
    def pieces(self) -> list[Type]:
        """Types of the values that answers of chatflows are made of."""
        answers = (answer for workflow in self.workflows for answer in workflow.answers)
        return [piece.type for answer in answers for piece in answer.pieces if piece.selector]

    @property
    def typed_pieces(self) -> float:
        """The share of those that have a type other than Any."""
        return sum(type_ is not Primitive.ANY for type_ in self.pieces) / max(1, len(self.pieces))

    def count(self, what: str) -> int:
        """Return how many inputs, variables or tools all apps have."""
        return sum(len(getattr(workflow, what)) for workflow in self.workflows)

    @property
    def typed(self) -> float:
        """The share of outputs that have a type other than Any."""
        return sum(type_ is not Primitive.ANY for type_, _ in self.outputs) / max(1, len(self.outputs))


def _answer(reading: Reading) -> str:
    errors = [each for each in reading.diagnostics if each.severity == "error"]
    if reading.workflow is not None:
        return "a client"
    return f"error: {errors[0].code}" if errors and all(each.location.file for each in errors) else "NO ANSWER"


def _reader_alone(data: bytes, file: str) -> float:
    document = load(data, file)
    if not isinstance(document, Document):
        return 0.0
    began = time.process_time()
    read_dsl(document.root, file, Diagnostics(document))
    return time.process_time() - began


def holds_any(type_: Type) -> bool:
    """Whether there is an Any anywhere within a type."""
    if isinstance(type_, ArrayOf):
        return holds_any(type_.item)
    if isinstance(type_, UnionOf):
        return any(map(holds_any, type_.members))
    if isinstance(type_, ObjectOf):
        return any(holds_any(each.type) for each in type_.properties)
    return type_ is Primitive.ANY


def survey(folder: Path) -> Survey:
    """Read every definition below a folder."""
    found = Survey()
    for path in sorted(folder.rglob("*")):
        if path.suffix in ENDINGS and path.is_file():
            found.add(path.read_bytes(), path.relative_to(folder).as_posix())
    return found


def table(found: Survey) -> str:
    """The findings as text."""
    outputs, files = found.outputs, sum(found.answers.values())
    whole = sum(not holds_any(type_) for type_, _ in outputs)
    optional = sum(optional for _, optional in outputs)
    lines = [f"{files} files, {found.size / 1e6:.1f} MB"]
    lines += [f"  {count:5}  {answer}" for answer, count in found.answers.most_common()]
    lines += [
        ", ".join(f"{count} {word}s" for word, count in found.kinds.most_common()),
        ", ".join(f"{found.count(what)} {what}" for what in ("inputs", "variables", "tools")),
        f"{len(outputs)} outputs",
        f"  {found.typed:6.1%}  have a type other than Any",
        f"  {whole / max(1, len(outputs)):6.1%}  have no Any within their type either",
        f"  {optional / max(1, len(outputs)):6.1%}  may be missing or null",
        f"  {found.optional(BY_CODE):6}  of these {optional} only because of what code does",
        f"  {found.optional(BY_DATA):6}  of these {optional} only because code passes on what a node does not describe",
        f"  {found.typed_pieces:6.1%}  of {len(found.pieces)} values in answers have a type other than Any",
        f"{sum(found.warnings.values())} warnings",
    ]
    lines += [f"  {count:5}  {code}" for code, count in found.warnings.most_common()]
    lines.append("CPU time")
    lines.append(f"  {1000 * found.seconds_in_all / max(1, files):6.2f} ms  per file")
    lines.append(f"  {1000 * found.seconds_in_reader / max(1, len(found.workflows)):6.2f} ms  per client beyond YAML")
    return "\n".join(lines)


def check(workflows: Sequence[App]) -> list[str]:
    """Generate one package of all workflows; the names of those who object to it."""
    generated = generate(workflows)
    if not generated.files:
        return [str(each) for each in generated.diagnostics if each.severity == "error"]
    with tempfile.TemporaryDirectory() as folder:
        for path, text in generated.files.items():
            target = Path(folder, "package", path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, "utf-8")
        Path(folder, "pyrightconfig.json").write_text('{"typeCheckingMode": "strict", "include": ["package"]}', "utf-8")
        modules = [path.removesuffix(".py") for path in generated.files if path.endswith(".py") and "/" not in path]
        imports = "\n".join(f"import package.{module}" for module in modules if module != "__init__")
        return [name for name, command in _judges(imports).items() if not _passes(name, command, folder)]


def _judges(imports: str) -> dict[str, list[str]]:
    python = sys.executable
    return {
        "black --check": [python, "-m", "black", "--check", "-q", "package"],
        "mypy --strict": [python, "-m", "mypy", "--strict", "--no-incremental", "package"],
        "ruff check": [python, "-m", "ruff", "check", "--isolated", "--target-version", "py311", "-q", "package"],
        "pyright (strict)": [python, "-m", "pyright", "--pythonpath", python, "-p", "."],
        "import": [python, "-W", "error", "-c", imports],
    }


def _passes(name: str, command: list[str], folder: str) -> bool:
    done = subprocess.run(command, check=False, cwd=folder, capture_output=True, text=True)
    print(f"  {'passes' if done.returncode == 0 else 'FAILS '}  {name}")
    if done.returncode:
        print("\n".join((done.stdout + done.stderr).splitlines()[-15:]), file=sys.stderr)
    return done.returncode == 0


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, default=CORPUS)
    parser.add_argument("--check", action="store_true", help="generate clients of all workflows and have them judged")
    arguments = parser.parse_args()
    if not arguments.folder.is_dir():
        print(f"There is no folder {arguments.folder}; name one that holds exports.", file=sys.stderr)
        return 2
    found = survey(arguments.folder)
    print(table(found))
    objecting: list[str] = []
    if arguments.check:
        print(f"One package of {len(found.workflows)} clients")
        objecting = check(found.workflows)
    return int(bool(objecting) or found.typed < TARGET or "NO ANSWER" in found.answers)


if __name__ == "__main__":
    raise SystemExit(main())
