"""`difygen init`: settings that work as they are written, and specs that say what the export says."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from difygen.cli import root
from difygen.config import Options, Settings
from difygen.model import (
    INPUT_KINDS,
    INPUT_TRAITS,
    App,
    ArrayOf,
    Example,
    Input,
    InputKind,
    JsonValue,
    ObjectOf,
    OneOf,
    Output,
    Primitive,
    Property,
    Tool,
    Type,
    UnionOf,
)
from difygen.parser import read
from difygen.parser.spec import FILE_TYPES, UPLOAD_METHODS
from difygen.project.init import spec_text, yaml_text
from difygen.record import replace
from difygen.settings import load_settings
from difygen.types import union
from hypothesis import example, given
from hypothesis import strategies as st
from support import CHAT_LAB, LAB, NEWEST, ROOT
from support.workflow_strategies import json_values, names, texts

EXPORTS = sorted(path for folder in (LAB, CHAT_LAB, NEWEST, ROOT / "specs") for path in folder.glob("*.yml"))
CONCAT = LAB / "concat.yml"


def init(*arguments: str) -> Result:
    return CliRunner().invoke(root, ["init", *arguments], catch_exceptions=False)


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, as the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


# Settings


def test_settings_are_written_and_work_as_they_are() -> None:
    done = init()
    assert (done.exit_code, done.output) == (0, "wrote difygen.toml\n")
    config = load_settings()
    assert isinstance(config, Settings)
    assert (config.sources, config.output, config.options) == (("specs",), "dify_client", Options())


def test_settings_name_the_folder_that_is_there(project: Path) -> None:
    (project / "exports").mkdir()
    assert init().exit_code == 0
    config = load_settings()
    assert isinstance(config, Settings)
    assert config.sources == ("exports",)


def test_every_setting_that_is_commented_out_works_too(project: Path) -> None:
    (project / "templates").mkdir()
    (project / "exports").mkdir()
    (project / "exports" / "字段拼接.yml").touch()
    text = init("-o", "-").output
    Path("difygen.toml").write_text(re.sub(r"^# (?=\w+ = |\[)", "", text, flags=re.MULTILINE), encoding="utf-8")
    config = load_settings()
    assert isinstance(config, Settings), config
    assert config.options == Options(
        names={"exports/字段拼接.yml": "concat"},
        rename={"concat": {"文本": "text"}},
        outputs={"concat": {"result": "string"}},
        env={"concat": "CONCAT_API_KEY"},
        templates="./templates",
        runtime="our_project.dify_runtime",
    )


def test_settings_are_not_overwritten_without_force(project: Path) -> None:
    Path("difygen.toml").write_text("mine")
    refused = init()
    assert (refused.exit_code, refused.stderr) == (1, "Error: difygen.toml exists already; --force overwrites it.\n")
    assert Path("difygen.toml").read_text() == "mine"
    assert init("--force").exit_code == 0
    assert Path("difygen.toml").read_text().startswith("# Settings of difygen.")
    assert sorted(path.name for path in project.iterdir()) == ["difygen.toml"]


def test_settings_are_not_written_beside_those_in_pyproject() -> None:
    Path("pyproject.toml").write_text("[tool.difygen]\n")
    refused = init()
    assert (refused.exit_code, refused.stderr) == (1, "Error: pyproject.toml has settings of difygen already.\n")
    assert init("-o", "pyproject.toml", "--force").exit_code == 1
    assert Path("pyproject.toml").read_text() == "[tool.difygen]\n"


# Specs


def test_a_spec_is_written_from_an_export_with_the_schema_for_editors() -> None:
    done = init(str(CONCAT))
    assert (done.exit_code, done.output) == (0, "wrote specs/concat.yaml\nwrote specs/difygen.schema.json\n")
    assert Path("specs/concat.yaml").read_text(encoding="utf-8") == ("""\
# yaml-language-server: $schema=difygen.schema.json
# What callers of this workflow send and get. Review it: it says what the export tells.
name: concat
title: concat
description: The user's demo workflow
inputs:
  string: {type: text-input, label: string, max_length: 48}
  num: {type: number, label: num}
  list: {type: select, label: list, options: [list_a, list_b, list_c]}
outputs:
  result: string
