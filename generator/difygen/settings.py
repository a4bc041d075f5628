"""A file of settings, `difygen.toml` or `[tool.difygen]` in pyproject.toml, and its mistakes with their places.

Relative paths in it start at its folder. Knows nothing of command lines and of definitions.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Mapping
from keyword import iskeyword
from typing import Any, get_args

from difygen.config import (
    DocsFormat,
    DocsLanguage,
    DocsOptions,
    DocumentOptions,
    Emit,
    OpenApiFormat,
    OpenApiOptions,
    OpenApiVersion,
    Options,
    PullSettings,
    Selection,
    Settings,
    ToolForm,
    ToolsOptions,
)
from difygen.diagnostics import Cursor, Diagnostic, Diagnostics, Location, Path, has_errors
from difygen.files import read_file
from difygen.model import APP_KINDS, APP_MODES, JsonValue
from difygen.naming import explicit_name_problem
from difygen.types import ARRAY_WORDS, SIMPLE_WORDS, type_of_word
from difygen.wording import shown

OWN_FILE = "difygen.toml"
PROJECT_FILE = "pyproject.toml"

KEYS = (
    "sources",
    "output",
    "docs",
    "openapi",
    "tools",
    "line_length",
    "emit",
    "templates",
    "runtime",
    "pull",
    "workflows",
)
WORKFLOW_KEYS = ("source", "name", "rename", "outputs", "nodes", "env")
LINE_LENGTHS = range(72, 321)
"""Below, lines that fit nowhere are too many: formatters part them each in its own way, and none could be pleased."""

_DEFAULTS = Options()

PULL_KEYS = ("server", "workspace", "apps", "tags", "modes", "folder", "draft", "keys")
PULL_FOLDER = "exports"
"""Where definitions go if nothing is said."""

_FOREIGN_KEYS = {"source": "sources", "out": "output", "line-length": "line_length", "workflow": "workflows"}


def load_settings(folder: str = ".", file: str | None = None) -> Settings | tuple[Diagnostic, ...] | None:
    """Return the settings of the project in `folder`, or those in `file`.

    None if there are none, diagnostics if they are wrong.
    """
    if file is not None:
        return _load(file, _table_of(file))
    prefix = "" if folder in ("", ".") else folder
    own, project = os.path.join(prefix, OWN_FILE), os.path.join(prefix, PROJECT_FILE)
    found = _load(own, ()) if os.path.lexists(own) else None
    other = _load(project, _table_of(project), optional=True) if os.path.lexists(project) else None
    if isinstance(found, Settings) and isinstance(other, Settings) and other.source_file is not None:
        message = f"There are settings in {OWN_FILE}, too, and only one file may have some."
        place = other.source_file.locate(key=True)
        return (Diagnostic("error", "two-configs", message, place, "Move them into one of the files."),)
    return found if found is not None else other


def _table_of(file: str) -> Path:
    return ("tool", "difygen") if os.path.basename(file) == PROJECT_FILE else ()


def _load(file: str, table: Path, *, optional: bool = False) -> Settings | tuple[Diagnostic, ...] | None:
    try:
        data = read_file(file)
    except OSError as error:
        return (Diagnostic("error", "unreadable", f"It cannot be read: {error.strerror}.", Location(file)),)
    if optional and b"difygen" not in data:
        return None  # without the cost of a TOML parser
    parsed = parse_toml(data, file)
    if isinstance(parsed, Diagnostic):
        return None if optional and b"tool.difygen" not in data else (parsed,)
    root, text = parsed
    for key in table:
        root = root.get(str(key)) if isinstance(root, dict) else None
    if root is None:
        message = "It has no table [tool.difygen]."
        return None if optional else (Diagnostic("error", "no-settings", message, Location(file)),)
    return _check(TomlFile(file, text, table, root))


def _check(file: TomlFile) -> Settings | tuple[Diagnostic, ...]:
    report = Diagnostics(file)
    root = Cursor(file.root, (), report, "[tool.difygen]")
    folder = os.path.dirname(file.file) or "."
    if not isinstance(root.value, dict):
        root.expect("a table")
    root.only(KEYS, "difygen's settings", _FOREIGN_KEYS)
    workflows = _Workflows(folder)
    tables = root.get("workflows")
    for key, table in tables.members() if tables is not None and _is_table(tables) else ():
        workflows.add(key, table)
    settings = Settings(
        file=file.file,
        folder=folder,
        sources=_texts(root.get("sources")),
        output=_path(root.get("output")),
        options=Options(
            names=workflows.names,
            rename=workflows.rename,
            outputs=workflows.outputs,
            nodes=workflows.nodes,
            env=workflows.env,
            line_length=_line_length(root.get("line_length")),
            emit=_word(emit, get_args(Emit), _DEFAULTS.emit) if (emit := root.get("emit")) else _DEFAULTS.emit,
            templates=_templates(root.get("templates"), folder),
            runtime=_package(root.get("runtime")),
        ),
        documents=_documents(root, folder),
        workflows=workflows.paths,
        pull=_pull(root.get("pull")),
        source_file=file,
    )
    found = report.in_order()
    return found if has_errors(found) else settings


class _Workflows:
    """The tables of single workflows, put together as `Options` has them."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self.names: dict[str, str] = {}
        self.rename: dict[str, Mapping[str, str]] = {}
        self.outputs: dict[str, Mapping[str, str]] = {}
        self.nodes: dict[str, Mapping[str, str]] = {}
        self.env: dict[str, str] = {}
        self.paths: dict[str, Path] = {}

    def add(self, key: str, table: Cursor) -> None:
        if not _is_table(table):
            return
        table.only(WORKFLOW_KEYS, "an app's settings")
        name = self._name(key, table)
        if name in self.paths:
            table.error("repeated-name", f"Two tables are about the app `{shown(name)}`.")
        self.paths[name] = table.path
        for setting, chosen, check in (
            ("rename", self.rename, _check_name),
            ("outputs", self.outputs, _check_word),
            ("nodes", self.nodes, _check_constant),
        ):
            if (member := table.get(setting)) is not None and _is_table(member):
                chosen[name] = {wire: value.text() for wire, value in member.members() if check(value)}
        if (variable := table.get("env")) is not None:
            env = self.env[name] = variable.text()
            if isinstance(variable.value, str) and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", env):
                variable.error("bad-env", f"`{shown(env)}` cannot be the name of an environment variable.")

    def _name(self, key: str, table: Cursor) -> str:
        """Return the name of the workflow in Python, if its source is given; else that of the table."""
        source, name = table.get("source"), table.get("name")
        if source is None:
            if name is not None:
                hint = "Add the `source` that the name is for, a path from this file."
                name.error("missing-key", "A `name` needs a `source`.", hint)
            return key
        if name is None:
            name = Cursor(key, table.path, table.report, "The name of the table")
        path = _path(source) or ""
        if path and not os.path.isfile(os.path.join(self._folder, path)):
            source.error(
                "no-such-source", f"There is no file `{shown(path)}`.", "Paths start at the folder of this file."
            )
        if path in self.names:
            source.error("repeated-value", f"`{shown(path)}` has two names.", "Remove one of them.")
        if not _check_name(name):
            return key
        self.names[path] = name.text()
        return name.text()


