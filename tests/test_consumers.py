"""What other people's generators make of the documents of all apps: it compiles, is imported, and calls the mock.

Each generator is installed for the test, in one of its versions; where it cannot be had the tests skip, and say so.
docs/documents.md and docs/typescript.md say what users have to know.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from difygen.testing import MockDify, mock_dify
from support import ROOT, TESTS
from support.node import install, run, write_types
from support.projects import difygen

pytestmark = [pytest.mark.slow, pytest.mark.timeout(500)]

PACKAGES = (
    *("datamodel-code-generator==0.89.0", "openapi-python-client==0.29.1", "openapi-generator-cli==7.26.0"),
    *("schemathesis==4.32.5", "python-dateutil", "urllib3", "httpx", "ruff"),
)
NO_NETWORK = ("error sending request", "dns error", "failed to lookup address", "Network connectivity is disabled")
REDOCLY = "@redocly/cli@2.77.0"
LOOKUP = """\
name: lookup
title: 订单查询
inputs:
  客户: {type: text-input, max_length: 20, label: Customer}
  订单号: {type: number, required: false, default: 3}
  class: {type: select, options: [一, 二], required: false, default: 一}
  order-no: {type: text-input, required: false}
  选项: {type: json_object, required: false, properties: {数: string}}
outputs:
  状态: string
  数量: {type: integer, optional: true}
  明细: {type: "array[object]", properties: {名: string}}
examples:
  - inputs: {客户: Ada}
    outputs: {状态: 已发货, 数量: null, 明细: [{名: 灯}]}
"""
TOLERANCES = """\
hooks = "tolerances"  # what Dify takes and breaks on in its own ways is judged there, by operation and by cause

[[operations]]
include-operation-id = ["run_concat", "stop_concat_task"]
checks.negative_data_rejection.enabled = false
checks.not_a_server_error.enabled = false

[[operations]]
include-operation-id = ["get_concat_run", "get_concat_events"]
checks.not_a_server_error.enabled = false