""")
    assert json.loads(Path("specs/difygen.schema.json").read_text(encoding="utf-8"))["title"] == "difygen spec"


def test_a_spec_may_go_anywhere() -> None:
    assert init(str(CONCAT), "-o", "a/b.yaml").exit_code == 0
    printed = init(str(CONCAT), "-o", "-").output
    assert Path("a/b.yaml").read_text(encoding="utf-8") == printed


def test_a_spec_is_not_overwritten_without_force() -> None:
    Path("concat.yaml").write_text("mine")
    assert init(str(CONCAT), "-o", "concat.yaml").exit_code == 1
    assert Path("concat.yaml").read_text() == "mine"
    assert init(str(CONCAT), "-o", "concat.yaml", "--force").exit_code == 0


def test_an_export_that_is_wrong_gives_no_spec(project: Path) -> None:
    Path("x.yml").write_text("inputs: {a: numbr}")
    done = init("x.yml")
    assert done.exit_code == 2
    assert done.stderr.splitlines()[0] == "x.yml:1:13: error: `numbr` is not an input type. [unknown-type]"
    assert init("none.yml").exit_code == 2
    assert sorted(path.name for path in project.iterdir()) == ["x.yml"]


def test_a_folder_that_cannot_be_made_is_a_message_and_no_traceback() -> None:
    Path("specs").write_text("a file")
    done = init(str(CONCAT))
    assert done.exit_code == 1
    assert done.stderr.startswith("Error: specs/concat.yaml cannot be written: ")


# There and back


def contract(workflow: App) -> App:
    """What a spec can say: no graph, no forms of its own, no prefilled inputs.

    An object and the place it is in have one description.
    """
    return replace(
        workflow,
        nodes=(),
        edges=(),
        answers=(),
        forms=(),
        tools=tuple(Tool(name=each.name) for each in workflow.tools),
        features=replace(workflow.features, citations=False, moderation=False, annotation_reply=False),
        variables=tuple(
            replace(each, type=bare(each.type), description=said(each.description, each.type))
            for each in workflow.variables
        ),
        inputs=tuple(
            replace(each, type=each.type and bare_object(each.type), prefilled=None) for each in workflow.inputs
        ),
        outputs=tuple(
            replace(each, type=bare(each.type), description=said(each.description, each.type), selectors=())
            for each in workflow.outputs
        ),
    )


def bare(type_: Type) -> Type:
    """A type without the descriptions of objects."""
    match type_:
        case ObjectOf():
            return bare_object(type_)
        case ArrayOf(item):
            return ArrayOf(bare(item))
        case UnionOf(members):
            return union(*map(bare, members))
    return type_


def bare_object(type_: ObjectOf) -> ObjectOf:
    return ObjectOf(
        tuple(
            replace(each, type=bare(each.type), description=said(each.description, each.type))
            for each in type_.properties
        )
    )


def said(description: str, type_: Type) -> str:
    """The description of a place, or of the object in it."""
    match type_:
        case ObjectOf() | UnionOf((ObjectOf(), Primitive.NULL)):
            object_ = type_ if isinstance(type_, ObjectOf) else type_.members[0]
            return description or getattr(object_, "description", "")
    return description


def check_round_trip(workflow: App) -> str:
    text = spec_text(workflow)
    reading = read(text.encode(), workflow.source)
    assert [str(found) for found in reading.diagnostics if found.severity == "error"] == [], text
    assert reading.workflow is not None
    assert contract(reading.workflow) == contract(workflow), text
    return text


@pytest.mark.parametrize("path", EXPORTS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_spec_of_an_export_has_the_same_contract(path: Path) -> None:
    workflow = read(path.read_bytes(), path.name).workflow
    assert workflow is not None
    check_round_trip(workflow)


@pytest.mark.parametrize("path", sorted((ROOT / "specs").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_spec_that_is_read_and_written_is_the_same(path: Path) -> None:
    workflow = read(path.read_bytes(), path.name).workflow
    assert workflow is not None
    text = check_round_trip(workflow)
    assert spec_text(read(text.encode(), path.name).workflow or workflow) == text


words = st.text(min_size=1, max_size=6)
one_of = st.builds(OneOf, st.lists(words, min_size=1, max_size=3, unique=True).map(tuple), st.booleans())
plain = st.sampled_from([each for each in Primitive if each is not Primitive.NULL])


def _objects(types: st.SearchStrategy[Type]) -> st.SearchStrategy[ObjectOf]:
    properties = st.builds(Property, names, types, st.booleans(), texts)
    unique = st.lists(properties, max_size=3, unique_by=lambda one: one.name).map(tuple)
    return st.builds(ObjectOf, unique, texts)


def _compound(types: st.SearchStrategy[Type]) -> st.SearchStrategy[Type]:
    members = st.lists(types | st.just(Primitive.NULL), min_size=2, max_size=4).map(lambda members: union(*members))
    return st.one_of(
        st.builds(ArrayOf, types), _objects(types), members.filter(lambda type_: type_ is not Primitive.NULL)
    )


types: st.SearchStrategy[Type] = st.recursive(plain | one_of, _compound, max_leaves=6)
objects: st.SearchStrategy[ObjectOf | None] = st.none() | _objects(types)


@st.composite
def inputs_of(draw: st.DrawFn, name: str) -> Input:
    kind: InputKind = draw(st.sampled_from(INPUT_KINDS))
    options = tuple(draw(st.lists(words, min_size=1, max_size=3, unique=True)))
    defaults: dict[InputKind, st.SearchStrategy[JsonValue]] = {
        "text-input": texts,
        "paragraph": texts,
        "select": st.sampled_from(options),
        "number": st.integers() | st.floats(allow_nan=False, allow_infinity=False),
        "checkbox": st.booleans(),
        "json_object": st.dictionaries(texts, json_values, max_size=2),
    }
    values: dict[str, st.SearchStrategy[object]] = {
        "default": st.none() | defaults.get(kind, st.none()),
        "max_length": st.none() | st.integers(12, 99),
        "options": st.just(options),
        "allowed_file_types": st.lists(st.sampled_from(FILE_TYPES), unique=True).map(tuple),
        "allowed_file_extensions": st.lists(words, max_size=2, unique=True).map(tuple),
        "allowed_file_upload_methods": st.lists(st.sampled_from(UPLOAD_METHODS), unique=True).map(tuple),
    }
    said = {key: draw(values[key]) for key in INPUT_TRAITS[kind].keys if key in values}
    said |= {"required": draw(st.booleans()), "label": draw(texts), "description": draw(texts)}
    input_ = Input(name=name, kind=kind, **said)  # type: ignore[arg-type]
    if kind == "json_object" and input_.default is None:
        input_ = replace(input_, type=draw(objects))
    return input_


inputs = st.lists(names, max_size=3, unique=True).flatmap(lambda found: st.tuples(*map(inputs_of, found)))
outputs = st.lists(
    st.builds(Output, name=names, type=types, optional=st.booleans(), reason=texts, description=texts),
    max_size=3,
    unique_by=lambda one: one.name,
).map(tuple)
workflows = st.builds(
    App,
    name=st.text(min_size=1, max_size=9).filter(lambda name: bool(name.strip())),
    source=st.just("spec.yaml"),
    title=texts,
    description=texts | st.lists(texts).map("\n".join),
    inputs=inputs,
    outputs=outputs,
)


@given(workflows)
def test_every_contract_survives_being_written_as_a_spec(workflow: App) -> None:
    check_round_trip(workflow)


def test_examples_survive() -> None:
    sample = Example(inputs={"a b": 1.5e300}, outputs={"x": {"deep": [{"y": None}, [True, "no"]]}})
    check_round_trip(
        App(
            name="yes",
            source="spec.yaml",
            inputs=(Input(name="a b", kind="number"),),
            outputs=(Output(name="x", type=ObjectOf()),),
            examples=(sample,),
        )
    )


ANY_KEYS = (
    texts | st.text(min_size=1020, max_size=1030) | st.sampled_from(["yes", "1", "~", "a: b", "#", "- a", "'", "<<"])
)


@given(
    st.dictionaries(
        ANY_KEYS,
        st.recursive(
            json_values | st.text(alphabet="ab \n:#-'\"[]{},é\u2028\x00\ufeff", max_size=12),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_KEYS, inner, max_size=3),
            max_leaves=8,
        ),
        max_size=4,
    )
)
@example({"a": "x\ny\n", "b": ["x\n\ny"], "c": [[], {}, [{"d": {"e": 1}}]], "f": 1e16, "g": -1e-7, "h": "null"})
@example({"a": " x\ny", "b": "x \ny", "c": "\nx", "d": "x\n\n", "e": "x:", "f": "...", "g": "x #y", "h": "=", "i": "."})
def test_yaml_reads_back_with_the_same_values(root_: dict[str, JsonValue]) -> None:
    text = yaml_text(root_)
    loaded = yaml.load(text, yaml.CSafeLoader)
    assert repr(loaded) == repr(root_)


def test_a_folder_in_the_place_of_the_file_is_told(project: Path) -> None:
    Path("specs").mkdir()
    for force in ((), ("--force",)):
        done = init(str(CONCAT), "-o", "specs", *force)
        assert (done.exit_code, done.stderr) == (1, "Error: specs is a folder; -o names the file to write.\n")
