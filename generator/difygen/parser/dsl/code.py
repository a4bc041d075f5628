"""What the Python of a code node never gives as None, found by reading it. It is parsed, and never run.

Dify accepts None for every output of a code node, so without this all of them would be optional. What is not plainly a value (a call
of somebody's function, a look into an argument) counts as possibly None.
"""

from __future__ import annotations

import _ast
from functools import lru_cache

from difygen.parser.dsl.code_names import Names, names_of

MAYBE, VALUE, FULL, PLAIN = 0, 1, 2, 3
"""How sure: maybe None; a value, perhaps a list with None in it; a value, and no list with None in it; no list at all."""

ANY_NAME = "**"
MAX_DEPTH = 60
MAX_ROUNDS = 20

_CALLS = "str int float bool len abs round repr sum any all isinstance ord chr hash dict"
_PLAIN_CALLS = frozenset(_CALLS.split())
_COPYING_CALLS = frozenset(("list", "tuple", "set", "sorted"))
_METHODS = """
    capitalize casefold center decode endswith expandtabs format hexdigest isalnum isalpha isdecimal isdigit islower isnumeric
    isoformat isspace isupper join ljust lower lstrip removeprefix removesuffix replace rjust rstrip startswith strftime strip
    swapcase title translate upper zfill
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


@lru_cache(maxsize=32)
def sure_outputs(code: str) -> dict[str, int]:
    """How sure each output of the `main` function in a Python text is; that of all others as `ANY_NAME`. Empty if it cannot be judged."""
    names = names_of(code)
    if names is None:
        return {}
    reader = _Reader(names)
    if not reader.settle():
        return {}
    results = [_returned(each, names) for each in names.returns]
    if None in results:
        return {}
    levels = [reader.members(result) for result in results if result is not None]
    # A result that lacks a declared name makes the node fail, and so says nothing of that name; one with `**others` may hold any.
    known = {ANY_NAME}.union(*levels)
    return {name: min((each.get(name, each.get(ANY_NAME, PLAIN)) for each in levels), default=PLAIN) for name in known}


def _returned(statement: _ast.Return, names: Names) -> _ast.Dict | None:
    """The mapping that is returned, if it is written out. A `main` that returns something else fails in Dify."""
    result = statement.value
    if isinstance(result, _ast.Name) and names.uses.get(result.id) == 1 and result.id not in names.joined:
        values = names.bound.get(result.id, [])
        result = values[0] if len(values) == 1 else None
    return result if isinstance(result, _ast.Dict) else None


class _Reader:
    """Judges expressions by what is known of the names in them."""

    def __init__(self, names: Names) -> None:
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
        """The levels of a written-out mapping's members, by name; with `**others`, that of all other names as `ANY_NAME`."""
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
        """How sure an expression is."""
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
        if isinstance(value, _ast.BinOp):
            return _of_operation(value.op, self.level(value.left, depth), self.level(value.right, depth))
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


def _of_operation(operator: _ast.operator, left: int, right: int) -> int:
    """No operation of JSON's values gives None, and of those that give a list, both sides go into it."""
    if isinstance(operator, _ast.Mult):
        return max(VALUE, min(left, right))
    if isinstance(operator, _ast.Add):
        return PLAIN if PLAIN in (left, right) else max(VALUE, min(left, right))
    return VALUE


def _is_tested(comprehension: _ast.ListComp | _ast.SetComp) -> bool:
    """Whether members go in only after a test that None would not pass: `[x for x in lines if x.strip()]`."""
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
