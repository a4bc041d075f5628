"""The pages of docs/ beside the README: the specs they show are specs, and what they point to is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from difygen.parser import read
from difygen.settings import DOCUMENTS, KEYS, WORKFLOW_KEYS
from support import ROOT

PAGES = [
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "templates" / "README.md",
]


def test_the_specs_of_the_page_are_specs() -> None:
    shown = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "spec.md").read_text("utf-8"), re.DOTALL)
    assert len(shown) == 4
    for number, text in enumerate(shown):
        reading = read(text.encode(), f"example {number}")
        assert reading.diagnostics == ()
        assert reading.workflow is not None


def test_the_page_of_settings_has_every_key_and_every_variable() -> None:
    """And its example is one that uses nearly all of them."""
    page = (ROOT / "docs" / "settings.md").read_text("utf-8")
    project, _, apps = page.partition("in `[workflows.NAME]`:")
    rows = re.compile(r"^\| `(\w+)` \|", re.MULTILINE)
    assert rows.findall(project) == list(KEYS)
    apps, _, documents = apps.partition("## Documents")
    assert rows.findall(apps) == list(WORKFLOW_KEYS)
    told = {
        (target, key)
        for key, of in re.findall(r"^\| `(\w+)` \| (`.*?`) \|", documents, re.MULTILINE)
        for target in re.findall(r"`(\w+)`", of)
    }
    assert told == {(target, key) for target, (_, keys) in DOCUMENTS.items() for key in keys}
    runtime = "\n".join(path.read_text("utf-8") for path in sorted((ROOT / "templates" / "runtime").rglob("*.py")))
    assert {name for name in re.findall(r'"(DIFY_[A-Z_]+)"', runtime) if f"`{name}`" not in page} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_paths_lead_somewhere(page: Path) -> None:
    text = page.read_text("utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", text) if "://" not in link]
    paths = re.findall(r"`((?:benchmarks|docs|examples|generator|scripts|specs|templates|tests)/[\w./-]*\w/?)`", text)
    missing = [link for link in links if not (page.parent / link).exists()]
    missing += [path for path in paths if not (ROOT / path).exists()]
    assert not missing
