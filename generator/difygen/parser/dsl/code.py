"""What the Python of a code node never gives as None, found by reading its syntax tree. It is parsed, and never run.

Dify accepts None for every output of a code node, so without this all of them would be optional. What is not plainly
a value (a call of somebody's function, a look into an argument) counts as possibly None. First come the bindings of
the names of `main`, and whether anything could change their lists in place; then how sure its results are.
"""

from __future__ import annotations

import _ast
import warnings
from collections.abc import Iterable, Iterator
from functools import lru_cache

MAX_LENGTH = 40_000
_PARSE_ONLY = 0x400  # ast.PyCF_ONLY_AST, without the import of ast

_SCOPES = _ast.FunctionDef | _ast.AsyncFunctionDef | _ast.Lambda
_UNFIT = frozenset((_ast.ClassDef, _ast.Yield, _ast.YieldFrom, _ast.Global, _ast.Nonlocal, _ast.Await))
"""Where one of these occurs, a name or a method may be anything."""

_WITHOUT_NAMES = frozenset(("ctx", "op", "ops", "kind", "type_comment", "annotation", "returns"))
"""The fields of syntax nodes in which no name is bound or used."""

_BINDING = frozenset(
    (
        _ast.Name,
        _ast.arg,
        _ast.Import,
        _ast.ImportFrom,
        _ast.FunctionDef,
        _ast.AsyncFunctionDef,
        _ast.ExceptHandler,
        _ast.MatchAs,
        _ast.MatchStar,
        _ast.MatchMapping,
    )
)
_LOOKING = frozenset(("index", "count", "copy"))
_READER_WORDS = "len str sum any all sorted list tuple set enumerate range print repr isinstance bool"
_READERS = frozenset(_READER_WORDS.split())
MAYBE, VALUE, FULL, PLAIN = 0, 1, 2, 3
"""How sure: maybe None; a value, perhaps a list with None in it; a value, and no list with None in it; no list at
all.
"""
ANY_NAME = "**"
MAX_DEPTH = 60
MAX_ROUNDS = 20
_CALLS = "str int float bool len abs round repr sum any all isinstance ord chr hash dict"
_PLAIN_CALLS = frozenset(_CALLS.split())
_COPYING_CALLS = frozenset(("list", "tuple", "set", "sorted"))
_METHODS = """
    capitalize casefold center decode endswith expandtabs format hexdigest isalnum isalpha isdecimal isdigit islower
    isnumeric isoformat isspace isupper join ljust lower lstrip removeprefix removesuffix replace rjust rstrip
    startswith strftime strip swapcase title translate upper zfill
"""
_PLAIN_METHODS = frozenset(_METHODS.split())
_LIST_METHODS = frozenset(("split", "rsplit", "splitlines"))
_FUNCTIONS = {
    ("json", "dumps"): PLAIN,
    ("re", "sub"): PLAIN,
    ("re", "findall"): FULL,
    ("time", "time"): PLAIN,
    ("html", "escape"): PLAIN,
    ("html", "unescape"): PLAIN,
}


class Bindings:
    """`bound` holds the values assigned to each name of `main`, None for those of any other origin; `joined`
    what `+=` adds to them.

    `added` holds what is appended to each name. `touched` names occur where something might put a member into a
    list.
    """

    def __init__(self) -> None:
        self.returns: list[_ast.Return] = []
        self.bound: dict[str, list[_ast.expr | None]] = {}
        self.joined: dict[str, list[_ast.expr]] = {}
        self.added: dict[str, list[_ast.expr]] = {}
        self.uses: dict[str, int] = {}
        self.touched: set[str] = set()
        self.modules: set[str] = set()
        self.taken: set[str] = set()

    def assign(self, target: _ast.expr, value: _ast.expr | None) -> None:
        """Note an assignment, taking tuples apart where both sides are written out."""
        if isinstance(target, _ast.Name):
            self.bound.setdefault(target.id, []).append(value)
        elif isinstance(target, _ast.Starred):
            self.assign(target.value, None)
        elif isinstance(target, _ast.Tuple | _ast.List):
            parts = value.elts if isinstance(value, _ast.Tuple | _ast.List) else []
            paired = len(parts) == len(target.elts) and not any(isinstance(each, _ast.Starred) for each in parts)
            for number, each in enumerate(target.elts):
                self.assign(each, parts[number] if paired else None)