[[operations]]
include-operation-id = "upload_file"
checks.positive_data_acceptance.enabled = false
"""
OTHERS = {
    "desk": "name: desk\nmode: chatflow\ninputs: {订单: text-input}\n",
    "agent": "name: agent\nmode: agent\ninputs: {}\n",
    "writer": "name: writer\nmode: completion\ninputs: {query: text-input}\n",
}


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The documents of apps of all kinds, by name."""
    folder = tmp_path_factory.mktemp("consumers")
    for name, spec in {"lookup": LOOKUP, **OTHERS}.items():
        (folder / f"{name}.yaml").write_text(spec, "utf-8")
    sources = [str(ROOT / "specs"), *(str(folder / f"{name}.yaml") for name in ("lookup", *OTHERS))]
    ran = difygen("openapi", *sources, "--format", "json", "-o", str(folder / "api"))
    assert ran.code == 0, ran.err
    found = {path.name.partition(".")[0]: path for path in sorted((folder / "api").glob("*.openapi.json"))}
    assert len(found) == 15
    return found


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the programs of an environment in which the generators are installed, and Python."""
    pytest.importorskip("uv", reason="uv is not installed")
    folder = tmp_path_factory.mktemp("environment")
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
    scripts = folder / ("Scripts" if sys.platform == "win32" else "bin")
    done = subprocess.run(
        [*uv, "pip", "install", "--quiet", "--python", str(scripts / "python"), *PACKAGES],
        check=False,
        capture_output=True,
        encoding="utf-8",
    )
    if any(sign in done.stderr for sign in NO_NETWORK):
        pytest.skip("the generators cannot be had here: there is no network")
    assert done.returncode == 0, done.stderr
    return scripts


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which npm's packages of the example are installed, and a linter."""
    folder = tmp_path_factory.mktemp("node")
    for name in ("package.json", "package-lock.json", "tsconfig.json"):
        shutil.copy(ROOT / "examples" / "typescript" / name, folder)
    install(folder)
    run(folder, "npm", "install", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts", REDOCLY)
    return folder


@pytest.fixture(scope="module")
def dify(documents: dict[str, Path]) -> Iterator[MockDify]:
    """A server for some of them."""
    folder = documents["lookup"].parent.parent

    def answer(inputs: dict[str, object], name: str) -> object:
        if name == "lookup":
            return {"状态": f"已发货 {inputs['客户']}", "数量": None, "明细": [{"名": "灯"}]}
        return f"{inputs.get('sys.query')} {inputs.get('订单')}"

    with mock_dify(*(folder / f"{name}.yaml" for name in ("lookup", "desk", "writer")), handler=answer) as server:
        yield server


def python(programs: Path, program: str, dify: MockDify, *folders: Path) -> list[str]:
    """Run a program with generated packages at hand, and return the lines that it prints."""
    path = ":".join(map(str, folders))
    printed = run(
        folders[0], str(programs / "python"), "-c", program, PYTHONPATH=path, BASE=dify.base_url, PYTHONUTF8="1"
    )
    return printed.splitlines()


# openapi-generator


@pytest.fixture(scope="module")
def generated(programs: Path, documents: dict[str, Path]) -> Path:
    """What openapi-generator makes of all documents: folders called after app and language."""
    if shutil.which("java") is None:
        pytest.skip("Java is not installed here, which openapi-generator runs on")
    folder = documents["lookup"].parent.parent / "openapi-generator"
    settings = []
    for name, document in documents.items():
        names = json.loads(document.read_text("utf-8")).get("x-dify-names", {})
        for language in ("python", "typescript-fetch"):
            output = folder / f"{name}-{language}"
            output.mkdir(parents=True)
            common = {"inputSpec": str(document), "outputDir": str(output), "packageName": name}
            settings.append(folder / f"{name}-{language}.json")
            settings[-1].write_text(json.dumps(common | {"generatorName": language, "nameMappings": names}), "utf-8")
    printed = run(folder, str(programs / "openapi-generator-cli"), "batch", *map(str, settings))
    assert f"finished {len(settings)} generators successfully" in printed
    return folder


def test_openapi_generator_makes_python_that_calls(generated: Path, programs: Path, dify: MockDify) -> None:
    folders = sorted(generated.glob("*-python"))
    program = """if True:
        import desk, lookup, os, writer
        for name in "{names}".split():
            package = __import__(name)
            assert all(getattr(package, each) is not None for each in dir(package))

        def api(package, name, key=None):
            settings = package.Configuration(host=os.environ["BASE"], access_token=key or f"app-{{name}}")
            return getattr(package, f"{{name.capitalize()}}Api")(package.ApiClient(settings))

        inputs = lookup.LookupInputs(ke_hu="Ada", var_class="二", order_no="7", xuan_xiang={{"数": "1"}})
        run = api(lookup, "lookup").run_lookup(lookup.LookupRunRequest(inputs=inputs, user="ada"))
        outputs = run.data.outputs.actual_instance
        print(type(outputs).__name__, outputs.zhuang_tai, outputs.shu_liang, outputs.ming_xi[0].ming)
        try:
            lookup.LookupInputs(ke_hu="Ada", var_class="三")
        except ValueError as error:
            print("一" in str(error))
        try:
            api(lookup, "lookup", "app-nothing").run_lookup(lookup.LookupRunRequest(inputs=inputs, user="ada"))
        except lookup.exceptions.UnauthorizedException as error:
            print(error.status, error.data.code)
        turn = desk.DeskTurnRequest(query="Where is", inputs=desk.DeskInputs(ding_dan="A-1"), user="ada")
        print(api(desk, "desk").chat_desk(turn).answer)
        text = writer.WriterTurnRequest(inputs=writer.WriterInputs(query="a letter"), user="ada")
        print(bool(api(writer, "writer").complete_writer(text).answer))
    """.format(names=" ".join(each.name.partition("-")[0] for each in folders))
    assert python(programs, program, dify, *folders) == [
        "LookupOutputs 已发货 Ada None 灯",
        "True",
        "401 unauthorized",
        "Where is A-1",
        "True",
    ]


def test_openapi_generator_makes_typescript_that_calls(generated: Path, node: Path, dify: MockDify) -> None:
    for folder in sorted(generated.glob("*-typescript-fetch")):
        shutil.copytree(folder, node / "src" / folder.name.partition("-")[0])
    (node / "src" / "calls.ts").write_text(
        """\
import { Configuration as DeskConfiguration, DeskApi } from "./desk";
import { Configuration, LookupApi, LookupInputsClass, instanceOfLookupOutputs } from "./lookup";

const basePath = process.env["BASE"] ?? "";
const api = new LookupApi(new Configuration({ basePath, accessToken: "app-lookup" }));
const inputs = { ke_hu: "Ada", _class: LookupInputsClass.er, xuan_xiang: { shu: "1" } };
const run = await api.runLookup({ lookupRunRequest: { inputs, user: "ada" } });
const outputs = run.data.outputs;
if (outputs && instanceOfLookupOutputs(outputs)) {
  console.log(outputs.zhuang_tai, outputs.ming_xi[0]?.ming);
}
const desk = new DeskApi(new DeskConfiguration({ basePath, accessToken: "app-desk" }));
const turn = { query: "Where is", inputs: { ding_dan: "A-1" }, user: "ada" };
console.log((await desk.chatDesk({ deskTurnRequest: turn })).answer);
""",
        "utf-8",
    )
    options = json.loads((node / "tsconfig.json").read_text("utf-8"))["compilerOptions"]
    for name in ("exactOptionalPropertyTypes", "noUncheckedIndexedAccess", "noUnusedLocals"):
        del options[name]  # what it writes is not as strict
    options |= {"erasableSyntaxOnly": False, "verbatimModuleSyntax": False}
    options |= {"module": "Preserve", "moduleResolution": "Bundler"}
    (node / "tsconfig.json").write_text(json.dumps({"compilerOptions": options, "include": ["src"]}), "utf-8")
    run(node, "npx", "tsc")
    for path in (node / "dist").rglob("*.js"):  # imports without endings are for bundlers
        text = path.read_text("utf-8")
        for ending in ("/index", ""):
            text = _with_endings(path, text, ending)
        path.write_text(text, "utf-8")
    assert run(node, "node", "dist/calls.js", BASE=dify.base_url).splitlines() == ["已发货 Ada 灯", "Where is A-1"]


def _with_endings(path: Path, text: str, ending: str) -> str:
    """Return a module whose imports name files, as Node wants."""
    lines = []
    for line in text.split("\n"):
        before, quote, target = line.partition("from '") if "from '" in line else line.partition('from "')
        name = target.rstrip(";\r").rstrip("'\"")
        if quote and name.startswith(".") and (path.parent / f"{name}{ending}.js").is_file():
            line = f"{before}{quote}{name}{ending}.js{quote[-1]};"
        lines.append(line)
    return "\n".join(lines)


# Generators of Python


def test_openapi_python_client_makes_packages_that_call(
    programs: Path, documents: dict[str, Path], dify: MockDify
) -> None:
    folder = documents["lookup"].parent.parent / "openapi-python-client"
    folder.mkdir()
    for name, document in documents.items():
        settings = folder / f"{name}.json"
        settings.write_text(
            json.dumps({"project_name_override": f"{name}-project", "package_name_override": name}), "utf-8"
        )
        command = [str(programs / "openapi-python-client"), "generate", "--fail-on-warning"]
        command += ["--path", str(document), "--config", str(settings), "--output-path", str(folder / name)]
        run(folder, *command, PATH=f"{programs}:{Path(sys.executable).parent}")
    program = """if True:
        import os, pkgutil, importlib, desk.models, lookup.models
        for name in "{names}".split():
            for each in pkgutil.walk_packages(__import__(name).__path__, f"{{name}}."):
                importlib.import_module(each.name)
        from desk.api.desk import chat_desk
        from lookup.api.lookup import run_lookup
        from lookup.models import LookupInputs, LookupInputsClass, LookupRunRequest

        def client(package, key):
            return package.AuthenticatedClient(base_url=os.environ["BASE"], token=key)

        inputs = LookupInputs.from_dict({{"客户": "Ada", "class": "二"}})
        assert inputs.class_ is LookupInputsClass.ER
        body = LookupRunRequest(inputs=inputs, user="ada")
        run = run_lookup.sync(client=client(lookup, "app-lookup"), body=body)
        print(type(run.data.outputs).__name__, run.data.outputs.to_dict()["状态"])
        refused = run_lookup.sync_detailed(client=client(lookup, "nothing"), body=body)
        print(int(refused.status_code), refused.parsed.code)
        turn = desk.models.DeskTurnRequest.from_dict(
            {{"query": "Where is", "inputs": {{"订单": "A-1"}}, "user": "ada"}}
        )
        print(chat_desk.sync(client=client(desk, "app-desk"), body=turn).answer)
    """.format(names=" ".join(documents))
    assert python(programs, program, dify, *(folder / name for name in documents)) == [
        "LookupOutputs 已发货 Ada",
        "401 unauthorized",
        "Where is A-1",
    ]


def test_datamodel_code_generator_makes_models_of_what_comes_and_goes(
    programs: Path, documents: dict[str, Path], dify: MockDify
) -> None:
    folder = documents["lookup"].parent.parent / "models"
    folder.mkdir()
    for name, document in documents.items():
        options = "--input-file-type openapi --output-model-type pydantic_v2.BaseModel --enum-field-as-literal one"
        command = [str(programs / "datamodel-codegen"), *options.split(), "--formatters", "builtin"]
        run(folder, *command, "--input", str(document), "--output", f"{name}.py")
        text = (folder / f"{name}.py").read_text("utf-8")
        assert "class Event1" not in text
        assert "class Data1" not in text
    program = """if True:
        import httpx, json, lookup, os
        for name in "{names}".split():
            __import__(name)
        inputs = lookup.LookupInputs.model_validate({{"客户": "Ada", "class": "二"}})
        body = lookup.LookupRunRequest(inputs=inputs, user="ada")
        sent = json.loads(body.model_dump_json(by_alias=True, exclude_unset=True))

        def post(**more):
            address, headers = f"{{os.environ['BASE']}}/workflows/run", {{"Authorization": "Bearer app-lookup"}}
            return httpx.post(address, json=sent | more, headers=headers)

        run = lookup.LookupRun.model_validate_json(post().text)
        print(type(run.data.outputs).__name__, run.data.outputs.状态, run.data.status)
        lines = post(response_mode="streaming").text.split("\\n")
        events = [lookup.LookupStreamEvent.model_validate_json(each[6:]).root for each in lines if each[:6] == "data: "]
        print(*dict.fromkeys(type(each).__name__ for each in events))
    """.format(names=" ".join(documents))
    ran, streamed = python(programs, program, dify, folder)
    assert ran == "LookupOutputs 已发货 Ada RunStatus.succeeded"
    assert streamed.split()[0] == "LookupWorkflowStartedEvent"
    assert streamed.split()[-1] == "LookupWorkflowFinishedEvent"


# Node's


def test_redocly_finds_nothing(node: Path, documents: dict[str, Path]) -> None:
    for version in ("3.1", "3.2"):  # in 3.0 a licence that is not stated has to have an address
        folder = node / f"api-{version}"
        sources = [str(ROOT / "specs"), *(str(documents["lookup"].parent.parent / f"{name}.yaml") for name in OTHERS)]
        assert difygen("openapi", *sources, "--openapi", version, "-o", str(folder)).code == 0
        printed = run(node, "npx", "redocly", "lint", "--format", "json", *map(str, sorted(folder.glob("*.yaml"))))
        assert printed.count('"totals"') == len([*folder.glob("*.yaml")])
        assert re.findall(r'"(?:errors|warnings|ignored)": [1-9]', printed) == []


def test_openapi_typescript_types_all_documents_strictly(node: Path, documents: dict[str, Path]) -> None:
    folder = node / "types"
    folder.mkdir()
    write_types(node, {f"types/{name}.ts": document.read_text("utf-8") for name, document in documents.items()})
    options = json.loads((ROOT / "examples" / "typescript" / "tsconfig.json").read_text("utf-8"))["compilerOptions"]
    options |= {"rootDir": "types", "noEmit": True}
    (node / "types.json").write_text(json.dumps({"compilerOptions": options, "include": ["types"]}), "utf-8")
    run(node, "npx", "tsc", "-p", "types.json")
    assert len([*folder.iterdir()]) == len(documents)


def test_schemathesis_finds_nothing_but_tolerances_of_dify(programs: Path, tmp_path: Path) -> None:
    """Requests of every kind, seeded: what the server answers is in the document, streams included."""
    spec = str(ROOT / "specs" / "concat.yaml")
    assert difygen("openapi", spec, "--openapi", "3.2", "-o", str(tmp_path / "concat.yaml")).code == 0
    (tmp_path / "schemathesis.toml").write_text(TOLERANCES, "utf-8")
    command = [str(programs / "schemathesis"), "--config-file", "schemathesis.toml", "run", "concat.yaml"]
    command += ["--seed", "13", "--max-examples", "400", "--phases", "examples,coverage,fuzzing", "--no-color"]
    command += ["--continue-on-failure"]
    with mock_dify(spec, api_key="app-secret") as dify:
        command += ["--url", dify.base_url, "-H", f"Authorization: Bearer {dify.api_key}"]
        printed = run(tmp_path, *command, PYTHONPATH=str(TESTS / "support"))
    generated = re.search(r"(\d+) generated, (\d+) passed", printed)
    assert generated is not None, printed
    assert generated[1] == generated[2]
    assert int(generated[1]) >= 2000
