"""Settings of a project: which file has them, what they come to, and what is said of mistakes."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from difygen.config import Options, Settings
from difygen.settings import key_positions, load_settings
from hypothesis import given
from hypothesis import strategies as st
from support.processes import printed

WHOLE = """\
[project]
name = "shop"

[tool.difygen]
sources = ["specs/*.yaml", "exports"]
output = "shop/dify"
line_length = 100
emit = "async"
templates = "my_templates"

[tool.difygen.workflows.concat]
source = "exports/字段拼接.yml"
rename = { "文本" = "text", list = "choice" }
outputs = { result = "string", "结果" = "array[object]" }
env = "SHOP_CONCAT_KEY"
nodes = { "字段拼接" = "JOIN", 1732007419308 = "ANSWER" }

[tool.difygen.workflows."support-reply"]
rename.tone = "style"

[tool.difygen.workflows.third]
source = "exports/3.yml"
name = "invoice"
outputs.total = "integer"
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a project, with two exports and a folder of templates, as the current folder."""
    (tmp_path / "exports").mkdir()
    for name in ("字段拼接.yml", "3.yml"):
        (tmp_path / "exports" / name).touch()
    (tmp_path / "my_templates").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def config_of(text: str, file: str = "difygen.toml") -> Settings:
    Path(file).write_text(text, encoding="utf-8")
    config = load_settings()
    assert isinstance(config, Settings), config
    return config


def complaints(text: str, file: str = "difygen.toml") -> list[str]:
    Path(file).write_text(text, encoding="utf-8")
    found = load_settings()
    assert isinstance(found, tuple)
    return [str(diagnostic) for diagnostic in found]


WHOLE_OPTIONS = Options(
    names={"exports/字段拼接.yml": "concat", "exports/3.yml": "invoice"},
    rename={"concat": {"文本": "text", "list": "choice"}, "support-reply": {"tone": "style"}},
    outputs={"concat": {"result": "string", "结果": "array[object]"}, "invoice": {"total": "integer"}},
    nodes={"concat": {"字段拼接": "JOIN", "1732007419308": "ANSWER"}},
    env={"concat": "SHOP_CONCAT_KEY"},
    line_length=100,
    emit="async",
    templates="./my_templates",
)


def test_everything_can_be_set_in_pyproject(project: Path) -> None:
    config = config_of(WHOLE, "pyproject.toml")
    assert (config.file, config.folder) == ("pyproject.toml", ".")
    assert (config.sources, config.output) == (("specs/*.yaml", "exports"), "shop/dify")
    assert config.options == WHOLE_OPTIONS


def test_a_file_of_its_own_has_the_same_settings_at_its_root(project: Path) -> None:
    text = WHOLE[WHOLE.index("[tool.difygen]") :].replace("[tool.difygen]\n", "").replace("[tool.difygen.", "[")
    config = config_of(text)
    assert config.file == "difygen.toml"
    assert config.options == WHOLE_OPTIONS


def test_without_settings_there_is_no_config(project: Path) -> None:
    assert load_settings() is None
    Path("pyproject.toml").write_text('[project]\nname = "difygen-shop"\n')
    assert load_settings() is None
    Path("pyproject.toml").write_text("this is not TOML, and none of our business")
    assert load_settings() is None


def test_no_settings_at_all_are_the_usual_ones(project: Path) -> None:
    config = config_of("")
    assert (config.sources, config.output, config.options) == ((), None, Options())


def test_settings_may_be_in_another_folder_and_paths_start_there(
    project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (project / "difygen.toml").write_text(WHOLE[WHOLE.index("sources") :].replace("[tool.difygen.", "["))
    below = tmp_path / "below"
    below.mkdir()
    monkeypatch.chdir(below)
    config = load_settings("..")
    assert isinstance(config, Settings)
    assert (config.file, config.folder) == ("../difygen.toml", "..")
    assert config.options.templates == "../my_templates"
    assert load_settings(file="../difygen.toml") == config


def test_two_files_of_settings_are_one_too_many(project: Path) -> None:
    Path("difygen.toml").write_text("")
    [found] = complaints("[tool.difygen]\n", "pyproject.toml")
    assert found == (
        "pyproject.toml:1:7: error: "
        "There are settings in difygen.toml, too, and only one file may have some. [two-configs]"
        "\n    hint: Move them into one of the files."
    )
    Path("pyproject.toml").write_text("[tool.black]\n")
    assert isinstance(load_settings(), Settings)


def test_a_file_that_was_asked_for_must_be_there_and_have_settings(project: Path) -> None:
    missing = load_settings(file="other.toml")
    assert isinstance(missing, tuple)
    assert str(missing[0]) == "other.toml: error: It cannot be read: No such file or directory. [unreadable]"
    Path("pyproject.toml").write_text("[tool.black]\n")
    without = load_settings(file="pyproject.toml")
    assert isinstance(without, tuple)
    assert str(without[0]) == "pyproject.toml: error: It has no table [tool.difygen]. [no-settings]"


MISTAKES = """\
source = ["specs"]
output = ""
line_length = 20
emit = "sinc"
templates = "no_templates"
out_put = "x"

