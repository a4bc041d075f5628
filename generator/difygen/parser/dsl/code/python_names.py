"""Python's syntax trees and names: what stands where, what Python's own functions give, what tests say of names."""

from __future__ import annotations

import _ast
import builtins
import warnings
from collections.abc import Iterator, Sequence
from functools import partial

from difygen.parser.dsl.code.machine import Machine, UnfitError
from difygen.parser.dsl.code.values import (
    A_NUMBER,
    A_TEXT,
    DATA,
    FOREIGN,
    MODULE,
    NOTHING,
    NULL,
    TEXT,
    UNCERTAIN,
    Abstract,
    Function,
    any_of,
    put,
    put_anywhere,
)

_PARSE_ONLY = 0x400  # ast.PyCF_ONLY_AST, without the import of ast
SCOPES = (_ast.FunctionDef, _ast.AsyncFunctionDef, _ast.Lambda)
UNFIT = (_ast.ClassDef, _ast.TryStar)
"""Where one of these occurs, a method or an operator may do anything."""

_REACHES_ALL = "exec eval compile globals locals vars setattr delattr __import__ __builtins__ breakpoint"
UNFIT_NAMES = frozenset(_REACHES_ALL.split())
"""What can change anything without a word of it in the code."""
UNFIT_MODULES = ("sys.modules", "sys._getframe", "builtins", "ctypes", "gc", "inspect", "importlib", "unittest")
FIT_DUNDERS = frozenset(("__name__", "__doc__", "__version__", "__file__", "__class__"))
LATE_NAMES = ("b64decode", "inputs_obj", "output_obj", "output_json", "result")
"""What Dify binds beside the code, some of it before it calls `main`."""


