"""What a generated package holds, and how its modules behave once imported. No server is needed here."""

import inspect
import json
import pickle
import pydoc
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, get_type_hints

import pytest
from difygen.codegen.names import NameRequest, name_apps
from difygen.codegen.package import generate, generate_module, generate_package
from difygen.codegen.runtime import ALL_PARTS, parts_for, runtime_files
from difygen.config import Options
from difygen.model import App, Input, Node, ObjectOf, Output, Primitive, Property
from pydantic import ValidationError
from support import GENERATOR, LAB, ROOT, TESTS
from support.packages import CONCAT, files_of, imported, python, workflow_from, workflow_of, write
from support.processes import printed

KINDS = workflow_from((ROOT / "tests" / "typing" / "kinds.yaml").read_text(encoding="utf-8"), "kinds.yaml")
CONCAT_NAMES = {
    "ConcatInputs",
    "ConcatOutputs",
    "ConcatClient",
    "AsyncConcatClient",
    "run_concat",
    "stream_concat",
    "start_concat",
    "wait_concat",
    "arun_concat",
    "astream_concat",
    "astart_concat",
    "await_concat",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("generated")
    write(folder / "client", files_of([CONCAT, KINDS, workflow_of(LAB / "kitchen_sink.yml")]))
    return folder


@pytest.fixture
def client(folder: Path) -> Iterator[ModuleType]:
    with imported(folder, "client") as package:
        yield package


def refused(model: type, **values: object) -> list[tuple[Any, ...]]:
    """The places that validation finds fault with."""
    with pytest.raises(ValidationError) as caught:
        model(**values)
    return [error["loc"] for error in caught.value.errors()]


def test_concat_gives_exactly_these_public_names(client: ModuleType) -> None:
    assert set(client.concat.__all__) == CONCAT_NAMES
    assert set(client.__all__) >= CONCAT_NAMES
    public = {name for name in vars(client.concat) if not name.startswith("_")}
    runtime = set(vars(client._runtime)) | {"Annotated", "Field", "Literal", "Unpack"}
    assert public - runtime == CONCAT_NAMES


def test_a_package_exports_its_runtime_too(client: ModuleType) -> None:
    assert set(client._runtime.__all__) <= set(client.__all__) == set(dir(client))
    assert all(getattr(client, name) is not None for name in client.__all__)
    assert client.NodeFinished is client._runtime.NodeFinished


def test_a_name_that_a_package_lacks_is_an_attribute_error(client: ModuleType) -> None:
    with pytest.raises(AttributeError, match="module 'client' has no attribute 'run_nothing'"):
        _ = client.run_nothing


def test_importing_a_package_imports_nothing_else(folder: Path) -> None:
    program = "import sys; before = set(sys.modules); import client; print(*sorted(set(sys.modules) - before))"
    assert python(program, folder).split() == ["client"]
    program = (
        "import sys; from client import run_concat;"
        " print('client.concat' in sys.modules, 'client.kinds' in sys.modules)"
    )
    assert python(program, folder).split() == ["True", "False"]


def test_a_star_import_gives_the_public_names(folder: Path) -> None:
    assert python("from client import *; print(run_concat.__name__, Run.__name__)", folder) == "run_concat Run\n"


def test_the_functions_are_the_methods_of_the_modules_own_clients(client: ModuleType) -> None:
    assert client.run_concat.__self__ is client.stream_concat.__self__
    assert isinstance(client.arun_concat.__self__, client.AsyncConcatClient)
    for name in ("run_concat", "stream_concat", "arun_concat", "astream_concat"):
        parameters = list(inspect.signature(getattr(client, name)).parameters.values())
        assert [parameter.name for parameter in parameters[:3]] == ["string", "num", "list"]
        assert [parameter.name for parameter in parameters[3:]] == ["user", "options"]
        assert all(parameter.kind is parameter.KEYWORD_ONLY for parameter in parameters[:4])
        assert parameters[4].kind is inspect.Parameter.VAR_KEYWORD


HELP = """\
Python Library Documentation: function run_concat in module client.concat

run_concat(*, string: str, num: float, list: Literal['list_a', 'list_b', 'list_c'], user: str | None = None, \
**options: Unpack[RunOptions]) -> client.Run[client.concat.ConcatOutputs]
    Run `concat` to its end and return the run, which has succeeded.

    Joins three inputs into one string.

    Args:
        string: 文本, at most 48 characters.
        user, **options: Whom the run is for, else `DIFY_USER`; see `RunOptions`.

    Raises:
        pydantic.ValidationError: An input is not what the workflow takes.
        DifyError: All else; a `RunError`, with its `.run`, if the run ended badly.
"""


def test_help_reads_like_the_function_that_it_is_about(client: ModuleType) -> None:
    unpacked = inspect.formatannotation(client.run_concat.__annotations__["options"])  # each Python has its own words
    text = pydoc.render_doc(client.run_concat, renderer=pydoc.plaintext).replace(unpacked, "Unpack[RunOptions]")
    assert re.sub(" +\n", "\n", text) == HELP
    assert "async arun_concat(*, string: str" in pydoc.render_doc(client.arun_concat, renderer=pydoc.plaintext)


def test_help_names_the_types_of_inputs_as_the_code_does(client: ModuleType) -> None:
    text = str(inspect.signature(client.run_kinds))
    assert "files: collections.abc.Sequence[FileInput]" in text and "PathLike" not in text
    assert " object at 0x" not in text + repr(client.kinds.KindsInputs.model_fields)


def test_the_functions_are_functions_of_their_module(client: ModuleType) -> None:
    for name in ("run_concat", "stream_concat", "arun_concat", "astream_concat"):
        function = getattr(client, name)
        assert (function.__name__, function.__qualname__, function.__module__) == (name, name, "client.concat")
        assert pickle.loads(pickle.dumps(function)) is function
        assert inspect.iscoroutinefunction(function) is (name == "arun_concat")
        assert get_type_hints(function)["num"] is float


def test_a_function_whose_method_is_inherited_is_one_of_its_module_too(client: ModuleType) -> None:
    for name in ("start_concat", "wait_concat", "astart_concat", "await_concat"):
        function = getattr(client, name)
        assert (function.__qualname__, function.__module__) == (name, "client.concat")
        assert pickle.loads(pickle.dumps(function)) is function


def test_the_functions_of_the_runtime_are_functions_of_the_package(client: ModuleType) -> None:
    for name in ("configure", "as_function"):
        function = getattr(client, name)
        assert (function.__qualname__, function.__module__) == (name, "client")
        assert pickle.loads(pickle.dumps(function)) is function
        assert pydoc.render_doc(function, "Help on %s").startswith(f"Help on function {name} in module client\n")
        assert "return" in get_type_hints(function)


def test_an_unknown_option_is_refused_before_anything_is_sent(client: ModuleType) -> None:
    inputs = {"string": "a", "num": 1, "list": "list_a"}
    for method in ("run", "stream"):
        with pytest.raises(TypeError, match="colour"):
            getattr(client.ConcatClient(base_url="http://127.0.0.1:9", api_key="app-a", user="a"), method)(
                **inputs, colour="red"
            )


def test_help_is_enough_to_call_a_workflow(client: ModuleType) -> None:
    text = inspect.getdoc(client.run_concat) or ""
    assert text.startswith(
        "Run `concat` to its end and return the run, which has succeeded.\n\n"
        "Joins three inputs into one string.\n\nArgs:\n"
    )
    assert "    string: 文本, at most 48 characters.\n" in text
    for section in ("RunOptions", "Raises:", "DIFY_USER"):
        assert section in text


def test_inputs_are_sent_by_their_wire_names_as_they_are(client: ModuleType) -> None:
    inputs = client.ConcatInputs(string="这是一段测试文本", num=10000, list="list_b")
    assert json.dumps(inputs.to_wire()) == json.dumps({"string": "这是一段测试文本", "num": 10000, "list": "list_b"})
    kinds = client.KindsInputs(text="", files=[], profile={"name": "n"}, settings={}, class_=False, zhang_du=1.5)
    assert kinds.to_wire()["class"] is False and kinds.to_wire()["长度"] == 1.5


def test_a_wire_name_is_taken_in_place_of_the_python_name(client: ModuleType) -> None:
    by_wire_name = {"text": "", "files": [], "profile": {"name": "n"}, "settings": {}, "class": True, "长度": 3}
    assert client.KindsInputs(**by_wire_name).zhang_du == 3


def test_an_optional_input_is_left_out_and_a_default_is_sent(client: ModuleType) -> None:
    wire = client.KindsInputs(text="a", files=[], profile={"name": "n"}, settings={}, class_=True).to_wire()
    assert {name: wire[name] for name in ("sort", "limit")} == {"sort": "date", "limit": 10}
    assert not {"picture", "model_name", "长度"} & set(wire)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("text", 1),
        ("text", None),
        ("files", "a.pdf"),
        ("files", [{"type": "document", "transfer_method": "remote_url", "url": "http://x/a.pdf"}] * 4),
        ("files", [{"type": "image", "transfer_method": "remote_url", "url": "http://x/a.png"}]),
        ("profile", {"name": 1}),
        ("profile", {"age": 1}),
        ("profile", {"name": "n", "age": True}),
        ("profile", {"name": "n", "address": {}}),
        ("profile", []),
        ("settings", []),
        ("settings", {"x": float("nan")}),
        ("settings", {"x": object()}),
        ("class_", 1),
        ("sort", "size"),
        ("limit", True),
        ("limit", float("inf")),
        ("limit", "1"),
    ],
)
def test_a_wrong_value_is_refused_by_name(client: ModuleType, variable: str, value: object) -> None:
    right = {"text": "a", "files": [], "profile": {"name": "n"}, "settings": {}, "class_": True}
    assert {place[0] for place in refused(client.KindsInputs, **{**right, variable: value})} == {variable}


