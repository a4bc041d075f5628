"""What SDKs of models, and frameworks around them, make of the tools of all apps: they are theirs by type, and called.

The SDKs are installed for the test, each in one version; where they cannot be had the test skips, and says so.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from difygen.testing import mock_dify
from support import ROOT
from support.projects import difygen

pytestmark = [pytest.mark.slow, pytest.mark.timeout(500)]

PACKAGES = ("openai==3.57.0", "anthropic==2.14.0", "langchain-core==1.8.3", "pydantic-ai-slim==2.68.0")
NO_NETWORK = ("error sending request", "dns error", "failed to lookup address", "Network connectivity is disabled")
FORMS = ("openai", "openai-chat", "anthropic", "json-schema")
PROGRAM = """\
import json, sys
from pathlib import Path

from anthropic.types import ToolParam
from langchain_core.tools import StructuredTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from openai.types.chat import ChatCompletionFunctionToolParam
from openai.types.responses import FunctionToolParam
from pydantic import TypeAdapter
from pydantic_ai import Agent, Tool
from pydantic_ai.models.test import TestModel

from client import ConcatClient
from difygen.tools import Tools

TYPES = {"openai": FunctionToolParam, "openai-chat": ChatCompletionFunctionToolParam, "anthropic": ToolParam}
found = {path.stem: json.loads(path.read_text("utf-8")) for path in Path("tools").iterdir()}
for form, type_ in TYPES.items():
    for name in (form, f"{form}-strict"):
        for tool in found[name]:
            known = set(type_.__annotations__)
            assert set(tool) <= known, (name, set(tool) - known)
            TypeAdapter(type_).validate_python(tool)

tools = Tools(concat=ConcatClient(user="ada"))
(concat,) = (tool for tool in found["json-schema"] if tool["name"] == "concat")
arguments = {"string": "a", "num": 1, "list": "list_a"}


def call(**given):
    return tools.call_tool("concat", given)


about = {"name": concat["name"], "description": concat["description"]}
chain = StructuredTool.from_function(call, args_schema=concat["input"], **about)
print(chain.invoke(arguments))
print(convert_to_openai_tool(chain)["function"]["parameters"]["properties"] == concat["input"]["properties"])

tool = Tool.from_schema(call, json_schema=concat["input"], **about)
done = Agent(TestModel(), tools=[tool]).run_sync("Join them.")
print(done.output)
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with difygen and the SDKs."""
    pytest.importorskip("uv", reason="uv is not installed")
    folder = tmp_path_factory.mktemp("sdks")
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
    found = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    done = subprocess.run(
        [*uv, "pip", "install", "--quiet", "--python", str(found), str(ROOT), *PACKAGES],
        check=False,
        capture_output=True,
        encoding="utf-8",
    )
    if any(sign in done.stderr for sign in NO_NETWORK):
        pytest.skip("the SDKs cannot be had here: there is no network")
    assert done.returncode == 0, done.stderr
    return found


def test_tools_are_theirs_and_are_called(python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tools").mkdir()
    for form in FORMS:
        for strict in ((), ("--strict",)):
            ran = difygen("tools", str(ROOT / "specs"), "--for", form, *strict)
            assert ran.code == 0, ran.err
            (tmp_path / "tools" / f"{form}{'-strict' if strict else ''}.json").write_text(ran.out, "utf-8")
    concat = str(ROOT / "specs" / "concat.yaml")
    assert difygen(concat, "-o", "client").code == 0
    (tmp_path / "program.py").write_text(PROGRAM, "utf-8")
    with mock_dify(concat, handler=lambda inputs: {"result": f"{inputs['string']}!"}) as dify:
        settings = {"DIFY_BASE_URL": dify.base_url, "DIFY_API_KEY": dify.api_key}
        done = subprocess.run(
            [str(python), "program.py"],
            check=False,
            capture_output=True,
            encoding="utf-8",
            env={**os.environ, **settings},
        )
    assert done.returncode == 0, done.stderr
    called, same, told = done.stdout.splitlines()
    assert called == "{'result': 'a!'}"
    assert same == "True"
    assert json.loads(told) == {"concat": {"result": "a!"}}