[workflows.a]
source = "exports/none.yml"
renames = {}
rename = { x = "class", y = 1, z = "_z" }
outputs = { x = "strin" }
env = "A-KEY"

[workflows."b c"]
source = "exports/3.yml"

[workflows.c]
name = "d"
source = "exports/3.yml"
outputs = [
  "string",
]

[workflows.d]
env = 2026-11-22

[workflows.e]
name = "f"
source = "exports/3.yml"

[workflows.g]
name = "h"

[workflows]
i = "x"
"""


def test_every_mistake_is_reported_at_once_with_its_line(project: Path) -> None:
    assert "".join(f"{line}\n" for line in complaints(MISTAKES)) == ("""\
difygen.toml:1:1: error: `source` is not a key of difygen's settings. [unknown-key]
    hint: Write `sources`.
difygen.toml:2:1: error: `output` must be a path, not an empty text. [wrong-type]
difygen.toml:3:1: error: `line_length` must be a number from 72 to 320, not `20`. [wrong-type]
difygen.toml:4:1: error: `sinc` is no value for `emit`. [unknown-value]
    hint: Did you mean `sync`?
difygen.toml:5:1: error: There is no folder `no_templates`. [no-such-folder]
    hint: Paths start at the folder of this file.
difygen.toml:6:1: error: `out_put` is not a key of difygen's settings. [unknown-key]
    hint: Did you mean `output`?
difygen.toml:9:1: error: There is no file `exports/none.yml`. [no-such-source]
    hint: Paths start at the folder of this file.
difygen.toml:10:1: error: `renames` is not a key of an app's settings. [unknown-key]
    hint: Did you mean `rename`?
difygen.toml:11:12: error: `class` is a Python keyword. [bad-name]
    hint: Choose a lower-case name such as `my_name`.
difygen.toml:11:25: error: `y` must be text, not `1`. [wrong-type]
difygen.toml:11:32: error: `_z` starts with an underscore. [bad-name]
    hint: Choose a lower-case name such as `my_name`.
difygen.toml:12:13: error: `strin` is not a type. [unknown-type]
    hint: Did you mean `string`?
difygen.toml:13:1: error: `A-KEY` cannot be the name of an environment variable. [bad-env]
difygen.toml:15:12: error: `b c` is not a Python identifier. [bad-name]
    hint: Choose a lower-case name such as `my_name`.
difygen.toml:21:1: error: `outputs` must be a table, not a list with one item. [wrong-type]
difygen.toml:25:12: error: Two tables are about the app `d`. [repeated-name]
difygen.toml:26:1: error: `2026-11-22` cannot be the name of an environment variable. [bad-env]
difygen.toml:30:1: error: `exports/3.yml` has two names. [repeated-value]
    hint: Remove one of them.
difygen.toml:33:1: error: A `name` needs a `source`. [missing-key]
    hint: Add the `source` that the name is for, a path from this file.