def test_keys_that_a_schema_does_not_name_are_kept(client: ModuleType) -> None:
    profile = {"name": "n", "nick name": "x", "address": {"city": "c", "zip": [1]}}
    inputs = client.KindsInputs(text="a", files=[], profile=profile, settings={}, class_=True)
    assert inputs.to_wire()["profile"] == profile


def test_outputs_are_objects_with_attributes_and_keep_what_they_do_not_know(client: ModuleType) -> None:
    file = {"dify_model_identity": "__dify__file__", "filename": "a.png", "size": 3}
    data = {
        "number": 1,
        "count": 2,
        "picture": file,
        "pictures": [file],
        "list": ["a"],
        "anything": {"x": 1},
        "open": {"y": 2},
        "people": [{"name": "n", "address": {"city": "c", "zip": 1}, "age": 3}],
        "surprise": True,
    }
    outputs = client.KindsOutputs.model_validate(data)
    assert outputs.people[0].address.city == "c" and outputs.people[0].model_extra == {"age": 3}
    assert outputs.picture.filename == "a.png" and outputs.maybe is None and type(outputs.number) is int
    assert outputs.model_extra == {"surprise": True}
    assert refused(client.KindsOutputs, **{**data, "list": None}) == [("list",)]


def test_nodes_are_constants_that_equal_their_ids(client: ModuleType) -> None:
    node = client.KitchenSinkNode.CODE1
    assert node == "code1" and (node.node_type, node.node_title) == ("code", "code1")
    assert client.KitchenSinkNode("end1") is client.KitchenSinkNode.END1