def _is_table(cursor: Cursor) -> bool:
    if not isinstance(cursor.value, dict):
        cursor.expect("a table")
        return False
    return True


def _path(cursor: Cursor | None) -> str | None:
    if cursor is not None and cursor.value == "":
        cursor.expect("a path")
    return cursor.text() or None if cursor is not None else None


def _texts(cursor: Cursor | None) -> tuple[str, ...]:
    return cursor.texts() if cursor is not None else ()


def _line_length(cursor: Cursor | None) -> int:
    if cursor is None:
        return _DEFAULTS.line_length
    if not isinstance(cursor.value, int) or isinstance(cursor.value, bool) or cursor.value not in LINE_LENGTHS:
        cursor.expect(f"a number from {LINE_LENGTHS[0]} to {LINE_LENGTHS[-1]}")
        return _DEFAULTS.line_length
    return cursor.value


def _word(cursor: Cursor, known: Collection[str], usual: Any = "") -> Any:
    if (word := cursor.text()) and word not in known:
        cursor.error(
            "unknown-value", f"`{shown(word)}` is no value for {cursor.name}.", cursor.report.suggestion(word, known)
        )
    return word if word in known else usual


def _templates(cursor: Cursor | None, folder: str) -> str | None:
    path = _path(cursor)
    if cursor is None or path is None:
        return None
    if not os.path.isdir(os.path.join(folder, path)):
        cursor.error(
            "no-such-folder", f"There is no folder `{shown(path)}`.", "Paths start at the folder of this file."
        )
    return os.path.join(folder, path)


