"""What the runtime imports, and when: httpx or httpx2, by the first call; asyncio, by the first async one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT, TESTS
from support.processes import printed


def python(code: str) -> str:
    """What a fresh interpreter prints that can import the runtime."""
    return printed(code, folders=(ROOT / "templates", TESTS)).strip()


def test_importing_and_building_a_client_loads_neither_httpx_nor_asyncio() -> None:
    code = "import sys, support.concat_client as made; made.ConcatClient(); made.AsyncConcatClient(); print("
    assert python(code + "{'httpx', 'httpx2', 'asyncio', 'ssl'} & set(sys.modules))") == "set()"


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
def test_either_library_will_do(library: str) -> None:
    other = {"httpx": "httpx2", "httpx2": "httpx"}[library]
    code = f"import sys; sys.modules['{other}'] = None; from runtime._http import http_library; print("
    assert python(code + "http_library().__name__)") == library


def test_httpx_is_taken_where_both_are_there() -> None:
    assert python("from runtime._http import http_library; print(http_library().__name__)") == "httpx"


def test_without_either_the_error_says_what_to_install() -> None:
    code = """
import sys; sys.modules.update(httpx=None, httpx2=None)
import runtime
from support.concat_client import ConcatClient
try:
    ConcatClient(base_url="http://127.0.0.1:9/v1", api_key="app-x").run()
except runtime.ConfigurationError as error:
    print(error)
"""
    assert "install httpx" in python(code)


def fake_httpx(folder: Path, version: str) -> None:
    """An httpx with another API, first on the path."""
    (folder / "httpx.py").write_text(f"__version__ = {version!r}\n" if version else "")


OTHER_VERSIONS = ["1.0.dev1", "1.0", "0.26.0", "0.9.5", "0.2.7", ""]


@pytest.mark.parametrize("version", OTHER_VERSIONS)
def test_an_httpx_with_another_api_is_named_with_what_to_install(tmp_path: Path, version: str) -> None:
    fake_httpx(tmp_path, version)
    code = f"""
import sys; sys.path.insert(0, {str(tmp_path)!r}); sys.modules["httpx2"] = None
import asyncio
import runtime
from support.concat_client import AsyncConcatClient, ConcatClient
settings = dict(base_url="http://127.0.0.1:9/v1", api_key="app-x", user="u")
try:
    ConcatClient(**settings).run()
except runtime.ConfigurationError as error:
    print(error)
try:
    asyncio.run(AsyncConcatClient(**settings).run())
except runtime.ConfigurationError as error:
    print(error)
"""
    found = f"httpx {version or '(of no known version)'} is installed"
    said = f"{found}, and cannot be used: install httpx>=0.27,<1 (or httpx2)"
    assert python(code).splitlines() == [said, said]


@pytest.mark.parametrize("version", OTHER_VERSIONS)
def test_httpx2_is_taken_where_httpx_has_another_api(tmp_path: Path, version: str) -> None:
    fake_httpx(tmp_path, version)
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from runtime._http import http_library; print("
    assert python(code + "http_library().__name__)") == "httpx2"


@pytest.mark.slow  # scripts/matrix.py has an environment without httpx
def test_a_part_of_the_matrix_with_httpx2() -> None:
    """The whole of it with httpx2 is a command of its own, see conftest."""
    rows = "(sync or async) and (normal or FIN or reset or silence or redirect or 502 or too_many) and not reading"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-x", "-k", rows]
    command += ["tests/test_faults.py", "tests/test_connections.py"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        command, cwd=ROOT, env={**environment, "HTTP_LIBRARY": "httpx2"}, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-5000:]