difygen.toml:36:1: error: `i` must be a table, not the text `x`. [wrong-type]
""")


@pytest.mark.parametrize("length", [71, 321])
def test_the_line_lengths_next_to_the_accepted_ones_are_refused(project: Path, length: int) -> None:
    message = f"difygen.toml:1:1: error: `line_length` must be a number from 72 to 320, not `{length}`. [wrong-type]"
    assert complaints(f"line_length = {length}\n") == [message]


def test_a_file_that_is_no_toml_says_where(project: Path) -> None:
    assert complaints("sources = [\n  'a' 'b'\n]\n") == [
        "difygen.toml:2:7: error: This is not TOML: unclosed array. [toml-syntax]"
    ]
    assert complaints("x = 1\nx = 2\n")[0].startswith(
        "difygen.toml:2:6: error: This is not TOML: cannot overwrite a value"
    )
    assert complaints("sources = 'a")[0].startswith("difygen.toml:1:13: error: This is not TOML: ")
    Path("difygen.toml").write_bytes(b"output = 'a'\n# \xff\n")
    found = load_settings()
    assert isinstance(found, tuple)
    assert str(found[0]) == "difygen.toml:2:1: error: The byte 0xff is not UTF-8. [not-utf-8]"


def test_settings_for_a_workflow_that_there_is_not_are_found_afterwards(project: Path) -> None:
    config = config_of('[workflows.concat]\nenv = "A"\n[workflows.invoise]\nenv = "B"\n[workflows."字段"]\nenv = "C"\n')
    assert [str(found) for found in config.unused({"concat", "invoice", "字段"})] == [
        "difygen.toml:3:12: error: No app is called `invoise`. [unknown-workflow]\n"
        + "    hint: Did you mean `invoice`?"
    ]
    assert config.unused({"concat", "invoise", "字段"}) == ()


def test_no_toml_parser_is_imported_without_need(project: Path) -> None:
    Path("pyproject.toml").write_text("[tool.black]\n")
    script = (
        "import sys; from difygen.settings import load_settings; "
        "load_settings(); print('tomllib' in sys.modules, 'yaml' in sys.modules)"
    )
    assert printed(script) == "False False\n"


# Places in TOML

SCALARS = st.text(max_size=5) | st.integers() | st.booleans() | st.floats(allow_nan=False)
TABLES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)


def write(value: Any) -> str:
    """A value as TOML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {write(member)}" for key, member in value.items()) + "}"
    if isinstance(value, list):
        return "[\n" + ",\n".join(write(item) for item in value) + ", # ]\n]" if value else "[]"
    return json.dumps(value).replace("\x7f", "\\u007f") if isinstance(value, str) else repr(value).lower()


def paths_in(value: Any) -> set[tuple[str | int, ...]]:
    members: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return {path for key, member in members for path in {(key,), *((key, *rest) for rest in paths_in(member))}}


@given(
    st.dictionaries(st.text(max_size=4), TABLES, max_size=4), st.dictionaries(st.text(max_size=4), TABLES, max_size=4)
)
def test_every_key_and_item_of_a_toml_file_has_its_place(root: dict[str, Any], table: dict[str, Any]) -> None:
    root.pop("table", None)
    lines = [f"{json.dumps(key)} = {write(value)}  # x = [".replace("\x7f", "\\u007f") for key, value in root.items()]
    lines += [
        "[table]",
        *(f"{json.dumps(key)} = {write(value)}".replace("\x7f", "\\u007f") for key, value in table.items()),
    ]
    text = "\n".join(lines)
    try:
        parsed = tomllib.loads(text)
    except tomllib.TOMLDecodeError:  # a text that JSON and TOML escape differently
        return
    places = key_positions(text)
    assert set(places) == paths_in(parsed)
    for path, index in places.items():
        if isinstance(path[-1], str) and path != ("table",):
            assert text[index:].startswith(json.dumps(path[-1]).replace("\x7f", "\\u007f"))


def test_headers_and_dotted_keys_have_places() -> None:
    text = "a.b.c = 1\n[[list]]\nx = 1\n[list.sub]\ny = '''\n[no]\n'''\n[a.'q r']\n"
    lines = {path: text.count("\n", 0, index) + 1 for path, index in key_positions(text).items()}
    assert lines[("a", "b", "c")] == 1
    assert lines[("list", "x")] == 3
    assert lines[("list", "sub", "y")] == 5
    assert lines[("a", "q r")] == 8