def _package(cursor: Cursor | None) -> str | None:
    """Check that a setting is the name of a package as in an import statement."""
    name = cursor.text() if cursor is not None else ""
    if cursor is not None and not all(word.isidentifier() and not iskeyword(word) for word in name.split(".")):
        hint = "Write it as in an import statement, such as `our.dify_runtime`."
        cursor.error("bad-name", f"`{shown(name)}` is not the name of a package.", hint)
    return name or None


# Documents


def _words(cursor: Cursor, known: Collection[str]) -> tuple[str, ...]:
    return (_word(cursor, known),) if isinstance(cursor.value, str) else cursor.words(known)


def _url(cursor: Cursor) -> str:
    """Return the address of a server's API as generated clients understand it. Documents are for everybody to read."""
    from difygen.servers import AddressProblem, parse_address

    text = cursor.text()
    try:
        return parse_address(text).url if isinstance(cursor.value, str) else text
    except AddressProblem as problem:
        cursor.error("bad-url", f"{cursor.name}: {problem.message}", problem.fix)
    return text


_Reader = Callable[[Cursor], object]
DOCUMENTS: Mapping[str, tuple[type[DocumentOptions], Mapping[str, tuple[str, _Reader]]]] = {
    "docs": (
        DocsOptions,
        {
            "language": ("language", lambda cursor: _word(cursor, get_args(DocsLanguage))),
            "formats": ("formats", lambda cursor: _words(cursor, get_args(DocsFormat))),
            "base_url": ("base_url", _url),
        },
    ),
    "openapi": (
        OpenApiOptions,
        {
            "version": ("version", lambda cursor: _word(cursor, get_args(OpenApiVersion))),
            "format": ("format", lambda cursor: _word(cursor, get_args(OpenApiFormat))),
            "base_url": ("base_url", _url),
        },
    ),
    "tools": (
        ToolsOptions,
        {
            "for": ("forms", lambda cursor: _words(cursor, get_args(ToolForm))),
            "strict": ("strict", lambda cursor: cursor.flag(False)),
        },
    ),
}
"""The targets beside the code, by their keys: their record, and for each key in their table its member and check."""


def _documents(root: Cursor, folder: str) -> dict[str, DocumentOptions]:
    """Return what is said of documents: the folder alone, or a table with it and more."""
    found = {}
    for name, (record, keys) in DOCUMENTS.items():
        table = root.get(name)
        if table is None:
            continue
        if not isinstance(table.value, str | dict):
            table.expect("a folder, or a table with it as `output`")
            continue
        table.only(("output", *keys), f"the settings of `{name}`", {"for_": "for", "url": "base_url", "out": "output"})
        output = table if isinstance(table.value, str) else table.get("output")
        if output is None:
            table.error(
                "missing-key", f"`{name}` does not say where to.", "Add `output`, a folder from this file.", key=True
            )
        else:
            _check_folder(output, root, folder)
        read: dict[str, Any] = {
            member: check(value) for key, (member, check) in keys.items() if (value := table.get(key)) is not None
        }
        found[name] = record(output=_path(output) or name, **read)
    return found


