"""Pages about apps: what they say is so, every call on them runs as it stands, and texts of definitions stay texts."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import warnings
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from textwrap import indent
from typing import Any, get_args

import html5lib
import pytest
from difygen.command_line import read_config
from difygen.config import DocsLanguage, DocsOptions, Options
from difygen.console import compact_json
from difygen.definitions.reading import load_definitions
from difygen.documents.facts import NamedDefinition, error_classes, named_definition
from difygen.documents.openapi import Samples, openapi_document
from difygen.documents.pages import app_pages, index_pages
from difygen.documents.pages.contract import reason_in
from difygen.documents.pages.flow import MAX_STEPS, draw
from difygen.documents.pages.html import element, text
from difygen.documents.pages.markdown import escaped, markdown, mermaid, render_markdown
from difygen.documents.pages.page import Drawing, Page, Words, catalogue
from difygen.documents.pages.reference import ERRORS, STATUSES
from difygen.mock.definition import define
from difygen.mock.errors import ApiError
from difygen.mock.example import UPLOADED, example_call
from difygen.model import AGENT, APP_KINDS, App, Edge, Input, Node, Output, Primitive
from difygen.parser.dsl.graph import Graph, Step
from difygen.record import replace
from difygen.testing import mock_dify
from difygen.wording import has_surrogate, one_line
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from markdown_it import MarkdownIt
from runtime._protocol import SETTLED
from support import CHAT_LAB, NEWEST, ROOT, TESTS
from support.examples import examples
from support.hostile import PAYLOADS, TEXTS, WORKFLOWS
from support.packages import python
from support.projects import difygen

CORPUS = ROOT.parent / "shared" / "dsl-corpus"
FOLDERS = [ROOT / "specs", TESTS / "dsl_lab", TESTS / "dsl_lab_chat", NEWEST]
DEFINITIONS = sorted(path for folder in FOLDERS for path in folder.iterdir() if path.suffix in (".yaml", ".yml"))
BASE = "https://dify.example.org/v1"
LANGUAGES = get_args(DocsLanguage)
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@cache
def loaded(*paths: Path) -> tuple[NamedDefinition, ...]:
    """Return the apps of definitions as documents tell of them."""
    config = read_config(sources=tuple(map(str, paths)))
    found, problems = load_definitions(config, ())
    assert found, problems
    return tuple(named_definition(each, config.options) for each in found)


@cache
def pages_of(path: Path, language: Any) -> Mapping[str, str]:
    """Return all pages of a definition, that of the list of apps among them."""
    wanted = DocsOptions(language=language, base_url=BASE)
    return app_pages(loaded(path), wanted) | index_pages(loaded(path), wanted)


def of_app(app: App, options: Options | None = None) -> NamedDefinition:
    """Return an app that was read from nowhere."""
    from difygen.codegen.names import name_variables

    names = name_variables(app, options or Options(), "made")
    return NamedDefinition(define(app, key_name="made", key_variable="DIFY_MADE_API_KEY"), "made", names)


def parsed(page: str) -> Any:
    """Return the tree of a page, which strict HTML has to be."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(page)


def words_of(node: Any) -> str:
    """Return what a reader sees of an element."""
    return "".join(node.itertext())


def listings(page: str) -> dict[str, str]:
    """Return what can be copied from a page, by its ids."""
    return {
        figure.get("id"): words_of(body)
        for figure in parsed(page).iter("figure")
        if (body := figure.find("pre")) is not None
    }


# The catalogue


