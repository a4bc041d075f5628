"""`difygen docs`: one page for each app, in Markdown and HTML, whose calls run as they stand."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from difygen.config import read_config
from difygen.definitions.reading import load_definitions
from difygen.documents.apps import NamedDefinition, named_definition
from difygen.documents.pages import app_pages, index_pages
from difygen.documents.pages.reference import ERRORS, STATUSES
from difygen.documents.pages.words import LANGUAGES, catalogue
from difygen.documents.protocol import EVENTS, error_classes, final_statuses
from difygen.options import DocsOptions

from tests.support import ROOT

SPECS = sorted([*(ROOT / "specs").glob("*.yaml"), *(ROOT / "specs").glob("*.yml")])


def loaded(*paths: Path) -> list[NamedDefinition]:
    """Return the apps of definitions as documents tell of them."""
    config = read_config(sources=tuple(map(str, paths)))
    found, problems = load_definitions(config, ())
    assert found, problems
    return [named_definition(each, config.options) for each in found]


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
    assert len(found) > 200
    assert [key for key, value in found.items() if sorted(value) != sorted(LANGUAGES)] == []


def test_texts_have_the_same_holes_code_and_links_in_every_language() -> None:

    marks = re.compile(r"\{\w+\}|`[^`]+`|\(#[\w-]+\)")
    for key, value in texts(catalogue()).items():
        english, chinese = (sorted(marks.findall(value[language])) for language in LANGUAGES)
        assert set(chinese) <= set(english) and set(english) <= set(chinese), key


def test_the_pages_know_every_event_error_and_status_that_the_runtime_knows() -> None:
    about = catalogue()["events"]["about"]
    assert {name for names in EVENTS.values() for name in names} == set(about)
    classes = error_classes()
    assert set(classes.by_code) <= {row.code for row in ERRORS}
    assert {str(status) for status in classes.by_status} <= {row.status for row in ERRORS}
    assert {row.key for row in ERRORS} == set(catalogue()["errors"]["about"]) == set(catalogue()["errors"]["do_about"])
    assert {*final_statuses(), "running"} == set(STATUSES) == set(catalogue()["statuses"]["about"])


# Pages


@pytest.mark.parametrize("language", LANGUAGES)
def test_pages_are_the_same_bytes_for_the_same_definitions(language: Any) -> None:
    wanted = DocsOptions(language=language)
    first = app_pages(loaded(*SPECS), wanted) | index_pages(loaded(*SPECS), wanted)
    again = app_pages(loaded(*SPECS), wanted) | index_pages(loaded(*SPECS), wanted)
    assert first == again
    assert {"concat.md", "concat.html", "README.md", "index.html"} <= set(first)
