"""Pages about apps for people: one for each app and one that lists them, in Markdown and in HTML.

page            the model of a page, and its fixed words in all languages
subject         what sections are about, and calls to be copied
contract, calls, reference
                the sections, in the order of a page
flow            the drawing of a graph
markdown, html  how a page is printed
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from difygen import __version__
from difygen.codegen.describe import paragraphs
from difygen.config import DocsFormat, DocsOptions
from difygen.documents.facts import NamedDefinition
from difygen.documents.openapi import contract_hash
from difygen.documents.pages.calls import afterwards, forms, request, response
from difygen.documents.pages.contract import address, inputs, key, result
from difygen.documents.pages.html import render_html
from difygen.documents.pages.markdown import render_markdown
from difygen.documents.pages.page import Fact, LinkSpan, Page, PageSection, TableBlock, TableRow, Words, code, foreign
from difygen.documents.pages.reference import reference
from difygen.documents.pages.subject import Subject, subject_of
from difygen.record import replace
from difygen.wording import one_line

_DOORS: Mapping[DocsFormat, tuple[Callable[[Page], str], str, str]] = {
    "markdown": (render_markdown, ".md", "README"),
    "html": (render_html, ".html", "index"),
}
"""How each format renders a page, how its files end, and what the file that lists the others is called."""


def app_pages(apps: Sequence[NamedDefinition], wanted: DocsOptions) -> dict[str, str]:
    """Return the pages of apps, by their paths."""
    files = {}
    for app in apps:
        page = page_of(subject_of(app, wanted))
        for format_ in wanted.formats:
            render, ending, _ = _DOORS[format_]
            files[f"{page.path}{ending}"] = render(page)
    return files


def index_pages(apps: Sequence[NamedDefinition], wanted: DocsOptions) -> dict[str, str]:
    """Return the pages that list all apps, by their paths."""
    files = {}
    for format_ in wanted.formats:
        render, ending, name = _DOORS[format_]
        files[f"{name}{ending}"] = render(replace(_index(apps, wanted, ending), path=name))
    return files


def page_name(name: str) -> str:
    """Return what the files of an app are called, without their endings; none is called as a list of all is.

    Names of apps differ in more than underscores.
    """
    return f"{name}_" if name.casefold() in ("readme", "index") else name


def page_of(subject: Subject) -> Page:
    """Return the page of an app: all that is said about it, in the order in which it is said."""
    words, app = subject.words, subject.app
    about = [foreign(each) for each in paragraphs(app.description) if each]
    return Page(
        path=page_name(subject.name),
        language=words.language,
        title=one_line(app.title) or one_line(app.name),
        lead=tuple(about),
        facts=_facts(subject),
        sections=(
            address(subject),
            key(subject),
            inputs(subject),
            result(subject),
            request(subject),
            response(subject),
            *([asked] if (asked := forms(subject)) is not None else []),
            afterwards(subject),
            *reference(subject),
        ),
        contents=words.text("page.contents"),
        home=words.text("page.home"),
    )


def _facts(subject: Subject) -> tuple[Fact, ...]:
    words, app = subject.words, subject.app
    kind = foreign(words.text(f"kinds.{app.kind.name}"))
    facts = [
        Fact(words.text("facts.name"), code(app.name)),
        Fact(words.text("facts.kind"), words.prose("facts.mode", kind=kind, mode=code(app.mode))),
    ]
    if subject.definition.dsl_version:
        facts.append(Fact(words.text("facts.dsl"), foreign(subject.definition.dsl_version)))
    return (
        *facts,
        Fact(words.text("facts.contract"), code(contract_hash(app))),
        Fact(words.text("facts.generator"), foreign(f"difygen {__version__}")),
    )


def _index(apps: Sequence[NamedDefinition], wanted: DocsOptions, ending: str) -> Page:
    words = Words(wanted.language)
    rows = []
    for named in apps:
        app, path = named.definition.workflow, page_name(named.name)
        title = one_line(app.title) or one_line(app.name)
        about = next((foreign(each) for each in paragraphs(app.description)), words.prose("page.no_purpose"))
        kind = words.prose(f"kinds.{app.kind.name}")
        rows.append(
            TableRow(
                f"app-{path}", ((LinkSpan(title, f"{path}{ending}"),), kind, about, code(named.names.key_variable))
            )
        )
    heads = ("page.app", "facts.kind", "page.purpose", "facts.key")
    table = TableBlock("apps-table", tuple(map(words.text, heads)), tuple(rows))
    return Page(
        path="",
        language=wanted.language,
        title=words.text("page.index"),
        lead=(words.prose("page.index_lead"),),
        facts=(Fact(words.text("base.title"), code(wanted.base_url.rstrip("/"))),),
        sections=(PageSection("apps", words.text("page.apps"), (table,)),),
        contents=words.text("page.contents"),
    )