def bindings_of(code: str) -> Bindings | None:
    """Return the names of the one `main` function of a Python text; None where there is none, or none that can
    be judged.
    """
    tree = _parsed(code)
    if tree is None:
        return None
    mains = [each for each in tree.body if isinstance(each, _ast.FunctionDef) and each.name == "main"]
    if len(mains) != 1 or mains[0].decorator_list:
        return None
    names = Bindings()
    for node in _walked(tree.body):
        kind = node.__class__
        if kind in _UNFIT:
            return None
        if isinstance(node, _ast.Import):
            names.modules.update(each.name for each in node.names if each.asname is None)
            names.taken.update(each.asname for each in node.names if each.asname is not None)
        elif kind in _BINDING:
            names.taken.update(_other_names(node))
    if "main" in names.taken:
        return None
    _collect(mains[0], names)
    return names


def _parsed(code: str) -> _ast.Module | None:
    if len(code) > MAX_LENGTH:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what a text may be warned of at its first run is not our user's concern
            tree = compile(code, "<code>", "exec", _PARSE_ONLY)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return tree if isinstance(tree, _ast.Module) else None


def _children(node: _ast.AST) -> Iterator[tuple[str, _ast.AST]]:
    for name in node._fields:
        if name not in _WITHOUT_NAMES:
            value = getattr(node, name, None)
            if isinstance(value, _ast.AST):
                yield name, value
            elif isinstance(value, list):
                for each in value:
                    if isinstance(each, _ast.AST):
                        yield name, each


def _walked(nodes: Iterable[_ast.AST]) -> Iterator[_ast.AST]:
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(each for _, each in _children(node))


def _other_names(node: _ast.AST) -> Iterator[str]:
    """Return the names that a node binds by other means than `import x` and `def main`."""
    if isinstance(node, _ast.Name) and not isinstance(node.ctx, _ast.Load):
        yield node.id
    elif isinstance(node, _ast.arg):
        yield node.arg
    elif isinstance(node, _ast.Import | _ast.ImportFrom):
        yield from (each.asname or each.name for each in node.names)
    elif isinstance(node, _ast.FunctionDef | _ast.AsyncFunctionDef):
        if node.name != "main":
            yield node.name
    elif isinstance(node, _ast.ExceptHandler | _ast.MatchAs | _ast.MatchStar):
        if node.name:
            yield node.name
    elif isinstance(node, _ast.MatchMapping) and node.rest:
        yield node.rest


def _collect(main: _ast.FunctionDef, names: Bindings) -> None:
    """Go through all of `main`, functions within it included: their names count as its own, which only makes
    less certain.
    """
    for node in _walked([main.args]):
        names.bound.update((name, [None]) for name in _other_names(node))
    settled: set[int] = set()
    waiting: list[tuple[_ast.AST, bool]] = [(each, True) for each in main.body]
    while waiting:
        node, own = waiting.pop()
        if isinstance(node, _ast.Return) and own:
            names.returns.append(node)
            settled.add(id(node.value))
        _bind(node, names)
        if isinstance(node, _ast.Call):
            _note_added(node, names, settled)
        for role, child in _children(node):
            if isinstance(child, _ast.Name) and isinstance(child.ctx, _ast.Load):
                names.uses[child.id] = names.uses.get(child.id, 0) + 1
                if id(node) not in settled and not _only_looks(node, role, names):
                    names.touched.add(child.id)
            waiting.append((child, own and not isinstance(child, _SCOPES)))