def test_nodes_without_a_readable_id_are_called_by_their_title() -> None:
    nodes = (
        Node(id="1711528708197", type="llm", title="Translate"),
        Node(id="1711528708198", type="llm", title="Translate"),
    )
    text = files_of([App(name="x", source="x.yml", nodes=nodes)])["x.py"]
    assert '    TRANSLATE = ("1711528708197", "llm", "Translate")\n' in text
    assert '("1711528708198", "llm", "Translate")\n' in text


def matrix() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(
        (ROOT / "tests" / "recordings" / "inputs-matrix.json").read_text(encoding="utf-8")
    )
    return rows


PROPER_TYPES: dict[str, tuple[type, ...]] = {
    "text": (str,),
    "para": (str,),
    "num": (int, float),
    "sel": (str,),
    "chk": (bool,),
    "json": (dict,),
    "hidden": (str,),
    "file": (dict,),
    "files": (list,),
}
UNKNOWN_TO_THE_DEFINITION = (
    "out of range",
    "not a valid array",
    "less than the minimum",
    "Additional properties",
    "exceeds 64-bit",
)
"""Reasons of runs that failed for what this workflow's code, or the part of a schema that types do not hold, made of
the input.
"""


@pytest.mark.parametrize("row", matrix(), ids=lambda row: f"{row['var']}={json.dumps(row['sent'])[:24]}")
def test_the_inputs_model_agrees_with_the_server(client: ModuleType, row: dict[str, Any]) -> None:
    values: dict[str, Any] = {"text_req": "s", "para_req": "p", "num_req": 1, "sel_req": "a", "chk_req": True}
    sent = row["sent"]
    if sent == "(omitted)":
        values.pop(row["var"], None)
    else:
        values[row["var"]] = sent
    try:
        client.KitchenSinkInputs(**values)
        taken = True
    except ValidationError:
        taken = False
    refused_by_server = row["status"] != 200 or row["run_status"] != "succeeded"
    if any(reason in str(row.get("error")) for reason in UNKNOWN_TO_THE_DEFINITION):
        return
    if refused_by_server:
        assert not taken
    elif sent is None or sent == "(omitted)" or (type(sent) in PROPER_TYPES[row["var"].split("_")[0]] and sent != [{}]):
        assert taken