def _check_folder(output: Cursor, root: Cursor, folder: str) -> None:
    """Check that documents have a folder to go to, and one that is not the package's own."""
    path = os.path.normpath(_path(output) or ".")
    package = root.value.get("output") if isinstance(root.value, dict) else None
    if os.path.splitext(path)[1] in (".yaml", ".yml", ".json", ".md", ".html"):
        output.error(
            "bad-path", f"`{shown(path)}` is called like a file: documents go to a folder, a file for each app."
        )
    elif isinstance(package, str):
        real, own = (os.path.realpath(os.path.join(folder, one)) for one in (path, package))
        if real in (own, os.path.join(own, "_runtime")):
            hint = "Choose a folder of its own, beside the package or in it."
            output.error("bad-path", f"`{shown(path)}` is the package's own folder.", hint)


def _check_name(cursor: Cursor) -> bool:
    name = cursor.text()
    problem = explicit_name_problem(name) if isinstance(cursor.value, str) else ""
    if problem:
        cursor.error("bad-name", f"`{shown(name)}` {problem}.", "Choose a lower-case name such as `my_name`.")
    return isinstance(cursor.value, str) and not problem


def _check_constant(cursor: Cursor) -> bool:
    name = cursor.text()
    problem = explicit_name_problem(name) if isinstance(cursor.value, str) else ""
    if not problem and name != name.upper():
        problem = "is not in upper case"
    if problem:
        cursor.error("bad-name", f"`{shown(name)}` {problem}.", "Choose an upper-case name such as `MY_NODE`.")
    return isinstance(cursor.value, str) and not problem


def _check_word(cursor: Cursor) -> bool:
    word = cursor.text()
    is_known = not isinstance(cursor.value, str) or type_of_word(word) is not None
    if not is_known:
        hint = cursor.report.suggestion(word, (*SIMPLE_WORDS, *ARRAY_WORDS))
        cursor.error("unknown-type", f"`{shown(word)}` is not a type.", hint)
    return isinstance(cursor.value, str) and is_known


# The table `pull`


def mode_words() -> tuple[str, ...]:
    """Return the words for kinds of app: difygen's own, and those of Dify that differ."""
    return tuple(dict.fromkeys([*(kind.name for kind in APP_KINDS.values()), *APP_MODES]))


def _pull(table: Cursor | None) -> PullSettings:
    """Return what is said of fetching definitions."""
    if table is None or not _is_table(table):
        return PullSettings()
    foreign = {"output": "folder", "app": "apps", "tag": "tags", "mode": "modes", "url": "server"}
    table.only(PULL_KEYS, "the settings of difygen pull", foreign)
    modes = table.get("modes")
    for mode in modes if modes is not None else ():
        if isinstance(mode.value, str) and mode.value not in mode_words():
            hint = mode.report.suggestion(mode.value, mode_words())
            mode.error("unknown-value", f"`{shown(mode.value)}` is no kind of app.", hint)
    apps, tags, modes_, keys = (_texts(table.get(key)) for key in ("apps", "tags", "modes", "keys"))
    return PullSettings(
        server=table.text_of("server") or None,
        workspace=table.text_of("workspace") or None,
        selection=Selection(apps=apps, tags=tags, modes=modes_),
        folder=table.text_of("folder") or None,
        draft=table.flag_of("draft"),
        keys=keys,
    )


# TOML, and where things stand in it