def python_tree(code: str) -> _ast.Module | None:
    """Return the syntax tree of a Python text, or None if it has none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what a text may be warned of at its first run is not our user's concern
            tree = compile(code, "<code>", "exec", _PARSE_ONLY)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return tree if isinstance(tree, _ast.Module) else None


def constant(value: object) -> Abstract:
    """Return what a constant of the text is."""
    if value is None:
        return NULL
    return A_TEXT if isinstance(value, str) else A_NUMBER if isinstance(value, int | float) else Abstract(FOREIGN)


def is_harmless(name: _ast.expr) -> bool:
    """Check whether an attribute that is asked for by its name is written out and none that leads everywhere."""
    return isinstance(name, _ast.Constant) and isinstance(name.value, str) and name.value.strip("_") == name.value


def sometimes_hidden(tree: _ast.Module) -> set[str]:
    """Return the names of Python's own functions that the module may have replaced by the time that they are used."""
    always = {name for each in tree.body if not isinstance(each, _ast.If | _ast.Try) for name in bound_by(each)}
    always |= {
        each.id
        for node in tree.body
        if isinstance(node, _ast.Assign)
        for each in node.targets
        if isinstance(each, _ast.Name)
    }
    found: set[str] = set()
    waiting: list[_ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        found.update(bound_by(node))
        if not isinstance(node, SCOPES):
            waiting.extend(each for _, each in children(node) if not isinstance(each, _ast.comprehension))
    return {name for name in found - always if hasattr(builtins, name)}


def is_spread(call: _ast.Call) -> bool:
    return any(isinstance(each, _ast.Starred) for each in call.args) or any(each.arg is None for each in call.keywords)


def is_late(function: _ast.FunctionDef) -> bool:
    """Check whether a function is a generator, whose body runs at some other time."""
    waiting: list[_ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, _ast.Yield | _ast.YieldFrom):
            return True
        if not isinstance(node, SCOPES):
            waiting.extend(each for _, each in children(node))
    return False


def children(node: _ast.AST) -> Iterator[tuple[str, _ast.AST]]:
    for name in node._fields:
        if name not in ("ctx", "annotation", "returns"):
            value = getattr(node, name, None)
            if isinstance(value, _ast.AST):
                yield name, value
            elif isinstance(value, list):
                for each in value:
                    if isinstance(each, _ast.AST):
                        yield name, each


def traverse(node: _ast.AST) -> Iterator[_ast.AST]:
    waiting = [node]
    while waiting:
        each = waiting.pop()
        yield each
        waiting.extend(child for _, child in children(each))


def bound_by(node: _ast.AST) -> Iterator[str]:
    """Return the names that a node binds itself."""
    match node:
        case _ast.Name(id=name, ctx=_ast.Store() | _ast.Del()):
            yield name
        case _ast.arg(arg=name) | _ast.FunctionDef(name=name) | _ast.AsyncFunctionDef(name=name):
            yield name
        case _ast.Import(names=names):
            yield from (each.asname or each.name.partition(".")[0] for each in names)
        case _ast.ImportFrom(names=names):
            yield from (each.asname or each.name for each in names)
        case _ast.ExceptHandler(name=str(name)) | _ast.MatchAs(name=str(name)) | _ast.MatchStar(name=str(name)):
            yield name
        case _ast.MatchMapping(rest=str(name)):
            yield name


TEXT_CALLS = frozenset(("str", "repr", "chr", "ascii", "hex", "bin", "oct", "format"))
NUMBER_CALLS_WORDS = "int float bool len abs round any all isinstance issubclass ord hash callable hasattr id"
NUMBER_CALLS = frozenset(NUMBER_CALLS_WORDS.split())
LIST_CALLS = frozenset(("list", "tuple", "set", "frozenset", "sorted"))
GOING_CALLS = frozenset(("enumerate", "zip", "reversed", "map", "filter", "iter"))
TEXT_METHODS_WORDS = """
    capitalize casefold center decode expandtabs format format_map hexdigest isoformat join ljust lower lstrip
    removeprefix removesuffix replace rjust rstrip strftime strip swapcase title translate upper zfill
"""
TEXT_METHODS = frozenset(TEXT_METHODS_WORDS.split())
NUMBER_METHODS_WORDS = """
    count endswith find index isalnum isalpha isascii isdecimal isdigit isidentifier islower isnumeric isprintable
    isspace istitle isupper rfind rindex startswith
"""
NUMBER_METHODS = frozenset(NUMBER_METHODS_WORDS.split())
LIST_METHODS = frozenset(("split", "rsplit", "splitlines", "partition", "rpartition"))
OF_TEXTS_ONLY = frozenset(("replace", "join", "title", "center", "translate", "count", "find", "index", "format"))
"""What objects of libraries may have under the same name, giving something else, or nothing."""
LIST_CHANGES_WORDS = "append extend insert remove clear sort reverse add discard pop"
LIST_CHANGES = frozenset(LIST_CHANGES_WORDS.split())
FUNCTIONS: dict[str, Abstract] = {
    "json.dumps": A_TEXT,
    "re.sub": A_TEXT,
    "re.escape": A_TEXT,
    "re.compile()": Abstract(MODULE, path="re.compile()"),
    "re.compile().sub": A_TEXT,
    "html.escape": A_TEXT,
    "html.unescape": A_TEXT,
    "urllib.parse.quote": A_TEXT,
    "urllib.parse.unquote": A_TEXT,
    "urllib.parse.quote_plus": A_TEXT,
    "urllib.parse.urlencode": A_TEXT,
    "os.path.join": A_TEXT,
    "os.path.basename": A_TEXT,
    "time.strftime": A_TEXT,
    "textwrap.dedent": A_TEXT,
    "time.time": A_NUMBER,
    "math.floor": A_NUMBER,
    "math.ceil": A_NUMBER,
    "math.sqrt": A_NUMBER,
    "random.random": A_NUMBER,
    "random.randint": A_NUMBER,
}
LISTING_FUNCTIONS = frozenset(("re.findall", "re.split", "re.compile().findall", "re.compile().split"))
FINDING_FUNCTIONS = frozenset(
    f"{module}.{name}" for module in ("re", "re.compile()") for name in ("search", "match", "fullmatch")
)
KNOWN_PATHS = (*FUNCTIONS, *LISTING_FUNCTIONS, *FINDING_FUNCTIONS, "json.loads", "json_repair.repair_json")
TABLED = frozenset(word for path in KNOWN_PATHS for word in path.split("."))
"""Who assigns to an attribute of such a name may change what these functions do."""
OWN = "python:"
"""What the paths of Python's own functions begin with."""


class PythonNames(Machine):
    """What names are bound to, and what tests say of them."""

    def eval(self, node: _ast.expr) -> Abstract:
        """Return what an expression may be."""
        raise NotImplementedError

    def __init__(self, tree: _ast.Module) -> None:
        super().__init__()
        self._tree = tree
        self._nesting = 0
        self._fixed: frozenset[str] = frozenset()  # names that a test binds and uses: it says nothing of them
        self._within = 0  # comprehensions around this place
        self._scopes: dict[_ast.AST, tuple[frozenset[str], frozenset[str]]] = {}
        self._rebound: dict[_ast.expr, frozenset[str]] = {}
        shared = sometimes_hidden(tree)
        for node in traverse(tree):
            if isinstance(node, UNFIT):
                raise UnfitError
            if isinstance(node, _ast.Global | _ast.Nonlocal):
                shared.update(node.names)
            if isinstance(node, _ast.Attribute) and not isinstance(node.ctx, _ast.Load) and node.attr in TABLED:
                raise UnfitError
            if isinstance(node, _ast.ImportFrom) and any(each.name.startswith(("*", "__")) for each in node.names):
                raise UnfitError
        self.shared = frozenset(shared)

    def _of_module(self, path: str) -> Abstract:
        if path.startswith(UNFIT_MODULES):
            raise UnfitError
        return Abstract(MODULE, path=path)

    def _function(self, node: _ast.FunctionDef | _ast.AsyncFunctionDef | _ast.Lambda) -> Abstract:
        local, free = self._scope(node)
        function = Function(node, self.frame, local, free)
        value = Abstract(functions=frozenset((function,)))
        arguments = node.args
        ordinary = [*arguments.posonlyargs, *arguments.args]
        for argument, default in zip(reversed(ordinary), reversed(arguments.defaults), strict=False):
            function.defaults[argument.arg] = self.plain(self.eval(default))
        for argument, maybe in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
            if maybe is not None:
                function.defaults[argument.arg] = self.plain(self.eval(maybe))
        is_deferred = isinstance(node, _ast.AsyncFunctionDef) or (not isinstance(node, _ast.Lambda) and is_late(node))
        return self.plain(value) if is_deferred or self._within else value

    def _scope(self, node: _ast.AST) -> tuple[frozenset[str], frozenset[str]]:
        """Return the names that a function binds, and those that it uses beside them."""
        if node not in self._scopes:
            local: set[str] = set()
            used: set[str] = set()
            waiting: list[_ast.AST] = [each for _, each in children(node)]
            while waiting:
                each = waiting.pop()
                local.update(bound_by(each))
                if isinstance(each, _ast.Name):
                    used.add(each.id)
                if isinstance(each, SCOPES):
                    used |= self._scope(each)[1]
                elif isinstance(each, _ast.comprehension):  # its target is its own
                    waiting += [each.iter, *each.ifs]
                else:
                    waiting.extend(child for _, child in children(each))
            self._scopes[node] = frozenset(local - self.shared), frozenset(used - local)
        return self._scopes[node]

    def _assign(self, target: _ast.expr, value: Abstract) -> None:
        match target:
            case _ast.Name(id=name):
                self.bind(name, value)
            case _ast.Starred(value=inner):
                self._assign(inner, value)
            case _ast.Tuple(elts=targets) | _ast.List(elts=targets):
                self._unpack(target, targets, value)
            case _ast.Subscript(value=object_, slice=key):
                self._store(self.eval(object_), key, self.plain(value))
            case _ast.Attribute(value=object_):
                self.eval(object_)
                self.give_away(value)
            case _:
                raise UnfitError

    def _unpack(self, node: _ast.expr, targets: Sequence[_ast.expr], value: Abstract) -> None:
        any_member = self.elements(value)
        containers = self.containers(value)
        orders = [each.order for each in containers if each.order is not None]
        exact = len(orders) == len(value.sites) == len(containers) and not value.kinds
        for number, target in enumerate(targets):
            if isinstance(target, _ast.Starred):
                self._assign(target.value, self.make_list(target, any_member))
                exact = False
            elif exact and all(len(order) == len(targets) for order in orders):
                self._assign(target, any_of([order[number] for order in orders]))
            else:
                self._assign(target, any_member)

    def _store(self, object_: Abstract, key: _ast.expr, value: Abstract) -> None:
        if isinstance(key, _ast.Slice):
            inner = self.elements(value)
            self.eval(key)
            self.change(object_, partial(put_anywhere, value=inner, key=NOTHING), inner)
            return
        self.eval(key)
        self._put_at(object_, key, value)

    def _put_at(self, object_: Abstract, key: _ast.expr, value: Abstract) -> None:
        """Put a value at a key that has been evaluated."""
        if isinstance(key, _ast.Constant) and isinstance(key.value, str):
            self.change(object_, partial(put, name=key.value, value=value), value)
        else:
            self.change(object_, partial(put_anywhere, value=value, key=UNCERTAIN), value)

    def _assume(self, test: _ast.expr, truth: bool) -> None:
        """Take away what a test, which has been evaluated, rules out."""
        if test not in self._rebound:
            nodes = list(traverse(test))
            bound = {each.target.id for each in nodes if isinstance(each, _ast.NamedExpr)}
            names = [each.id for each in nodes if isinstance(each, _ast.Name)]
            self._rebound[test] = frozenset(name for name in bound if names.count(name) > 1)
        fixed, self._fixed = self._fixed, self._fixed | self._rebound[test]
        self._ruled_out(test, truth)
        self._fixed = fixed

    def _ruled_out(self, test: _ast.expr, truth: bool) -> None:
        match test:
            case _ast.Constant(value=value):
                if bool(value) is not truth:
                    self.leave()
            case _ast.Name() | _ast.NamedExpr():
                if truth:
                    self._is_there(test)
            case _ast.UnaryOp(op=_ast.Not(), operand=operand):
                self._assume(operand, not truth)
            case _ast.BoolOp(op=op, values=values):
                if isinstance(op, _ast.And) is truth:
                    for each in values:
                        self._assume(each, truth)
                else:  # one of them, in turn
                    before, after = self.state(), None
                    for each in values:
                        self._assume(each, truth)
                        if after is None:
                            after = self.state()
                        else:
                            self.join(after)
                            after = self.state()
                        self.go_to(before)
                        self._assume(each, not truth)
                        before = self.state()
                    if after is not None:
                        self.go_to(after)
            case _ast.Compare(left=left, ops=[op], comparators=[_ast.Constant(value=None)]):
                if isinstance(op, _ast.Is | _ast.Eq | _ast.IsNot | _ast.NotEq):
                    if isinstance(op, _ast.Is | _ast.Eq) is not truth:
                        self._is_there(left)
                    else:
                        self._is_null(left)
            case _ast.Call(func=func, args=[subject, types], keywords=[]):
                if truth and self._builtin(func) == "isinstance":
                    self._is_of(subject, types)

    def _is_there(self, subject: _ast.expr) -> None:
        if isinstance(subject, _ast.NamedExpr):
            subject = subject.target
        if isinstance(subject, _ast.Name) and subject.id not in self._fixed:
            self.narrow(subject.id, lambda value: value.there)

    def _is_null(self, subject: _ast.expr) -> None:
        if isinstance(subject, _ast.Name) and subject.id not in self._fixed:
            self.narrow(subject.id, lambda value: Abstract(value.kinds & FOREIGN, value.null))

    def _is_of(self, subject: _ast.expr, types: _ast.expr) -> None:
        names = {self._builtin(each) for each in (types.elts if isinstance(types, _ast.Tuple) else [types])}
        if names <= {"str", "int", "float", "bool", "list", "dict", "tuple", "set", "bytes"}:
            self._is_there(subject)
            if names == {"str"} and isinstance(subject, _ast.Name) and subject.id not in self._fixed:
                texts = DATA | FOREIGN | MODULE | TEXT
                self.narrow(
                    subject.id, lambda value: Abstract(TEXT, path=value.path) if value.kinds & texts else NOTHING
                )

    def _named(self, name: str) -> Abstract:
        value = self.read(name)
        if value is not None:
            return value
        if name in UNFIT_NAMES:
            raise UnfitError
        return Abstract(MODULE, path=f"{OWN}{name}") if hasattr(builtins, name) else UNCERTAIN

    def _builtin(self, node: _ast.expr) -> str:
        """Return the name of one of Python's own functions, if that is what stands there."""
        if isinstance(node, _ast.Name) and self.read(node.id) is None and hasattr(builtins, node.id):
            return node.id
        return ""