def test_emit_gives_only_what_was_asked_for(tmp_path: Path) -> None:
    for emit, missing in (
        ("sync", {"AsyncConcatClient", "arun_concat", "astream_concat", "astart_concat", "await_concat"}),
        ("async", {"ConcatClient", "run_concat", "stream_concat", "start_concat", "wait_concat"}),
    ):
        files = files_of([CONCAT], Options(emit=emit))  # type: ignore[arg-type]
        with imported(
            write(tmp_path / emit, {f"{emit}_client/{path}": text for path, text in files.items()}), f"{emit}_client"
        ) as package:
            assert set(package.concat.__all__) == CONCAT_NAMES - missing


def test_options_rename_pin_and_choose_the_key_variable() -> None:
    options = Options(
        names={CONCAT.source: "joiner"},
        rename={"joiner": {"list": "option", "result": "text"}},
        outputs={"joiner": {"result": "array[string]"}},
        env={"joiner": "JOINER_KEY"},
    )
    text = files_of([CONCAT], options)["joiner.py"]
    assert 'option: Annotated[Literal["list_a", "list_b", "list_c"], Field(alias="list")]' in text
    assert 'text: Annotated[list[str], Field(alias="result")]' in text
    assert 'api_key_variables=("JOINER_KEY", "DIFY_API_KEY")' in text
    assert 'run_joiner = as_function(_client.run, "run_joiner")' in text and 'name="concat"' in text


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (
            Options(rename={"concat": {"strng": "x"}}),
            "bad-rename",
            '"concat" has no variable "strng", which `rename` names.',
        ),
        (
            Options(rename={"concat": {"string": "user"}}),
            "bad-rename",
            'The name "user" for "string" is taken by the generated code itself.',
        ),
        (
            Options(rename={"concat": {"string": "num", "num": "num"}}),
            "bad-rename",
            'The name "num" for "num" is given to two variables.',
        ),
        (
            Options(outputs={"concat": {"result": "text"}}),
            "bad-pinned-type",
            '"text" for the output "result" is not a type.',
        ),
        (Options(env={"concat": "A KEY"}), "bad-env", '"A KEY" cannot be the name of an environment variable.'),
        (Options(names={CONCAT.source: "class"}), "bad-workflow-name", 'The name "class" is a Python keyword.'),
    ],
)
def test_wishes_that_cannot_be_had_are_findings_and_nothing_is_generated(
    options: Options, code: str, message: str
) -> None:
    generated = generate([CONCAT], options)
    assert generated.files == {}
    assert [(finding.code, finding.message) for finding in generated.diagnostics] == [(code, message)]