def _bind(node: _ast.AST, names: Bindings) -> None:
    """Note what a node binds. Names within the targets are met again, and are done with."""
    if isinstance(node, _ast.Assign):
        for target in node.targets:
            names.assign(target, node.value)
    elif isinstance(node, _ast.AnnAssign | _ast.NamedExpr):
        if node.value is not None:
            names.assign(node.target, node.value)
    elif isinstance(node, _ast.AugAssign):
        if isinstance(node.target, _ast.Name):
            names.joined.setdefault(node.target.id, []).append(node.value)
    elif isinstance(node, _ast.For | _ast.AsyncFor | _ast.comprehension):
        names.assign(node.target, None)
    elif isinstance(node, _ast.withitem):
        if node.optional_vars is not None:
            names.assign(node.optional_vars, None)
    elif node.__class__ in _BINDING and not isinstance(node, _ast.Name):
        for name in _other_names(node):
            names.bound.setdefault(name, []).append(None)


def _note_added(call: _ast.Call, names: Bindings, settled: set[int]) -> None:
    """Note `name.append(value)`, which is the one way into a list that is followed."""
    method = call.func
    if isinstance(method, _ast.Attribute) and isinstance(method.value, _ast.Name):
        if method.attr in _LOOKING:
            settled.add(id(method))
        elif method.attr == "append" and len(call.args) == 1 and not isinstance(call.args[0], _ast.Starred):
            names.added.setdefault(method.value.id, []).append(call.args[0])
            settled.add(id(method))


def _only_looks(parent: _ast.AST, role: str, names: Bindings) -> bool:
    """Return whether a name that occurs below `parent` is safe there: the list it may stand for is not changed."""
    if isinstance(parent, _ast.Subscript):
        return role == "slice" or isinstance(parent.ctx, _ast.Load)
    if isinstance(parent, _ast.For | _ast.comprehension):
        return role in ("iter", "ifs")
    if isinstance(parent, _ast.If | _ast.While | _ast.IfExp):
        return role == "test"
    if isinstance(parent, _ast.Call):
        function = parent.func
        if isinstance(function, _ast.Name):
            return role != "func" and function.id in _READERS and function.id not in names.taken
        return role != "func" and isinstance(function, _ast.Attribute) and function.attr in ("join", "dumps")
    return isinstance(parent, _ast.Compare | _ast.BinOp | _ast.UnaryOp | _ast.FormattedValue)


@lru_cache(maxsize=32)
def sure_outputs(code: str) -> dict[str, int]:
    """Return how sure each output of the `main` function in a Python text is; that of all others as `ANY_NAME`.

    Empty if it cannot be judged.
    """
    names = bindings_of(code)
    if names is None:
        return {}
    reader = _Reader(names)
    if not reader.settle():
        return {}
    results = [_returned(each, names) for each in names.returns]
    if None in results:
        return {}
    levels = [reader.members(result) for result in results if result is not None]
    # A result that lacks a declared name makes the node fail, and so says nothing of that name; one with
    # `**others` may hold any.
    known = {ANY_NAME}.union(*levels)
    return {name: min((each.get(name, each.get(ANY_NAME, PLAIN)) for each in levels), default=PLAIN) for name in known}


def _returned(statement: _ast.Return, names: Bindings) -> _ast.Dict | None:
    """Return the mapping that is returned, if it is written out.

    A `main` that returns something else fails in Dify.
    """
    result = statement.value
    if isinstance(result, _ast.Name) and names.uses.get(result.id) == 1 and result.id not in names.joined:
        values = names.bound.get(result.id, [])
        result = values[0] if len(values) == 1 else None
    return result if isinstance(result, _ast.Dict) else None


