"""A package in one file: the same names, the same behaviour, nothing beside it."""

import ast
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import black
import pytest
from difygen.codegen.runtime import ALL_PARTS
from difygen.codegen.single_file import runtime_modules
from difygen.config import Options
from support import LAB, ROOT
from support.packages import CONCAT, files_of, imported, python, workflow_of, write
from test_typing import KINDS

WORKFLOWS = [CONCAT, KINDS, workflow_of(LAB / "kitchen_sink.yml")]
ONE_FILE = Options(single_file=True)


@pytest.fixture(scope="module")
def text() -> str:
    files = files_of(WORKFLOWS, ONE_FILE)
    assert list(files) == ["client.py"]
    return files["client.py"]


def test_one_file_has_the_public_names_of_the_package(text: str, tmp_path: Path) -> None:
    write(tmp_path, {"one.py": text, **{f"many/{path}": source for path, source in files_of(WORKFLOWS).items()}})
    with imported(tmp_path, "one") as one, imported(tmp_path, "many") as many:
        assert one.__all__ == many.__all__
        assert all(hasattr(one, name) for name in one.__all__)
        inputs = {"string": "a", "num": 1, "list": "list_a"}
        assert one.ConcatInputs(**inputs).to_wire() == many.ConcatInputs(**inputs).to_wire() == inputs


def test_one_file_is_as_black_leaves_it(text: str) -> None:
    assert black.format_str(text, mode=black.Mode()) == text


def test_one_file_imports_nothing_but_the_standard_library_and_pydantic(text: str) -> None:
    packages = {
        name.partition(".")[0]
        for node in ast.walk(ast.parse(text))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or "."] if isinstance(node, ast.ImportFrom) else []
        )
    }
    assert packages - set(__import__("sys").stdlib_module_names) == {
        "httpx",
        "pydantic",
        "pydantic_core",
        "typing_extensions",
    }
    assert "from ._" not in text


def test_one_file_can_stand_in_any_package(text: str, tmp_path: Path) -> None:
    write(tmp_path, {"app/__init__.py": "", "app/vendor/__init__.py": "", "app/vendor/concat_client.py": text})
    assert (
        python("from app.vendor.concat_client import run_concat; print(run_concat.__name__)", tmp_path)
        == "run_concat\n"
    )


def test_the_workflows_stand_in_the_order_of_their_names() -> None:
    assert files_of(WORKFLOWS, ONE_FILE) == files_of(WORKFLOWS[::-1], ONE_FILE)


def _bound(statements: Sequence[ast.stmt], module: str) -> Iterator[tuple[str, str]]:
    """The names that statements bind, and what each stands for."""
    for statement in statements:
        match statement:
            case ast.Import(names=names):
                yield from ((name.asname or name.name, name.name) for name in names)
            case ast.ImportFrom(module=source, names=names, level=level):
                home = ".".join([*["", *module.split(".")][:-level], source or ""]) if level else source
                yield from ((name.asname or name.name, f"{home}.{name.name}") for name in names)
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name, f".{module}.{name}"
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                yield name, f".{module}.{name}"
            case ast.If(body=body, orelse=orelse):
                yield from _bound([*body, *orelse], module)
            case ast.Expr():
                pass
            case _:
                raise AssertionError(f"{module}:{statement.lineno}: one file cannot hold this at its top")


def test_no_name_at_the_top_of_the_runtime_means_two_things() -> None:
    meanings: dict[str, set[str]] = defaultdict(set)
    folder = ROOT / "templates" / "runtime"
    for path in sorted(folder.rglob("_*.py")):
        if path.stem != "__init__":
            module = ".".join(path.relative_to(folder).with_suffix("").parts)
            for name, meaning in _bound(ast.parse(path.read_text(encoding="utf-8")).body, module):
                meanings[name].add(meaning)
    for name in ("httpx", "Client", "AsyncClient", "SSLContext"):  # libraries, and what type checkers take from them
        meanings[name] -= {f"._http.{name}"}
    assert {name: found for name, found in meanings.items() if len(found) > 1} == {}


def test_every_piece_comes_after_those_that_it_needs() -> None:
    seen: set[str] = set()
    for module in runtime_modules(ALL_PARTS):
        assert module.needs <= seen, module.name
        seen.add(module.name)