CHAT_APP = App(name="talk", source="talk.yml", mode="chat")


def test_what_chat_type_apps_need_is_in_packages_with_such_apps_alone() -> None:
    workflows, both = files_of([CONCAT]), files_of([CONCAT, CHAT_APP])
    assert {path for path in both if "/chat/" in path} == both.keys() - workflows.keys() - {"talk.py"} != set()
    differing = {path for path in workflows if workflows[path] != both[path]}
    assert differing == {"__init__.py", "_runtime/__init__.py"}
    one = files_of([CONCAT], Options(single_file=True))["client.py"]
    assert "TurnStream" not in one and "class RunStream" in one


def test_the_runtime_without_its_parts_knows_nothing_of_them() -> None:
    """A core of few modules, none of which imports what is below it, and what chat-type apps need."""
    core, whole = runtime_files(frozenset()), runtime_files()
    assert len(core) <= 14 and len(whole) - len(core) <= 6
    imports = re.compile(r"^\s*(?:from|import) \.*chat\b", re.MULTILINE)
    assert [path for path, text in core.items() if imports.search(text)] == []
    assert [path for path in core if core[path] != whole[path]] == ["_runtime/__init__.py"]
    assert whole["_runtime/__init__.py"].startswith(core["_runtime/__init__.py"])
    assert {"chat"} == ALL_PARTS


@pytest.mark.parametrize("use", ["import both.concat", "import both; both.run_concat", "import both; both.DifyError"])
def test_a_workflow_in_a_package_with_chat_type_apps_loads_nothing_of_them(tmp_path: Path, use: str) -> None:
    write(tmp_path / "both", files_of([CONCAT, CHAT_APP]))
    shown = f"import sys; {use}; print(*(name for name in sys.modules if '.chat' in name or 'talk' in name))"
    assert printed(shown, folders=(tmp_path,)) == "\n"
    with imported(tmp_path, "both") as both:
        assert both.concat.ConcatClient is both.ConcatClient
        assert "both._runtime.chat" not in sys.modules
        assert both.TalkClient.__mro__[1] is both.ChatClient and both.ChatClient.__module__ == "both"
        assert "both._runtime.chat" in sys.modules
        assert {*both._runtime.__all__} <= {*both.__all__} and {*both._runtime.chat.__all__} <= {*both.__all__}


def test_every_name_can_be_imported_from_the_runtime_of_a_package(tmp_path: Path) -> None:
    write(tmp_path / "client", files_of([CONCAT]))
    write(tmp_path / "both", files_of([CONCAT, CHAT_APP]))
    program = "from client._runtime import *; from client import *; print('Turn' in globals(), 'Run' in globals())"
    assert printed(program, folders=(tmp_path,)) == "False True\n"
    program = "from both._runtime import *; print(Turn.__module__, Run.__module__); from both import *; Turn"
    assert printed(program, folders=(tmp_path,)) == "both both\n"


def test_a_name_of_the_runtime_is_no_app_s_whatever_the_package_has() -> None:
    assert name_apps([NameRequest("chat", "a.yml")]) == (["chat_app"], ())


def test_a_package_can_be_made_one_workflow_at_a_time() -> None:
    workflows = [KINDS, CONCAT]
    names, problems = name_apps([NameRequest(workflow.name, workflow.source) for workflow in workflows])
    assert problems == ()
    modules = [generate_module(workflow, Options(), name) for workflow, name in zip(workflows, names, strict=True)]
    files = {module.path: module.text for module in modules} | generate_package(
        {module.name: module.exports for module in modules}, Options(), parts_for(["workflow"])
    )
    assert files == files_of(workflows) == files_of(workflows[::-1])


