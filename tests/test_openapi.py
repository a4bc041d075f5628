"""`difygen openapi`: documents that validators take, whose examples fit, and which say what servers really send."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from support import ROOT, TESTS
from support.projects import difygen

VERSIONS = ("3.1", "3.2", "3.0")
SOURCES = ("specs", "tests/dsl_lab", "tests/dsl_lab_chat", "tests/cases/dsl/exported_by_1_17")
CORPUS = ROOT.parent / "shared" / "dsl-corpus"
PATHS = {
    "/workflows/run",
    "/workflows/tasks/{task_id}/stop",
    "/workflows/run/{workflow_run_id}",
    "/workflows/logs",
    "/workflow/{workflow_run_id}/events",
    "/files/upload",
    "/parameters",
    "/info",
}
HOSTILE = (
    *("| `code` </script> **bold** [x](y)", "{{ 7*7 }} {app} {App}", "\u202eRTL 中文", "#! %0A ' \" \\", "a: b # c"),
    *(
        "!!python/object/apply:os.system [ls]",
        "&a",
        "*a",
        "<<",
        "<<: *a",
        "%YAML 1.1",
        "---",
        "...",
        "- a",
        "? b",
        "|-",
    ),
    *("yes", "null", "~", "=", "1e3", "0o14", "0x1F", "1_000", "12:30", ".5e1", ".inf", "2026-01-01", "-0", "+1", ""),
    *("\x00", "\x85", "\u2028", "\ufeff", "\x1b[2J", "\r\n", "\t", "x-for", "#/components/schemas/DifyError"),
)
OTHER_THAN_TEXT = re.compile(
    r"~|null|Null|NULL|true|True|TRUE|false|False|FALSE|[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+"
    r"|[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)|"
)
"""What is no text in YAML 1.2, unless it is quoted. (YAML 1.1 is PyYAML's own.)"""


def documents(*arguments: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the documents of sources, by the names of their apps."""
    folder = Path("documents")
    ran = difygen("openapi", *arguments, "--format", "json", "-o", str(folder))
    assert ran.code == 0, ran.err
    for path in sorted(folder.glob("*.openapi.json")):
        yield path.name.partition(".")[0], json.loads(path.read_text("utf-8"))


def schema_of(document: dict[str, Any], reference: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": reference, "components": document["components"]})


def examples(document: dict[str, Any]) -> Iterator[tuple[dict[str, Any], Any]]:
    """Yield each example beside its schema."""
    for operations in document["paths"].values():
        for operation in operations.values():
            bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
            for media in (each for body in bodies for each in body.get("content", {}).values()):
                for example in media.get("examples", {}).values():
                    yield media["schema"], example["value"]


@pytest.fixture(autouse=True)
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "source",
    ["specs/invoice.yaml", "specs/order_desk.yml", *(pytest.param(each, marks=pytest.mark.slow) for each in SOURCES)],
)
def test_documents_are_valid(source: str, version: str) -> None:
    found = dict(documents(str(ROOT / source), "--openapi", version))
    assert found
    for document in found.values():
        assert document["openapi"].startswith(version)
        validate(document)


@pytest.mark.parametrize("source", SOURCES)
def test_examples_fit_their_schemas_and_the_same_bytes_come_again(source: str) -> None:
    shown = 0
    for _, document in documents(str(ROOT / source)):
        for schema, value in examples(document):
            Draft202012Validator({**schema, "components": document["components"]}).validate(value)
            shown += 1
    assert shown
    assert difygen("openapi", str(ROOT / source), "-o", "as_yaml").code == 0
    ran = difygen("openapi", str(ROOT / source), "--format", "json", "-o", "documents", "--check")
    assert (ran.code, ran.out) == (0, "")
    assert "not what its definition gives" not in ran.err


def test_the_corpus_gives_documents_whose_examples_fit() -> None:
    if not CORPUS.is_dir():
        pytest.skip("the corpus of exports is not here")
    for name, document in documents(str(CORPUS)):
        for schema, value in examples(document):
            problems = [*Draft202012Validator({**schema, "components": document["components"]}).iter_errors(value)]
            assert not problems, (name, problems[0].message)


FORM = "/form/human_input/{form_token}"


@pytest.mark.parametrize("version", VERSIONS)
def test_answers_to_forms_have_a_schema_of_their_own(version: str) -> None:
    (document,) = dict(
        documents(str(TESTS / "cases" / "gen" / "forms" / "expenses.yml"), "--openapi", version)
    ).values()
    validate(document)
    assert document["paths"].keys() == {*PATHS, FORM}
    body = document["paths"][FORM]["post"]["requestBody"]["content"]["application/json"]["schema"]
    if version == "3.0":
        return  # its `nullable` is no word of JSON Schema
    answers = schema_of(document, body["$ref"])
    remote = {"transfer_method": "remote_url", "type": "image", "url": "https://example.com/a.png"}
    values = {"comment": "c", "budget": "travel", "month": "May", "proof": remote, "pictures": [remote]}
    good = {"action": "action_1", "inputs": values, "user": "ada"}
    other = dict.fromkeys(("action", "str", "node_id", "copy", "Title"), "x")
    assert answers.is_valid(good) and answers.is_valid({"action": "approve", "inputs": other, "user": "ada"})
    for wrong in (
        {"action": "approve"},
        {"action": "action_3"},
        {"user": ""},
        {"inputs": values | {"comment": 1}},
        {"inputs": values | {"budget": "trael"}},
        {"inputs": values | {"pictures": [remote] * 3}},
        {"inputs": values | {"coment": "c"}},
        {"inputs": {key: value for key, value in values.items() if key != "month"}},
    ):
        assert not answers.is_valid({**good, **wrong}), wrong


def recorded_events(folder: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted((TESTS / folder).rglob("*.http")):
        for line in path.read_bytes().split(b"\n"):
            if line.startswith(b"data: {"):
                try:
                    event = json.loads(line[6:])
                except ValueError:
                    continue  # cut in the middle
                yield path.stem, event


@pytest.mark.parametrize(
    ("folder", "source"),
    [
        ("recordings", "specs/concat.yaml"),
        ("recordings_new", "tests/dsl_lab_chat"),
        ("recordings_chat", "tests/dsl_lab_chat"),
    ],
)
def test_what_real_servers_sent_fits(folder: str, source: str) -> None:
    """Outputs are those of other workflows here: all else of every event is compared."""
    known: dict[str, Draft202012Validator] = {}
    for _, document in documents(str(ROOT / source)):
        for name, schema in document["components"]["schemas"].items():
            if name.endswith("Outputs"):
                schema.clear()
        for schema in list(document["components"]["schemas"].values()):
            for event, reference in schema.get("discriminator", {}).get("mapping", {}).items():
                known.setdefault(event, schema_of(document, reference))
    seen = set()
    for case, event in recorded_events(folder):
        name = event.get("event", "")
        if name in known:
            problems = [f"{'.'.join(map(str, each.path))}: {each.message}" for each in known[name].iter_errors(event)]
            assert not problems, (case, name, problems[:3])
            seen.add(name)
    assert len(seen) >= 5, seen


TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.lists(st.sampled_from(HOSTILE), min_size=1, max_size=3).map(" ".join),
    st.sampled_from(HOSTILE),
)
NAMES = st.one_of(st.sampled_from(["value", "default", "$ref", "type", "enum", "客户", "a b", "properties"]), TEXTS)


@settings(
    phases=[Phase.generate],
    max_examples=12,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much],
)
@given(TEXTS, st.lists(TEXTS, min_size=2, max_size=3, unique=True), st.lists(NAMES, min_size=2, max_size=3), st.data())
def test_texts_stay_texts(text: str, options: list[str], names: list[str], data: st.DataObject) -> None:
    """In YAML as in JSON, for readers of YAML 1.1 and 1.2: no tag, no reference, no number, no part of the document."""
    members = {name: "string" for name in names}
    spec = {
        "name": "hostile",
        "title": text,
        "description": text,
        "inputs": {
            "choice": {"type": "select", "options": options, "label": text, "description": text},
            "tree": {"type": "json_object", "properties": members, "required": False},
            "open": {"type": "json_object", "required": False, "default": {"$ref": text}},
            names[0]: {"type": "text-input", "label": text, "default": text, "required": False},
        },
        "outputs": {"result": {"type": "object", "description": text, "properties": members}, names[1]: "string"},
    }
    Path("hostile.yaml").write_text(json.dumps(spec), "utf-8")
    ran = difygen("openapi", "hostile.yaml", "--format", "json", "--openapi", data.draw(st.sampled_from(VERSIONS)))
    assume(ran.code == 0)  # a spec may not hold everything
    document = json.loads(ran.out)
    ran = difygen("openapi", "hostile.yaml", "--openapi", document["openapi"][:3])
    assert yaml.safe_load(ran.out) == document
    for node in nodes(yaml.compose(ran.out)):
        if isinstance(node, yaml.ScalarNode) and node.tag.endswith(":str") and node.style is None:
            assert not OTHER_THAN_TEXT.fullmatch(node.value)
    for event in yaml.parse(ran.out):
        assert not isinstance(event, yaml.AliasEvent)
        assert getattr(event, "anchor", None) is None
        assert getattr(event, "tag", None) is None
    assert set(document["paths"]) == PATHS
    schemas = document["components"]["schemas"]
    assert {*schemas["HostileInputs"]["properties"]} == {*spec["inputs"]}
    assert {*schemas["HostileOutputs"]["properties"]} == {*spec["outputs"]}
    choice = schemas["HostileInputs"]["properties"]["choice"]
    assert schemas.get("HostileInputsChoice", choice)["enum"] == options
    assert {*schemas["HostileOutputsResult"]["properties"]} == {*names}
    assert all(re.fullmatch(r"[A-Za-z0-9_]+", name) for name in schemas)
    assert all(re.fullmatch(r"[a-z_][a-z0-9_]*", name) for name in document.get("x-dify-names", {}).values())


def nodes(node: yaml.Node) -> Iterator[yaml.Node]:
    """Yield a node and all within it."""
    yield node
    for inner in node.value if isinstance(node, yaml.CollectionNode) else ():
        for each in inner if isinstance(inner, tuple) else (inner,):
            yield from nodes(each)


@pytest.mark.parametrize("version", VERSIONS)
def test_names_that_mean_something_are_names(version: str) -> None:
    """Within schemas, too, so that what is said in words of 3.0 is all of it."""
    inner = {
        name: {"type": "string", "nullable": True} for name in ("value", "default", "enum", "type", "$ref", "客户")
    }
    kinds = {name: {"type": "text-input", "required": False} for name in inner}
    spec = {"name": "named", "inputs": kinds, "outputs": inner | {"tree": {"type": "object", "properties": inner}}}
    Path("named.yaml").write_text(json.dumps(spec), "utf-8")
    ran = difygen("openapi", "named.yaml", "--openapi", version)
    assert ran.code == 0, ran.err
    document = yaml.safe_load(ran.out)
    validate(document)
    nullable = {"type": "string", "nullable": True} if version == "3.0" else {"type": ["string", "null"]}
    for name in ("NamedOutputs", "NamedOutputsTree"):
        properties = document["components"]["schemas"][name]["properties"]
        assert [properties[each] for each in inner] == [nullable] * len(inner)


# The command


def test_several_apps_need_a_folder() -> None:
    ran = difygen("openapi", str(ROOT / "specs"))
    assert ran.code == 2
    assert ran.err == "Error: There are 11 apps, and each has a document of its own: give a folder, -o DIR.\n"


@pytest.mark.parametrize("name", ["concat.yaml", "concat.json", "folder"])
def test_a_file_that_is_not_ours_is_kept(name: str) -> None:
    source = str(ROOT / "specs" / "concat.yaml")
    file = Path(name if "." in name else f"{name}/concat.openapi.yaml")
    assert difygen("openapi", source, "-o", name).code == 0
    ours = file.read_bytes()
    edited = ours.replace(b"hello", b"hallo")
    assert edited != ours
    file.write_bytes(edited)
    ran = difygen("openapi", source, "-o", name)
    assert ran.code == 1
    assert "was edited by hand" in ran.err
    assert file.read_bytes() == edited
    assert difygen("openapi", source, "-o", name, "--check").code == 1
    assert difygen("openapi", source, "-o", name, "--force").code == 0
    assert file.read_bytes() == ours
    file.write_bytes(ours.replace(b"\n", b"\r\n"))  # as git may check it out
    assert difygen("openapi", source, "-o", name, "--check").code == 0
    file.write_text("mine: true\n", "utf-8")
    ran = difygen("openapi", source, "-o", name)
    assert (ran.code, file.read_text("utf-8")) == (1, "mine: true\n")
    assert ("was edited by hand" if name == "folder" else "was not written by difygen") in ran.err


def test_a_check_makes_no_folder_and_a_file_is_none() -> None:
    source = str(ROOT / "specs" / "concat.yaml")
    assert difygen("openapi", source, "-o", "api", "--check").code == 1
    assert not Path("api").exists()
    Path("api").write_text("mine\n", "utf-8")
    ran = difygen("openapi", source, "-o", "api")
    assert (ran.code, ran.err) == (1, "Error: cannot write api: Not a directory; nothing was changed\n")
    assert Path("api").read_text("utf-8") == "mine\n"
    Path("locked.yaml").mkdir()
    ran = difygen("openapi", source, "-o", "locked.yaml")
    assert ran.code == 1
    assert "is a folder" in ran.err


def test_a_change_of_the_definition_is_written_and_found() -> None:
    text = (ROOT / "specs" / "concat.yaml").read_text("utf-8")
    spec = Path("concat.yaml")
    spec.write_text(text, "utf-8")
    assert difygen("openapi", "concat.yaml", "-o", "api.json").code == 0
    before = json.loads(Path("api.json").read_text("utf-8"))
    spec.write_text(text.replace("list_c", "list_d"), "utf-8")
    assert difygen("openapi", "concat.yaml", "-o", "api.json", "--check").code == 1
    assert difygen("openapi", "concat.yaml", "-o", "api.json").code == 0
    after = json.loads(Path("api.json").read_text("utf-8"))
    assert after["info"]["version"] != before["info"]["version"]
    assert after["components"]["schemas"]["ConcatInputs"]["properties"]["list"]["enum"][-1] == "list_d"


def test_the_base_url_comes_first_and_a_wrong_definition_writes_nothing() -> None:
    ran = difygen("openapi", str(ROOT / "specs" / "concat.yaml"), "--base-url", "https://dify.example.com/v1")
    assert [each["url"] for each in yaml.safe_load(ran.out)["servers"]] == [
        "https://dify.example.com/v1",
        "https://api.dify.ai/v1",
    ]
    Path("wrong.yaml").write_text("name: wrong\ninputs: {a: {type: nothing}}\noutputs: {}\n", "utf-8")
    ran = difygen("openapi", "wrong.yaml", "-o", "wrong.json")
    assert ran.code == 2
    assert "wrong.yaml:2:" in ran.err
    assert not Path("wrong.json").exists()


@pytest.mark.parametrize("command", ["openapi", "docs"])
@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("dify.example.com", "it has no scheme: try https://dify.example.com or http://dify.example.com."),
        ("https://me:s3cr3t@dify.example.com/v1", "holds a user name or password"),
        ("https://dify.example.com/v1?key=s3cr3t", "it has a query or a fragment: leave off ? and #."),
        ("https://cloud.dify.ai", "that is Dify Cloud's web UI: its API is https://api.dify.ai/v1."),
        ("javascript:alert(1)", "it has no scheme"),
        ("", "--base-url is empty: is a variable not set?"),
    ],
)
def test_a_wrong_base_url_is_refused_as_clients_do(command: str, url: str, told: str) -> None:
    ran = difygen(command, str(ROOT / "specs" / "concat.yaml"), "--base-url", url)
    assert (ran.code, ran.out) == (2, "")
    assert told in ran.err
    assert "s3cr3t" not in ran.err


def test_a_base_url_is_completed_as_clients_do() -> None:
    ran = difygen("openapi", str(ROOT / "specs" / "concat.yaml"), "--base-url", "https://Dify.example.com/")
    assert yaml.safe_load(ran.out)["servers"][0] == {"url": "https://dify.example.com/v1"}