class _Reader:
    """Judges expressions by what is known of the names in them."""

    def __init__(self, names: Bindings) -> None:
        self._names = names
        self._levels = {name: MAYBE if None in values else PLAIN for name, values in names.bound.items()}

    def settle(self) -> bool:
        """Judge the names by each other until nothing changes; whether that came to an end."""
        for _ in range(MAX_ROUNDS):
            before = dict(self._levels)
            for name, level in before.items():
                if level > MAYBE:
                    self._levels[name] = min(level, self._bound_level(name))
            if self._levels == before:
                return True
        return False

    def members(self, result: _ast.Dict) -> dict[str, int]:
        """Return the levels of a written-out mapping's members, by name; with `**others`, that of all other
        names as `ANY_NAME`.
        """
        found: dict[str, int] = {}
        for key, value in zip(result.keys, result.values, strict=True):
            if isinstance(key, _ast.Constant) and isinstance(key.value, str):
                found[key.value] = self.level(value, 0)
            else:
                found = {ANY_NAME: MAYBE}
        return found

    def _bound_level(self, name: str) -> int:
        names = self._names
        level = min(self.level(value, 0) for value in names.bound[name] if value is not None)
        for value in names.joined.get(name, ()):
            level = min(level, max(VALUE, self.level(value, 0)))
        if level == FULL and (
            name in names.touched or any(not self.level(each, 0) for each in names.added.get(name, ()))
        ):
            return VALUE
        return level

    def level(self, value: _ast.expr, depth: int) -> int:
        """Return how sure an expression is."""
        if depth > MAX_DEPTH:
            return MAYBE
        if isinstance(value, _ast.Constant):
            return MAYBE if value.value is None else PLAIN
        if isinstance(value, _ast.JoinedStr | _ast.Compare | _ast.UnaryOp | _ast.Dict | _ast.DictComp):
            return PLAIN
        if isinstance(value, _ast.Name):
            return self._levels.get(value.id, MAYBE)
        if isinstance(value, _ast.List | _ast.Tuple | _ast.Set):
            return FULL if all(self._fills(each, depth + 1) for each in value.elts) else VALUE
        if isinstance(value, _ast.ListComp | _ast.SetComp):
            return FULL if self.level(value.elt, depth + 1) or _is_tested(value) else VALUE
        return self._compound(value, depth + 1)

    def _compound(self, value: _ast.expr, depth: int) -> int:
        if isinstance(value, _ast.BinOp):  # none of JSON's values gives None; of those that give a list, both sides do
            left, right = self.level(value.left, depth), self.level(value.right, depth)
            if isinstance(value.op, _ast.Add):
                return PLAIN if PLAIN in (left, right) else max(VALUE, min(left, right))
            return max(VALUE, min(left, right)) if isinstance(value.op, _ast.Mult) else VALUE
        if isinstance(value, _ast.BoolOp):
            *first, last = [self.level(each, depth) for each in value.values]
            if isinstance(value.op, _ast.Or):  # all but the last are only taken if they are true
                first = [max(VALUE, each) for each in first]
            return min([*first, last])
        if isinstance(value, _ast.IfExp):
            return min(self.level(value.body, depth), self.level(value.orelse, depth))
        if isinstance(value, _ast.NamedExpr):
            return self.level(value.value, depth)
        if isinstance(value, _ast.Subscript) and isinstance(value.slice, _ast.Slice):
            return max(VALUE, self.level(value.value, depth))
        return self._called(value, depth) if isinstance(value, _ast.Call) else MAYBE

    def _called(self, call: _ast.Call, depth: int) -> int:
        function, taken = call.func, self._names.taken
        if isinstance(function, _ast.Name) and function.id not in taken:
            if function.id in _PLAIN_CALLS:
                return PLAIN
            if function.id in _COPYING_CALLS:
                return FULL if not call.args or self.level(call.args[0], depth) == FULL else VALUE
        if isinstance(function, _ast.Attribute):
            if isinstance(function.value, _ast.Name) and function.value.id in self._names.modules - taken:
                return _FUNCTIONS.get((function.value.id, function.attr), MAYBE)
            if function.attr in _PLAIN_METHODS:
                return PLAIN
            if function.attr in _LIST_METHODS:
                return FULL
        return MAYBE

    def _fills(self, element: _ast.expr, depth: int) -> bool:
        if isinstance(element, _ast.Starred):
            return self.level(element.value, depth) == FULL
        return self.level(element, depth) > MAYBE


def _is_tested(comprehension: _ast.ListComp | _ast.SetComp) -> bool:
    """Return whether members go in only after a test that None would not pass: `[x for x in lines if x.strip()]`."""
    member = comprehension.elt
    if not isinstance(member, _ast.Name):
        return False
    for generator in comprehension.generators:
        for test in generator.ifs:
            while isinstance(test, _ast.Call | _ast.Attribute):
                test = test.func if isinstance(test, _ast.Call) else test.value
            if isinstance(test, _ast.Name) and test.id == member.id:
                return True
    return False