def test_of_two_types_with_one_name_the_package_exports_that_of_the_workflow_itself(tmp_path: Path) -> None:
    nested = Output(name="inputs", type=ObjectOf((Property("x", Primitive.STRING),)))
    workflows = [App(name="a", source="a.yml", outputs=(nested,)), App(name="a_outputs", source="b.yml")]
    write(tmp_path / "client", files_of(workflows))
    with imported(tmp_path, "client") as package:
        assert package.AOutputsInputs is package.a_outputs.AOutputsInputs
        assert package.a.AOutputs.model_fields["inputs"].annotation is package.a.AOutputsInputs


def test_a_workflow_without_inputs_and_outputs_is_a_workflow(tmp_path: Path) -> None:
    write(tmp_path / "client", files_of([App(name="tick", source="tick.yml")]))
    with imported(tmp_path, "client") as package:
        assert package.TickInputs().to_wire() == {}
        assert next(iter(inspect.signature(package.run_tick).parameters)) == "user"


def test_fields_called_like_builtins_do_not_hide_them(tmp_path: Path) -> None:
    names = ("list", "str", "dict", "int", "float", "bool", "builtins", "Any", "type")
    outputs = [Output(name=name, type=Primitive.STRING, optional=True) for name in names]
    inputs = [Input(name=name, kind="file-list", required=False) for name in names]
    workflow = App(name="hide", source="hide.yml", inputs=tuple(inputs), outputs=tuple(outputs))
    files = files_of([workflow])
    assert "list: builtins.str | None = None" in files["hide.py"]
    with imported(write(tmp_path, {f"client/{path}": text for path, text in files.items()}), "client") as package:
        assert package.HideOutputs.model_validate({"list": "a", "str": "b", "builtins": "c"}).builtins_ == "c"
        assert package.HideInputs(list=[]).to_wire() == {"list": []}


@pytest.mark.parametrize("name", ["kitchen_sink", "iteration", "files", "llm"])
def test_the_same_definition_gives_the_same_bytes_whatever_the_hash_seed(name: str) -> None:
    program = (
        "import hashlib; from support.packages import *; from support import LAB;"
        f"print(hashlib.sha256(repr(files_of([workflow_of(LAB / '{name}.yml')])).encode()).hexdigest())"
    )
    digests = {printed(program, folders=(GENERATOR, TESTS), PYTHONHASHSEED=seed) for seed in ("0", "1", "12345")}
    assert len(digests) == 1


def test_generating_imports_neither_black_nor_pydantic() -> None:
    program = (
        "import sys;"
        " from difygen.codegen.package import generate; from difygen.model import App;"
        "generate([App(name='x', source='x.yml')]);"
        "slow = {'black', 'pydantic', 'rich', 'anyascii', 'httpx', 'unicodedata', 'ast'};"
        "print(*sorted(slow & set(sys.modules)))"
    )
    assert set(printed(program).split()) <= {"ast"}


def test_every_wire_name_is_sent_as_it_is(tmp_path: Path) -> None:
    names = (
        "",
        " ",
        "class",
        "user",
        "userName",
        "user name",
        "字段",
        "🤖",
        "a.b",
        "../x",
        "json",
        "__x",
        "input",
        '"',
    )
    inputs = tuple(Input(name=name, kind="text-input") for name in names)
    outputs = tuple(Output(name=name, type=Primitive.STRING) for name in names)
    write(tmp_path / "client", files_of([App(name="odd", source="odd.yml", inputs=inputs, outputs=outputs)]))
    values = {name: f"value of {name}" for name in names}
    with imported(tmp_path, "client") as package:
        assert package.OddInputs.model_validate(values).to_wire() == values
        by_python_name = dict(zip(package.OddInputs.model_fields, values.values(), strict=True))
        assert package.OddInputs(**by_python_name).to_wire() == values
        assert package.OddOutputs.model_validate(values).model_dump(by_alias=True) == values