def texts(table: Any, path: str = "") -> dict[str, Any]:
    """Return the ends of the catalogue's tables: what stands there in each language."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        inner = f"{path}.{key}".removeprefix(".")
        is_end = any(isinstance(each, str) for each in value.values())
        found |= {inner: value} if is_end else texts(value, inner)
    return found


def test_every_text_of_the_catalogue_is_there_in_every_language() -> None:
    found = texts(catalogue())
    assert len(found) > 250
    assert [key for key, value in found.items() if sorted(value) != sorted(LANGUAGES)] == []


def test_texts_have_the_same_holes_code_and_links_in_every_language() -> None:
    marks = re.compile(r"\{\w+\}|`[^`]+`|\(#[\w-]+\)")
    for key, value in texts(catalogue()).items():
        english, chinese = (set(marks.findall(value[language])) for language in LANGUAGES)
        assert english == chinese, key


def test_the_pages_know_every_event_error_and_status_that_the_runtime_knows() -> None:
    about = catalogue()["events"]["about"]
    assert {name for kind in APP_KINDS.values() for name in kind.events} == set(about)
    classes = error_classes()
    assert set(classes.by_code) <= {row.code for row in ERRORS}
    assert {str(status) for status in classes.by_status} <= {row.status for row in ERRORS}
    assert {row.key for row in ERRORS} == set(catalogue()["errors"]["about"]) == set(catalogue()["errors"]["do_about"])
    assert {*SETTLED, "running"} == set(STATUSES) == set(catalogue()["statuses"]["about"])


@pytest.mark.parametrize(
    ("reason", "chinese"),
    [
        ("", ""),
        ("null when the input 'n' is left out", "未传入“n”时为 null。"),
        ("only when the branch 'IF' of 'Big?' is taken (`num` > 10)", "仅当执行“Big?”的“IF”分支（num > 10）时存在。"),
        ("only when `a` of 'X' contains 'b' and does not contain 'c'", "仅当“X”的a包含“b”且不包含“c”时存在。"),
        ("only when the total is above the threshold", "Only when the total is above the threshold."),
        (
            "null when 'it and is' is null; only when 'a or b' fails",
            "“it and is”为 null时为 null；仅当“a or b”失败时存在。",
        ),
    ],
)
def test_reasons_are_said_in_chinese_unless_the_definition_words_them(reason: str, chinese: str) -> None:
    assert "".join(span.text for span in reason_in(Words("zh"), reason)) == chinese


# Pages


@pytest.mark.parametrize("path", DEFINITIONS, ids=lambda path: path.stem)
def test_pages_are_the_same_bytes_for_the_same_definition(path: Path) -> None:
    first = pages_of(path, "en")
    assert len(first) == 4
    assert {"README.md", "index.html"} < set(first)
    wanted = DocsOptions(base_url=BASE)
    assert app_pages(loaded(path), wanted) | index_pages(loaded(path), wanted) == first


@pytest.mark.parametrize("path", DEFINITIONS, ids=lambda path: path.stem)
@pytest.mark.parametrize("language", LANGUAGES)
def test_html_is_strict_and_leads_nowhere_else(path: Path, language: Any) -> None:
    files = {name: page for name, page in pages_of(path, language).items() if name.endswith(".html")}
    for page in files.values():
        tree = parsed(page)
        ids = [each.get("id") for each in tree.iter() if each.get("id")]
        assert len(ids) == len(set(ids))
        for each in tree.iter("a"):
            target = each.get("href")
            assert target[1:] in ids if target.startswith("#") else target in files
        assert not {each.tag for each in tree.iter()} & {"script", "img", "link", "iframe", "object", "form"}
        named = {name for each in tree.iter() for name in each.attrib}
        assert not {name for name in named if name in ("src", "srcset", "action") or str(name).startswith("on")}
        assert "url(" not in page and "@import" not in page and "xmlns" not in page
        blocks = [each for each in tree.find("body/div/main") if each.tag not in ("svg",)]
        assert [each.tag for each in blocks if not each.get("id")] == []


@pytest.mark.parametrize("path", DEFINITIONS, ids=lambda path: path.stem)
@pytest.mark.parametrize("language", LANGUAGES)
def test_markdown_has_no_html_and_its_links_lead_to_headings(path: Path, language: Any) -> None:
    files = {name: page for name, page in pages_of(path, language).items() if name.endswith(".md")}
    for page in files.values():
        tokens = read_markdown(page)
        anchors = set(heading_anchors(tokens))
        for token in inline_of(tokens):
            assert token.type not in ("html_inline", "html_block", "image")
            if token.type == "link_open":
                target = token.attrs["href"]
                assert target[1:] in {quoted(each) for each in anchors} if target.startswith("#") else target in files
            assert token.type != "text" or "**" not in token.content, "strong words that are none"


def read_markdown(page: str) -> list[Any]:
    return MarkdownIt("commonmark").enable("table").parse(page)


def inline_of(tokens: list[Any]) -> Iterator[Any]:
    for token in tokens:
        yield token
        yield from token.children or ()


def heading_anchors(tokens: list[Any]) -> Iterator[str]:
    """Yield the anchors that GitHub gives to headings."""
    seen: dict[str, int] = {}
    for at, token in enumerate(tokens):
        if token.type == "heading_open":
            words = "".join(each.content for each in tokens[at + 1].children or ())
            slug = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
            yield f"{slug}-{seen[slug]}" if slug in seen else slug
            seen[slug] = seen.get(slug, 0) + 1


def quoted(anchor: str) -> str:
    from urllib.parse import quote

    return quote(anchor)


def test_both_doors_show_the_same_things_to_copy() -> None:
    for path in ("specs/invoice.yaml", "specs/order_desk.yml", "tests/dsl_lab_chat/agent_lab.yml"):
        files = app_pages(loaded(ROOT / path), DocsOptions(base_url=BASE))
        (html,) = (files[name] for name in files if name.endswith(".html"))
        (source,) = (files[name] for name in files if name.endswith(".md"))
        fences = [token.content for token in read_markdown(source) if token.type == "fence" and token.info != "mermaid"]
        assert [each.strip() for each in fences] == [each.strip() for each in listings(html).values()]


def test_a_changed_input_changes_its_own_lines_alone() -> None:
    (named,) = loaded(ROOT / "specs" / "concat.yaml")
    app = named.definition.workflow
    string, *others = app.inputs
    changed = replace(app, inputs=(replace(string, description="What is joined", max_length=64), *others))
    wanted = DocsOptions(formats=("markdown",))
    before, after = (app_pages([of_app(each)], wanted)["made.md"].splitlines() for each in (app, changed))
    assert len(before) == len(after)
    different = [one for one, other in zip(before, after, strict=True) if one != other]
    assert [line[:10] for line in different] == ["- Contract", "| `string`"]


def test_a_page_says_what_callers_have_to_know() -> None:
    page = app_pages(loaded(ROOT / "specs" / "concat.yaml"), DocsOptions(formats=("markdown",), base_url=BASE))[
        "concat.md"
    ]
    for piece in (
        f"All calls go to `{BASE}`.",
        "**`/v1` belongs there exactly once.**",
        "**A key is an app.**",
        "`DIFY_CONCAT_API_KEY`",
        "| `string` | `string` | yes | at most 48 characters |",
        "one of `list_a`, `list_b`, `list_c`",
        "from client import run_concat",
        "**A failed run is HTTP 200, too**",
        "| `partial-succeeded` |",
        "| 401 | `unauthorized` |",
        "`TooManyRequestsError`",
    ):
        assert piece in page


def test_a_definition_called_like_a_list_of_pages_has_a_page_of_its_own() -> None:
    app = replace(of_app(App(name="index", source="-")).definition.workflow)
    named = of_app(app)._replace(name="index")
    files = app_pages([named], DocsOptions()) | index_pages([named], DocsOptions())
    assert sorted(files) == ["README.md", "index.html", "index_.html", "index_.md"]


# Calls


def fixed(value: Any, ids: dict[str, str]) -> Any:
    """Return a JSON value without what differs from run to run; equal ids stay equal."""
    if isinstance(value, Mapping):
        tokens = {key: "form-token" for key, each in value.items() if key == "form_token" and each}
        return {key: fixed(each, ids) for key, each in {**value, **tokens}.items() if not key.endswith("_duration_map")}
    if isinstance(value, list):
        return [fixed(each, ids) for each in value]
    if isinstance(value, str):
        value = re.sub(r"\?timestamp=\d+&nonce=\w+&sign=[\w%.-]+|\?sign=…", "?sign", value)
        value = re.sub(r'("sys.timestamp": )\d+', r"\g<1>0", value)
        value = re.sub(r"https?://[\w.:]+/files", "/files", value)
        return _UUID.sub(lambda found: ids.setdefault(found[0], f"<{len(ids)}>"), value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return 0 if value > 10**9 or isinstance(value, float) else value
    return value


def holds(whole: Any, part: Any) -> bool:
    """Check whether a value is another one without members that are null or empty."""
    if isinstance(part, Mapping):
        return isinstance(whole, Mapping) and all(
            key in whole and holds(whole[key], each) for key, each in part.items()
        )
    return bool(whole == part)


def events_of(stream: str) -> list[Any]:
    return [json.loads(line.removeprefix("data: ")) for line in stream.split("\n") if line.startswith("data: ")]


ANSWERS = {"curl-blocking": "answer-blocking", "curl-streaming": "answer-streaming", "curl-upload": "uploaded"}


@pytest.mark.parametrize("path", DEFINITIONS, ids=lambda path: path.stem)
def test_every_curl_block_runs_against_the_mock_and_answers_as_printed(path: Path, tmp_path: Path) -> None:
    (named,) = loaded(path)
    with mock_dify(path) as dify:
        wanted = DocsOptions(formats=("html",), base_url=dify.base_url)
        (page,) = app_pages([named], wanted).values()
        found = listings(page)
        calls = {id_: block for id_, block in found.items() if block.startswith("curl ")}
        assert len(calls) >= 4
        shell = Shell(tmp_path, {named.names.key_variable: dify.api_key})
        first = "curl-blocking" if "curl-blocking" in calls else "curl-streaming"
        last = [
            "curl-streaming",
            "curl-upload",
            "curl-with-file",
            "curl-submit",
            "curl-follow",
            "curl-go-on",
            "curl-delete",
        ]  # they add to what is read
        order = [first, *(id_ for id_ in calls if id_ not in last and id_ != first)]
        order += [id_ for id_ in last if id_ in calls and id_ != first]
        for id_ in order:
            answer = shell.run(calls[id_])
            printed = found.get(ANSWERS.get(id_, id_.replace("curl-", "answer-")), "")
            if id_ == "curl-streaming":
                rest = iter(fixed(events_of(answer), {}))
                for event in fixed(events_of(printed), {}):
                    assert any(holds(without_ids(each), without_ids(event)) for each in rest), event
            elif id_ == "curl-delete":
                assert answer == printed == ""
            elif id_ == "curl-follow":
                assert events_of(answer)[-1]["data"]["status"] == "succeeded"
            elif id_ in ("curl-with-file", "curl-go-on"):
                assert "code" not in shell.last, shell.last
            else:
                assert fixed(json.loads(answer), {}) == fixed(json.loads(printed), {}), id_


def without_ids(event: Any) -> Any:
    """Return an event without the numbers that ids have by their order, where some events are not shown."""
    if isinstance(event, Mapping):
        return {key: without_ids(each) for key, each in event.items()}
    if isinstance(event, list):
        return [without_ids(each) for each in event]
    return re.sub(r"<\d+>", "<>", event) if isinstance(event, str) else event


class Shell:
    """Runs calls one after the other, and keeps the ids of their answers in the variables that later ones ask for."""

    def __init__(self, folder: Path, variables: dict[str, str]) -> None:
        self._folder = folder
        self._variables = {"PATH": os.environ["PATH"], "NO_PROXY": "*", **variables}
        self.last: Any = None

    def run(self, lines: str) -> str:
        for name in re.findall(r"file=@([\w.]+)", lines):
            (self._folder / name).write_bytes(UPLOADED)
        done = subprocess.run(
            ["bash", "-uec", lines.replace("curl ", "curl -sS ", 1)],
            cwd=self._folder,
            env=self._variables,
            capture_output=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr.decode()
        answer = done.stdout.decode()
        first = events_of(answer)[:1] or ([json.loads(answer)] if answer.startswith("{") else [{}])
        self.last = first[0]
        data = self.last.get("data")
        forms = data.get("reasons", ()) if isinstance(data, dict) else ()
        for found in (self.last, *forms):
            for name in ("task_id", "workflow_run_id", "conversation_id", "message_id", "form_token"):
                if isinstance(found.get(name), str):
                    self._variables.setdefault(name.upper(), found[name])
        if "/files/upload" in lines:
            self._variables["FILE_ID"] = self.last["id"]
        return answer


@pytest.mark.parametrize("path", DEFINITIONS, ids=lambda path: path.stem)
def test_every_json_block_fits_the_openapi_document(path: Path) -> None:
    (named,) = loaded(path)
    app = named.definition.workflow
    document = openapi_document(app, named.name, named.names, Samples(*example_call(named.definition)))
    start = document["paths"][f"/{app.kind.start}"]["post"]
    whole = start["responses"]["200"]["content"]
    (page,) = app_pages([named], DocsOptions(formats=("html",))).values()
    shown = 0
    for id_, block in listings(page).items():
        if block.startswith("curl "):
            body = body_of(block)
            if f"/{app.kind.start} " in block:
                check(document, start["requestBody"]["content"]["application/json"]["schema"], body)
                shown += 1
        elif id_ == "answer-blocking":
            check(document, whole["application/json"]["schema"], json.loads(block))
        elif id_ == "answer-streaming":
            schemas = document["components"]["schemas"]
            (name,) = (each for each in schemas if each.endswith("StreamEvent"))
            mapping = schemas[name]["discriminator"]["mapping"]
            for event in events_of(block):
                check(document, {"$ref": mapping[event["event"]]}, event)
        elif id_ == "uploaded":
            check(document, {"$ref": "#/components/schemas/UploadedFile"}, json.loads(block))
        elif id_.startswith("answer-"):
            json.loads(block)
    assert shown >= 1 + (app.kind is not AGENT)


def body_of(block: str) -> Any:
    """Return the body of a call, with something in place of its variables."""
    words = shlex.split(re.sub(r'"\'"\$\w+"\'"', '"00000000-0000-0000-0000-000000000000"', block))
    return json.loads(words[words.index("-d") + 1]) if "-d" in words else None


def check(document: dict[str, Any], schema: dict[str, Any], value: Any) -> None:
    Draft202012Validator({**schema, "components": document["components"]}).validate(value)


@pytest.mark.parametrize(
    "path",
    ["specs/concat.yaml", "specs/translate_pages.yml", "specs/order_desk.yml", "tests/dsl_lab_chat/agent_lab.yml"],
)
def test_every_python_block_runs_against_the_mock(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert difygen(str(ROOT / path), "-o", "client").code == 0
    (named,) = loaded(ROOT / path)
    (page,) = app_pages([named], DocsOptions(formats=("html",))).values()
    blocks = [block for id_, block in listings(page).items() if id_.startswith("python-")]
    assert len(blocks) >= 2
    for name in re.findall(r'"(example\.\w+)"', "".join(blocks)):
        (tmp_path / name).write_bytes(UPLOADED)
    with mock_dify(ROOT / path) as dify:
        settings_ = {"DIFY_BASE_URL": dify.base_url, named.names.key_variable: dify.api_key, "NO_PROXY": "*"}
        program = f"import os\nos.environ.update({settings_!r})\n" + "\n".join(blocks)
        python(program, tmp_path)


@pytest.mark.parametrize("name", ["hitl_webapp", "chat_hitl"])
@pytest.mark.parametrize("emit", ["sync", "async"])
def test_the_answer_to_a_form_runs_against_the_mock(
    name: str, emit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = CHAT_LAB / f"{name}.yml"
    assert difygen(str(path), "-o", "client").code == 0
    (named,) = loaded(path)
    wanted = DocsOptions(formats=("html",), client=Options(emit=emit))
    (page,) = app_pages([named], wanted).values()
    block = listings(page)["python-form"]
    assert ("async with" in block) == (emit == "async")
    result = "run.outputs.verdict" if name == "hitl_webapp" else "turn.answer"
    with mock_dify(path) as dify:
        settings_ = {"DIFY_BASE_URL": dify.base_url, named.names.key_variable: dify.api_key, "NO_PROXY": "*"}
        if emit == "async":  # a cell of a notebook
            block = (
                f"import asyncio\nasync def main():\n{indent(block + f'print({result})', '    ')}\nasyncio.run(main())"
            )
            result = "end=''"
        program = f"import os\nos.environ.update({settings_!r})\n{block}\nprint({result})"
        assert python(program, tmp_path) in ("approve\n", "Wait a moment.\nApproved with: as it is\n")


# Texts stay texts


HOSTILE = [
    *PAYLOADS,
    "| a | `b` | **c** | [x](https://evil.example) |",
    "</script><img src=x onerror=alert(1)>",
    "<!-- --> <b>&amp;&#60;",
    "![x](y) <https://evil.example> www.evil.example",
    "# heading\n- item\n1. item\n> quote\n```\ncode\n```",
    "1) first",
    "~~gone~~ $x$ $$y$$ {{z}}",
    "`` ` ``` \\| \\\\| `|`",
    "\u202eRTL\u202c مرحبا",
]
ANY = st.sampled_from(HOSTILE) | TEXTS


def shown_in(tree: Any, id_: str) -> str:
    (found,) = (each for each in tree.iter() if each.get("id") == id_)
    return words_of(found)


def legal(words: str) -> str:
    """Return a text as a page shows it: on one line."""
    return one_line(words)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    title=ANY,
    about=ANY,
    label=ANY,
    option=ANY.filter(lambda text: text.strip() and not has_surrogate(text)),
    step=ANY,
    branch=ANY,
)
def test_hostile_texts_stay_texts_in_both_doors(
    title: str, about: str, label: str, option: str, step: str, branch: str
) -> None:
    app = App(
        name="made",
        source="-",
        title=title,
        description=about.replace("\n", " "),
        inputs=(Input(name="choice", kind="select", label=label, options=(option, "other"), required=False),),
        outputs=(Output(name="out", type=Primitive.STRING, description=about, optional=True, reason=label),),
        nodes=(Node(id="start", type="start", title=step), Node(id="end", type="end", title=branch)),
        edges=(Edge(source="start", target="end"),),
    )
    files = app_pages([of_app(app)], DocsOptions())
    tree = parsed(files["made.html"])
    tags = {each.tag for each in tree.iter() if isinstance(each.tag, str)}
    assert not tags & {"script", "img", "b", "iframe"}
    wanted = legal(title) or "made"
    assert shown_in(tree, "top") == wanted
    cells = [words_of(cell) for cell in next(each for each in tree.iter("tr") if each.get("id") == "input-choice")]
    label_ = "" if label == "choice" else legal(label)
    assert cells[4] == (label_ or "—")
    tokens = read_markdown(files["made.md"])
    assert not {token.type for token in inline_of(tokens)} & {"html_inline", "html_block", "image"}
    links = [token.attrs["href"] for token in inline_of(tokens) if token.type == "link_open"]
    assert all(link.startswith("#") or link == "README.md" for link in links)
    assert "".join(each.content for each in tokens[1].children) == wanted
    rows = markdown_rows(tokens)
    assert {len(row) for row in rows if row and row[0] == "choice"} == {5}
    (row,) = (row for row in rows if row and row[0] == "choice")
    assert row[4] == (label_ or "—")
    assert one_line(option) in row[3] or one_line(compact_json(option)) in row[3]


def markdown_rows(tokens: list[Any]) -> list[list[str]]:
    rows: list[list[str]] = []
    for at, token in enumerate(tokens):
        if token.type == "tr_open":
            rows.append([])
        elif token.type in ("td_open", "th_open"):
            rows[-1].append("".join(each.content for each in tokens[at + 1].children or ()))
    return rows


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
@given(app=WORKFLOWS)
def test_pages_of_any_definition_are_strict_and_without_html(app: App) -> None:
    named = of_app(app)
    try:
        example_call(named.definition)
    except (ApiError, KeyError):  # of defaults and names that readers do not let through
        assume(False)
    assume(not named.names.problems)
    files = app_pages([named], DocsOptions())
    parsed(files["made.html"])
    files["made.html"].encode()
    tokens = read_markdown(files["made.md"])
    assert not {token.type for token in inline_of(tokens)} & {"html_inline", "html_block", "image"}
    for rows in markdown_rows(tokens):
        assert rows


@settings(max_examples=examples(100), deadline=None)
@given(words=ANY)
def test_a_text_in_markdown_reads_as_itself(words: str) -> None:
    line = f"| {escaped(words)} |\n| --- |\n"
    for source in (f"{escaped(words)}\n", f"# {escaped(words)}\n", f"- {escaped(words)}\n", line):
        inline = [token for token in read_markdown(source) if token.type == "inline"]
        assert "".join(each.content for token in inline for each in token.children) == one_line(words)


def test_what_has_not_gone_through_a_door_fails() -> None:
    with pytest.raises(TypeError, match="only Markdown"):
        markdown("# {}", "title")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="only Html"):
        element("p", "text")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="only Html"):
        element("p", text("a") + text("b"))  # type: ignore[arg-type]


# Flows


NAMES = ["a", "b", "c", "d", "e", "f"]


@st.composite
def graphs(draw_: st.DrawFn) -> Graph:
    """Return any graph, with circles, containers and steps that nothing leads to."""
    names = NAMES[: draw_(st.integers(1, len(NAMES)))]
    parents = {name: draw_(st.sampled_from([None, None, *names])) for name in names}
    steps = {
        name: Step(name, draw_(st.sampled_from(["llm", "if-else", "loop", "code"])), draw_(ANY), {}, parents[name], at)
        for at, name in enumerate(names)
    }
    pairs = draw_(st.lists(st.tuples(st.sampled_from(names), st.sampled_from(names)), max_size=10))
    return Graph(steps, [Edge(source=one, target=other, handle=draw_(ANY)) for one, other in pairs])


@settings(max_examples=examples(80), deadline=None)
@given(graph=graphs())
def test_drawings_never_overlap_and_hold_every_step_of_a_level(graph: Graph) -> None:
    drawing = draw(graph)
    level = graph.level(None)[0]
    if not level:
        assert drawing is None
        return
    assert drawing is not None
    assert [box.id for box in drawing.boxes] == list(level)
    check_drawing(drawing)
    words = r"(?:[^\W_]+(?:[-_][^\W_]+)*| |#\d+;)*"
    labels = rf'"{words}(?: \({words}\))?"'
    shape = rf"(?:\[|\(\[|\{{\{{|\[/){labels}(?:\]|\]\)|\}}\}}|/\])"
    line = re.compile(rf"\s+(?:n[\d_n]*{shape}|subgraph n[\d_]*\[{labels}\]|end|n[\d_]* -->(?:\|{labels}\|)? n[\d_]*)")
    first, *rest = mermaid(drawing).split("\n")
    assert first == "flowchart TD"
    assert [each for each in rest if not line.fullmatch(each)] == []


def check_drawing(drawing: Drawing) -> None:
    boxes = drawing.boxes
    for at, one in enumerate(boxes):
        assert one.x >= -0.1 and one.x + one.width <= drawing.width + 0.2
        assert one.y >= -0.1 and one.y + one.height <= drawing.height + 0.2
        for other in boxes[at + 1 :]:
            apart = one.x + one.width <= other.x + 0.2 or other.x + other.width <= one.x + 0.2
            assert apart or one.y + one.height <= other.y + 0.2 or other.y + other.height <= one.y + 0.2
        if one.inside is not None:
            assert one.inside.width <= one.width and one.inside.height <= one.height
            check_drawing(one.inside)


def test_a_flow_that_nobody_could_read_is_a_table_alone() -> None:
    nodes = tuple(Node(id=f"n{at}", type="code", title=f"Step {at}") for at in range(MAX_STEPS + 1))
    page = app_pages([of_app(App(name="made", source="-", nodes=nodes))], DocsOptions())
    assert "<svg" not in page["made.html"] and "mermaid" not in page["made.md"]
    assert "Step 300" in page["made.md"]


# Other people's definitions


@pytest.mark.slow
@pytest.mark.skipif(not CORPUS.is_dir(), reason="the exports of others are not here")
def test_pages_of_every_export_of_others() -> None:
    made = 0
    for path in sorted(CORPUS.rglob("*.yml")):
        config = read_config(sources=(str(path),))
        found, _ = load_definitions(config, ())
        for each in found:
            language = LANGUAGES[made % 2]
            files = app_pages([named_definition(each, config.options)], DocsOptions(language=language))  # type: ignore[arg-type]
            tree = parsed(next(page for name, page in files.items() if name.endswith(".html")))
            ids = [each.get("id") for each in tree.iter() if each.get("id")]
            assert len(ids) == len(set(ids)), path
            made += 1
    assert made > 50


def test_a_page_renders_from_records_alone() -> None:
    page = Page("p", "en", "T", (), (), (), "Contents")
    assert render_markdown(page) == "# T\n"