# Compiled where it is used: most files have nothing wrong with them.
_TOKEN = (
    r'#[^\n]*|"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'|[][{}=,.\n]|[^][\s{}=,.#"\']+'
)


class TomlFile:
    """A file that was read. `root` is the value of its table at `table`; `locate` starts there, too."""

    def __init__(self, file: str, text: str, table: Path, root: JsonValue) -> None:
        self.file = file
        self.root = root
        self._text = text
        self._table = table
        self._positions: Mapping[Path, int] | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TomlFile) and (self.file, self._text) == (other.file, other._text)

    def __hash__(self) -> int:
        return hash((self.file, self._text))

    def locate(self, *path: str | int, key: bool = True) -> Location:
        """Return where the key at `path` stands, or the nearest one around it."""
        from difygen.parser.source_map import location  # for messages only, as it brings the YAML parser

        if self._positions is None:
            self._positions = key_positions(self._text)
        path = (*self._table, *path)
        while path and path not in self._positions:
            path = path[:-1]
        return location(self._text, self.file, self._positions.get(path, 0))

    def written(self, *path: str | int) -> str | None:
        """Return nothing: TOML has one way to write a value."""
        return None


def parse_toml(data: bytes, file: str) -> tuple[JsonValue, str] | Diagnostic:
    import tomllib  # only where there are settings

    try:
        text = data.decode().replace("\r\n", "\n").removeprefix("\ufeff")
        return _plain(tomllib.loads(text)), text
    except UnicodeDecodeError as error:
        message = f"The byte 0x{data[error.start]:02x} is not UTF-8."
        return Diagnostic("error", "not-utf-8", message, Location(file, data.count(b"\n", 0, error.start) + 1, 1))
    except tomllib.TOMLDecodeError as error:
        found = re.search(r" \(at line (\d+), column (\d+)\)$", str(error))
        end = (text.count("\n") + 1, len(text) - text.rfind("\n"))
        line, column = map(int, found.groups()) if found else end
        said = str(error)[: found.start()] if found else str(error).removesuffix(" (at end of document)")
        message = f"This is not TOML: {said[:1].lower()}{said[1:]}."
        return Diagnostic("error", "toml-syntax", message, Location(file, line, column))
    except (ValueError, RecursionError):
        return Diagnostic("error", "toml-syntax", "This is not TOML that can be read.", Location(file))


def _plain(value: object) -> JsonValue:
    """Return a value of TOML in JSON's types: dates and times, which no setting takes, as text."""
    if isinstance(value, dict):
        return {key: _plain(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int | float) else str(value)


def key_positions(text: str) -> dict[Path, int]:
    """Return the index at which each key of a TOML text starts, and each item of a list, by path.

    `tomllib` does not give them. Lists of tables (`[[…]]`) count as one table.
    """
    import tomllib  # which has parsed the text before

    found: dict[Path, int] = {}
    table: Path = ()
    path: Path = ()
    opened: list[tuple[Path, int | None]] = []  # lists that are around, with the number of an item; inline tables
    in_key = True
    for match in re.finditer(_TOKEN, text, re.DOTALL):
        token = match.group()
        if token[0] == "#" or (token == "\n" and opened) or (token == "." and in_key):
            continue
        if token == "\n":
            path, in_key = table, True
        elif token == "=":
            in_key = False
        elif token == "," and opened[-1][1] is None:
            path, in_key = opened[-1][0], True
        elif token == ",":
            opened[-1] = opened[-1][0], (opened[-1][1] or 0) + 1
        elif token in "]}" and opened:
            opened.pop()
            in_key = False
        elif in_key and token in "[]":  # around a header
            table, path = path, () if token == "[" else path
        elif in_key:
            path = (*path, tomllib.loads(f"key = {token}")["key"] if token[0] in "\"'" else token)
            found.setdefault(path, match.start())
        else:  # a value
            around, number = opened[-1] if opened else (path, None)
            here = path if number is None else (*around, number)
            found.setdefault(here, match.start())
            if token in "[{":
                opened.append((here, 0 if token == "[" else None))
                path, in_key = here, token == "{"
    return found
