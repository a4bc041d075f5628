"""The Python of a code node, gone through with abstract values. It is parsed, and never run."""

from __future__ import annotations

import _ast
import builtins
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from difygen.parser.dsl.code.machine import MAX_NESTING, Machine, UnfitError
from difygen.parser.dsl.code.values import (
    A_NUMBER,
    A_TEXT,
    DATA,
    FOREIGN,
    MODULE,
    NOTHING,
    NULL,
    NUMBER,
    SMALL,
    SOMETHING,
    TEXT,
    UNCERTAIN,
    Abstract,
    Container,
    Function,
    any_of,
    append,
    data,
    loosened,
    put,
    put_anywhere,
)

_PARSE_ONLY = 0x400  # ast.PyCF_ONLY_AST, without the import of ast
_SCOPES = (_ast.FunctionDef, _ast.AsyncFunctionDef, _ast.Lambda)
_COMPREHENSIONS = (_ast.ListComp, _ast.SetComp, _ast.DictComp, _ast.GeneratorExp)
_UNFIT = (_ast.ClassDef, _ast.TryStar)
"""Where one of these occurs, a method or an operator may do anything."""

_REACHES_ALL = "exec eval compile globals locals vars setattr delattr __import__ __builtins__ breakpoint"
_UNFIT_NAMES = frozenset(_REACHES_ALL.split())
"""What can change anything without a word of it in the code."""
_UNFIT_MODULES = ("sys.modules", "sys._getframe", "builtins", "ctypes", "gc", "inspect", "importlib", "unittest")
_FIT_DUNDERS = frozenset(("__name__", "__doc__", "__version__", "__file__", "__class__"))
_LATE_NAMES = ("b64decode", "inputs_obj", "output_obj", "output_json", "result")
"""What Dify binds beside the code, some of it before it calls `main`."""

_TEXT_CALLS = frozenset(("str", "repr", "chr", "ascii", "hex", "bin", "oct", "format"))
_NUMBER_CALLS_WORDS = "int float bool len abs round any all isinstance issubclass ord hash callable hasattr id"
_NUMBER_CALLS = frozenset(_NUMBER_CALLS_WORDS.split())
_LIST_CALLS = frozenset(("list", "tuple", "set", "frozenset", "sorted"))
_GOING_CALLS = frozenset(("enumerate", "zip", "reversed", "map", "filter", "iter"))
_TEXT_METHODS_WORDS = """
    capitalize casefold center decode expandtabs format format_map hexdigest isoformat join ljust lower lstrip
    removeprefix removesuffix replace rjust rstrip strftime strip swapcase title translate upper zfill
"""
_TEXT_METHODS = frozenset(_TEXT_METHODS_WORDS.split())
_NUMBER_METHODS_WORDS = """
    count endswith find index isalnum isalpha isascii isdecimal isdigit isidentifier islower isnumeric isprintable
    isspace istitle isupper rfind rindex startswith
"""
_NUMBER_METHODS = frozenset(_NUMBER_METHODS_WORDS.split())
_LIST_METHODS = frozenset(("split", "rsplit", "splitlines", "partition", "rpartition"))
_OF_TEXTS_ONLY = frozenset(("replace", "join", "title", "center", "translate", "count", "find", "index", "format"))
"""What objects of libraries may have under the same name, giving something else, or nothing."""
_LIST_CHANGES_WORDS = "append extend insert remove clear sort reverse add discard pop"
_LIST_CHANGES = frozenset(_LIST_CHANGES_WORDS.split())
_FUNCTIONS: dict[str, Abstract] = {
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
_LISTING_FUNCTIONS = frozenset(("re.findall", "re.split", "re.compile().findall", "re.compile().split"))
_FINDING_FUNCTIONS = frozenset(
    f"{module}.{name}" for module in ("re", "re.compile()") for name in ("search", "match", "fullmatch")
)
_KNOWN_PATHS = (*_FUNCTIONS, *_LISTING_FUNCTIONS, *_FINDING_FUNCTIONS, "json.loads", "json_repair.repair_json")
_TABLED = frozenset(word for path in _KNOWN_PATHS for word in path.split("."))
"""Who assigns to an attribute of such a name may change what these functions do."""
_OWN = "python:"
"""What the paths of Python's own functions begin with."""


def parsed(code: str) -> _ast.Module | None:
    """Return the syntax tree of a Python text, or None if it has none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what a text may be warned of at its first run is not our user's concern
            tree = compile(code, "<code>", "exec", _PARSE_ONLY)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return tree if isinstance(tree, _ast.Module) else None


class PythonReader(Machine):
    """Goes through a module and its `main`."""

    def __init__(self, tree: _ast.Module) -> None:
        super().__init__()
        self._tree = tree
        self._nesting = 0
        self._fixed: frozenset[str] = frozenset()  # names that a test binds and uses: it says nothing of them
        self._within = 0  # comprehensions around this place
        self._scopes: dict[_ast.AST, tuple[frozenset[str], frozenset[str]]] = {}
        self._rebound: dict[_ast.expr, frozenset[str]] = {}
        shared = _sometimes_hidden(tree)
        for node in _walked(tree):
            if isinstance(node, _UNFIT):
                raise UnfitError
            if isinstance(node, _ast.Global | _ast.Nonlocal):
                shared.update(node.names)
            if isinstance(node, _ast.Attribute) and not isinstance(node.ctx, _ast.Load) and node.attr in _TABLED:
                raise UnfitError
            if isinstance(node, _ast.ImportFrom) and any(each.name.startswith(("*", "__")) for each in node.names):
                raise UnfitError
        self.shared = frozenset(shared)

    def main(self, parameters: Mapping[str, Abstract] | None) -> Abstract:
        """Return what `main` gives for these parameters; for any at all if None."""
        self._body(self._tree.body)
        env = self.frame.env
        env["json"] = Abstract(MODULE, path="json")
        env.update((name, UNCERTAIN) for name in _LATE_NAMES if name in env)
        main = env.get("main", NOTHING)
        if "main" in self.shared or not main.functions or main != Abstract(functions=main.functions):
            raise UnfitError
        return any_of([self._called_by_dify(each, parameters) for each in main.functions])

    def _called_by_dify(self, function: Function, parameters: Mapping[str, Abstract] | None) -> Abstract:
        node = function.node
        if not isinstance(node, _ast.FunctionDef):
            raise UnfitError
        arguments = dict(function.defaults)
        names = [each.arg for each in (*node.args.args, *node.args.kwonlyargs)]
        others = {name: (value, True) for name, value in (parameters or {}).items() if name not in names}
        if node.args.vararg is not None:
            arguments[node.args.vararg.arg] = self.make_tuple(node.args.vararg, ())
        if node.args.kwarg is not None:
            rest = NOTHING if parameters is not None else data("")
            arguments[node.args.kwarg.arg] = self.make(node.args.kwarg, Container(False, rest=rest, members=others))
        for name in names:
            if parameters is None:
                arguments[name] = data(name)
            elif name in parameters:
                arguments[name] = parameters[name]
            elif name not in arguments:
                arguments[name] = UNCERTAIN
        return self._entered(function, node, arguments)

    # -- statements -----------------------------------------------------------------------------------------------

    def _body(self, body: Sequence[_ast.stmt]) -> None:
        for statement in body:
            if not self.live:
                return
            self.step()
            self._statement(statement)

    def _nothing(self) -> None:
        pass

    def _statement(self, node: _ast.stmt) -> None:
        match node:
            case _ast.Expr(value=value):
                self.eval(value)
            case _ast.Assign(targets=targets, value=value):
                found = self.eval(value)
                for target in targets:
                    self._assign(target, found)
            case _ast.AnnAssign(target=target, value=value):
                if value is not None:
                    self._assign(target, self.eval(value))
            case _ast.AugAssign():
                self._augment(node)
            case _ast.Return(value=value):
                self.finish(NULL if value is None else self.eval(value))
            case _ast.If(test=test, body=body, orelse=orelse):
                self.eval(test)
                self.branch(partial(self._assume, test), lambda: self._body(body), lambda: self._body(orelse))
            case _ast.While(test=test, body=body, orelse=orelse):
                self.repeat(
                    lambda: self._tested(test, True, ()),
                    lambda: self._body(body),
                    lambda: self._tested(test, False, orelse),
                )
            case _ast.For(target=target, iter=source, body=body, orelse=orelse):
                self._for(target, source, lambda: self._body(body), lambda: self._body(orelse))
            case _ast.Try(body=body, handlers=handlers, orelse=orelse, finalbody=finalbody):
                self.attempt(
                    lambda: self._body(body),
                    [partial(self._handler, each) for each in handlers],
                    lambda: self._body(orelse),
                    (lambda: self._body(finalbody)) if finalbody else None,
                )
            case _ast.With(items=items, body=body):
                self._with(items, body)
            case _ast.FunctionDef() | _ast.AsyncFunctionDef():
                self._define(node)
            case _ast.Import() | _ast.ImportFrom():
                self._import(node)
            case _ast.Raise(exc=error):
                if error is not None:
                    self.eval(error)
                self.leave()
            case _ast.Break():
                self.break_off()
            case _ast.Continue():
                self.go_on()
            case _ast.Delete(targets=targets):
                for target in targets:
                    self._delete(target)
            case _ast.Assert(test=test):
                self.eval(test)
                self._assume(test, True)
            case _ast.Match(subject=subject, cases=cases):
                self.give_away(self.eval(subject))
                self._cases(cases)
            case _ast.Pass() | _ast.Global() | _ast.Nonlocal():
                pass
            case _:
                raise UnfitError

    def _tested(self, test: _ast.expr, truth: bool, then: Sequence[_ast.stmt]) -> None:
        self.eval(test)
        self._assume(test, truth)
        self._body(then)

    def _for(self, target: _ast.expr, source: _ast.expr, body: Callable[[], object], end: Callable[[], object]) -> None:
        going = self._going(source)
        self.repeat(lambda: self._assign(target, going()), body, end)

    def _handler(self, handler: _ast.ExceptHandler) -> None:
        if handler.type is not None:
            self.eval(handler.type)
        if handler.name:
            self.bind(handler.name, Abstract(FOREIGN))
        self._body(handler.body)

    def _with(self, items: Sequence[_ast.withitem], body: Sequence[_ast.stmt]) -> None:
        def inside() -> None:
            for item in items:
                value = self.eval(item.context_expr)
                self.give_away(value)
                if item.optional_vars is not None:
                    self._assign(item.optional_vars, UNCERTAIN)
            self._body(body)

        opening = [each.context_expr for each in items]
        if all(isinstance(each, _ast.Call) and self._builtin(each.func) == "open" for each in opening):
            inside()
        else:  # it may swallow an error
            self.attempt(inside, [self._nothing], self._nothing)

    def _cases(self, cases: Sequence[_ast.match_case]) -> None:
        if not cases:
            return
        first, *rest = cases
        for node in _walked(first.pattern):  # a pattern that does not match may have bound some
            for name in _bound_by(node):
                self.bind(name, UNCERTAIN)
        before = self.state()
        if first.guard is not None:
            self.eval(first.guard)
            self._assume(first.guard, True)
        self._body(first.body)
        after = self.state()
        is_any = isinstance(first.pattern, _ast.MatchAs) and first.pattern.pattern is None and first.guard is None
        self.go_to(before)
        if is_any:
            self.leave()
        else:
            if first.guard is not None:
                self.eval(first.guard)
            self._cases(rest)
        self.join(after)

    def _import(self, node: _ast.Import | _ast.ImportFrom) -> None:
        for each in node.names:
            if isinstance(node, _ast.Import):
                path = each.name if each.asname else each.name.partition(".")[0]
                name = each.asname or path
            else:
                path, name = f"{node.module}.{each.name}", each.asname or each.name
            self.bind(name, self._of_module(path) | (NULL if isinstance(node, _ast.ImportFrom) else NOTHING))

    def _of_module(self, path: str) -> Abstract:
        if path.startswith(_UNFIT_MODULES):
            raise UnfitError
        return Abstract(MODULE, path=path)

    def _define(self, node: _ast.FunctionDef | _ast.AsyncFunctionDef) -> None:
        value = self._function(node)
        for decorator in node.decorator_list:
            self.give_away(self.eval(decorator) | value)
            value = Abstract(FOREIGN)
        self.bind(node.name, value)

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
        is_late = isinstance(node, _ast.AsyncFunctionDef) or (not isinstance(node, _ast.Lambda) and _is_late(node))
        return self.plain(value) if is_late or self._within else value

    def _scope(self, node: _ast.AST) -> tuple[frozenset[str], frozenset[str]]:
        """Return the names that a function binds, and those that it uses beside them."""
        if node not in self._scopes:
            local: set[str] = set()
            used: set[str] = set()
            waiting: list[_ast.AST] = [each for _, each in _children(node)]
            while waiting:
                each = waiting.pop()
                local.update(_bound_by(each))
                if isinstance(each, _ast.Name):
                    used.add(each.id)
                if isinstance(each, _SCOPES):
                    used |= self._scope(each)[1]
                elif isinstance(each, _ast.comprehension):  # its target is its own
                    waiting += [each.iter, *each.ifs]
                else:
                    waiting.extend(child for _, child in _children(each))
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

    def _delete(self, target: _ast.expr) -> None:
        if isinstance(target, _ast.Name):
            self.unbind(target.id)
        elif isinstance(target, _ast.Subscript):
            object_ = self.eval(target.value)
            self.eval(target.slice)
            self.change(object_, loosened)
        elif isinstance(target, _ast.Tuple | _ast.List):
            for each in target.elts:
                self._delete(each)

    def _augment(self, node: _ast.AugAssign) -> None:
        target = node.target
        if isinstance(target, _ast.Subscript):
            object_ = self.eval(target.value)
            before = self._at(object_, target.slice)
        else:
            object_, before = NOTHING, self.eval(target)
        value = self.eval(node.value)
        result = self._combined(node, node.op, before, value)
        if before.sites or before.kinds & (DATA | FOREIGN):  # a list is changed in place
            inner = self.elements(value) if value.sites or value.kinds & (DATA | FOREIGN) else NOTHING
            if isinstance(node.op, _ast.BitOr):
                self.give_away(before | value)
            else:
                self.change(before, partial(put_anywhere, value=inner, key=NOTHING), inner)
            result |= before.there._replace(kinds=before.kinds & (DATA | FOREIGN))
        if isinstance(target, _ast.Subscript):
            self._put_at(object_, target.slice, self.plain(result))
        else:
            self._assign(target, result)

    # -- tests ----------------------------------------------------------------------------------------------------

    def _assume(self, test: _ast.expr, truth: bool) -> None:
        """Take away what a test, which has been evaluated, rules out."""
        if test not in self._rebound:
            nodes = list(_walked(test))
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

    # -- expressions ----------------------------------------------------------------------------------------------

    def eval(self, node: _ast.expr) -> Abstract:
        """Return what an expression may be."""
        self.step()
        self._nesting += 1
        if self._nesting > MAX_NESTING:
            raise UnfitError
        value = self._value(node)
        self._nesting -= 1
        return value

    def _value(self, node: _ast.expr) -> Abstract:
        match node:
            case _ast.Constant(value=value):
                return _constant(value)
            case _ast.Name(id=name):
                return self._named(name)
            case _ast.JoinedStr(values=values):
                for each in values:
                    self.eval(each)
                return A_TEXT
            case _ast.FormattedValue(value=inner, format_spec=spec):
                self.eval(inner)
                if spec is not None:
                    self.eval(spec)
                return A_TEXT
            case _ast.BinOp(left=left, op=op, right=right):
                first = self.eval(left)
                return self._combined(node, op, first, self.eval(right))
            case _ast.UnaryOp(op=op, operand=operand):
                found = self.eval(operand)
                return A_NUMBER if isinstance(op, _ast.Not) or not found.kinds & (FOREIGN | MODULE) else SOMETHING
            case _ast.Compare(left=left, comparators=others):
                found = any_of([self.eval(each) for each in (left, *others)])
                return A_NUMBER if not found.kinds & (FOREIGN | MODULE) else A_NUMBER | Abstract(FOREIGN)
            case _ast.BoolOp(op=op, values=values):
                return self._either(isinstance(op, _ast.And), values)
            case _ast.IfExp(test=test, body=body, orelse=orelse):
                self.eval(test)
                return self.choose(partial(self._assume, test), lambda: self.eval(body), lambda: self.eval(orelse))
            case _ast.NamedExpr(target=target, value=inner):
                found = self.plain(self.eval(inner))
                self._assign(target, found)
                return found
            case _ast.List(elts=elements) | _ast.Tuple(elts=elements) | _ast.Set(elts=elements):
                return self._list(node, elements)
            case _ast.Dict(keys=keys, values=values):
                return self._dict(node, keys, values)
            case _ast.ListComp(elt=element) | _ast.SetComp(elt=element):
                return self.make_list(node, self._comprehension(node.generators, lambda: self.eval(element)))
            case _ast.DictComp(key=key, value=inner):
                pairs = self._comprehension(
                    node.generators, lambda: self.make_tuple(node, (self.eval(key), self.eval(inner)))
                )
                return self.make(node, Container(False, self.element(pairs, 1), self.element(pairs, 0)))
            case _ast.GeneratorExp(elt=element):  # nobody says when it runs
                found = self._comprehension(node.generators, lambda: self.eval(element))
                self._give_away_names(node)
                self.give_away(found)
                return Abstract(FOREIGN)
            case _ast.Lambda():
                return self._function(node)
            case _ast.Call():
                return self._call(node)
            case _ast.Attribute(value=inner, attr=name):
                return self._attribute(inner, name)
            case _ast.Subscript():
                return self.subscript(node)
            case _ast.Slice(lower=lower, upper=upper, step=step):
                for bound in (lower, upper, step):
                    if bound is not None:
                        self.eval(bound)
                return SOMETHING
            case _ast.Starred(value=inner):
                return self.eval(inner)
        raise UnfitError

    def _named(self, name: str) -> Abstract:
        value = self.read(name)
        if value is not None:
            return value
        if name in _UNFIT_NAMES:
            raise UnfitError
        return Abstract(MODULE, path=f"{_OWN}{name}") if hasattr(builtins, name) else UNCERTAIN

    def _builtin(self, node: _ast.expr) -> str:
        """Return the name of one of Python's own functions, if that is what stands there."""
        if isinstance(node, _ast.Name) and self.read(node.id) is None and hasattr(builtins, node.id):
            return node.id
        return ""

    def _either(self, is_and: bool, values: Sequence[_ast.expr]) -> Abstract:
        first, *rest = values
        found = self.eval(first)
        if not rest:
            return found
        short = found if is_and else found.there  # `or` gives what is true
        return self.choose(
            lambda truth: self._assume(first, truth is is_and), lambda: self._either(is_and, rest), lambda: short
        )

    def _combined(self, node: _ast.AST, op: _ast.operator, left: Abstract, right: Abstract) -> Abstract:
        """Return what an operator makes of two values: never null."""
        kinds = (left.kinds | right.kinds) & ~MODULE
        if isinstance(op, _ast.Add) and (left.is_only(TEXT) or right.is_only(TEXT)):
            return A_TEXT
        if isinstance(op, _ast.Mod) and left.is_only(TEXT):
            return A_TEXT
        if left.sites or right.sites:
            if not self.is_private(left | right):
                return SOMETHING
            containers = self.containers(left | right)
            found = Abstract(kinds)
            if any(each.is_list for each in containers):
                found |= self.make_list(node, self.elements(left) | self.elements(right))
            if any(not each.is_list for each in containers):
                found |= self.make(node, self.merged(self.merged(Container(False), left), right))
            return found
        if (left.kinds | right.kinds) & (DATA | FOREIGN | MODULE):
            return SOMETHING
        return Abstract(kinds or NUMBER)

    def _list(self, node: _ast.expr, elements: Sequence[_ast.expr]) -> Abstract:
        if not any(isinstance(each, _ast.Starred) for each in elements):
            return self.make_tuple(node, [self.eval(each) for each in elements])
        found = NOTHING
        for each in elements:
            if isinstance(each, _ast.Starred):
                found |= self._apply(NOTHING, node, self._going(each.value))
            else:
                found |= self.eval(each)
        return self.make_list(node, found)

    def _dict(self, node: _ast.expr, keys: Sequence[_ast.expr | None], values: Sequence[_ast.expr]) -> Abstract:
        container = Container(False)
        for key, value in zip(keys, values, strict=True):
            name = key.value if isinstance(key, _ast.Constant) else None
            named = self.eval(key) if key is not None else NOTHING
            found = self.plain(self.eval(value))
            if key is None:
                container = self.merged(container, found)
            elif isinstance(name, str):
                container = put(container, name, found)
            else:
                container = put_anywhere(container, found, named)
        return self.make(node, container)

    def _comprehension(self, generators: Sequence[_ast.comprehension], element: Callable[[], Abstract]) -> Abstract:
        """Return what comes of all rounds. The names of a comprehension are its own."""
        names = {name for each in generators for node in _walked(each.target) for name in _bound_by(node)}
        kept = {name: self.frame.env.get(name) for name in names}
        local = self.frame.local
        self.frame.local = local | names
        self._within += 1
        found: list[Abstract] = []

        def go(rest: Sequence[_ast.comprehension]) -> None:
            if not rest:
                found.append(element())
                return
            first, *others = rest
            if first.is_async:
                raise UnfitError

            def inside() -> None:
                for test in first.ifs:
                    self.eval(test)
                    self._assume(test, True)
                if self.live:
                    go(others)

            self._for(first.target, first.iter, inside, self._nothing)

        go(generators)
        self._within -= 1
        self.frame.local = local
        for name, value in kept.items():
            if value is None:
                self.unbind(name)
            else:
                self.frame.env[name] = value
        return any_of(found)

    def _give_away_names(self, node: _ast.AST) -> None:
        free = frozenset(each.id for each in _walked(node) if isinstance(each, _ast.Name))
        self.give_away(Abstract(functions=frozenset((Function(node, self.frame, frozenset(), free),))))

    def _going(self, source: _ast.expr) -> Callable[[], Abstract]:
        """Return a function that says what the next round of going through an expression gets.

        It is asked again in every round, since what is gone through may change meanwhile.
        """
        if isinstance(source, _ast.GeneratorExp):
            values = self._comprehension(source.generators, lambda: self.eval(source.elt))
            return lambda: values
        if isinstance(source, _ast.Call) and not any(isinstance(each, _ast.Starred) for each in source.args):
            name = self._builtin(source.func)
            if name == "range":
                self._arguments(source)
                return lambda: A_NUMBER
            if name in _GOING_CALLS and source.args and not source.keywords:
                return self._going_call(source, name)
            method = source.func
            if isinstance(method, _ast.Attribute) and method.attr in ("items", "values", "keys") and not source.args:
                value = self.eval(method.value)
                return lambda: self._of_object(source, method.attr, value)
        value = self.eval(source)
        return lambda: self.elements(value)

    def _going_call(self, call: _ast.Call, name: str) -> Callable[[], Abstract]:
        if name in ("map", "filter"):
            function = self.eval(call.args[0])
            sources = [self._going(each) for each in call.args[1:]]

            def one() -> Abstract:
                members = [each() for each in sources]
                result = self.invoke(function, call, members)
                chosen = any_of(members)
                return result if name == "map" else chosen.there if function == NULL else chosen

            return one
        sources = [self._going(each) for each in call.args]
        if name == "zip":
            return lambda: self.make_tuple(call, [each() for each in sources])
        if name == "enumerate":
            return lambda: self.make_tuple(call, [A_NUMBER, sources[0]()])
        return sources[0]

    def _of_object(self, node: _ast.Call, method: str, value: Abstract) -> Abstract:
        containers = [each for each in self.containers(value) if not each.is_list]
        keys, values = any_of([each.names for each in containers]), any_of([each.values for each in containers])
        if value.kinds & DATA:
            keys |= A_TEXT
            values |= data(f"{value.path}[]" if value.path else "")
        if value.kinds & (FOREIGN | MODULE) or not self.is_private(value):
            keys = values = UNCERTAIN
        if method == "items":
            return self.make_tuple(node, (keys, values))
        return keys if method == "keys" else values

    def _attribute(self, object_: _ast.expr, name: str) -> Abstract:
        if name.startswith("__") and name not in _FIT_DUNDERS:
            raise UnfitError
        value = self.eval(object_)
        if not name.startswith("__"):
            self._is_there(object_)
        if value.is_only(MODULE) and value.path:
            return self._of_module(f"{value.path}.{name}") | NULL
        self.give_away(Abstract(sites=value.sites, functions=value.functions))  # as a method of it
        return UNCERTAIN

    def subscript(self, node: _ast.Subscript) -> Abstract:
        """Return what stands at a key, an index or a slice."""
        value = self.eval(node.value)
        self._is_there(node.value)
        key = node.slice
        self.eval(key)
        if isinstance(key, _ast.Slice):
            kept = Abstract(value.kinds & ~MODULE)
            return self.make_list(node, self.elements(value)) | kept if value.sites else kept
        return self._at(value, key)

    def _at(self, value: Abstract, key: _ast.expr, missing: Abstract = NOTHING) -> Abstract:
        """Return what stands at a key that has been evaluated."""
        if isinstance(key, _ast.UnaryOp) and isinstance(key.op, _ast.USub) and isinstance(key.operand, _ast.Constant):
            number = key.operand.value
            return self.element(value, -number if isinstance(number, int) else None, missing)
        if isinstance(key, _ast.Constant):
            if isinstance(key.value, str):
                return self.member(value, key.value, missing)
            if isinstance(key.value, int):
                return self.element(value, int(key.value), missing)
        return self.element(value, missing=missing)

    # -- calls ----------------------------------------------------------------------------------------------------

    def _arguments(self, call: _ast.Call) -> list[Abstract]:
        found = [self.eval(each.value if isinstance(each, _ast.Starred) else each) for each in call.args]
        return found + [self.eval(each.value) for each in call.keywords]

    def _call(self, call: _ast.Call) -> Abstract:
        if name := self._builtin(call.func):
            return self._builtin_call(call, name)
        if isinstance(call.func, _ast.Attribute):
            return self._method(call, call.func)
        return self._called(call, self.eval(call.func))

    def _called(self, call: _ast.Call, value: Abstract) -> Abstract:
        if value.functions and not value.kinds and not value.sites and not _is_spread(call):
            positional = [self.eval(each) for each in call.args]
            named = {each.arg or "": self.eval(each.value) for each in call.keywords}
            return any_of([self._call_function(each, call, positional, named) for each in value.functions])
        given = self._arguments(call)
        if value.is_only(MODULE):
            return self._module_call(call, value.path, given)
        self.give_away(any_of([value, *given]))
        return UNCERTAIN

    def invoke(self, value: Abstract, node: _ast.AST, positional: Sequence[Abstract]) -> Abstract:
        """Return what a function that was given to another one gives."""
        found = NOTHING
        for function in value.functions:
            found |= self._call_function(function, node, positional, {})
        if value.is_only(MODULE) and value.path.startswith(_OWN):
            return self._own_call(value.path) or UNCERTAIN
        if value.kinds:
            self.give_away(any_of(positional))
            found |= UNCERTAIN
        return found

    def _own_call(self, path: str) -> Abstract | None:
        """Return what one of Python's own functions or methods gives, called by somebody else."""
        type_, _, method = path.removeprefix(_OWN).partition(".")
        if type_ in _TEXT_CALLS and not method or type_ == "str" and method in _TEXT_METHODS:
            return A_TEXT
        return A_NUMBER if type_ in _NUMBER_CALLS and not method else None

    def _call_function(
        self, function: Function, node: _ast.AST, positional: Sequence[Abstract], named: Mapping[str, Abstract]
    ) -> Abstract:
        made = function.node
        if not isinstance(made, _ast.FunctionDef | _ast.Lambda):
            self.give_away(any_of([*positional, *named.values()]))
            return UNCERTAIN
        parameters = made.args
        names = [each.arg for each in (*parameters.posonlyargs, *parameters.args)]
        arguments = {**function.defaults, **dict(zip(names, positional, strict=False))}
        others = NOTHING
        for name, value in named.items():
            if name in names or any(name == each.arg for each in parameters.kwonlyargs):
                arguments[name] = value
            else:
                others |= value
        if parameters.vararg is not None:
            arguments[parameters.vararg.arg] = self.make_list(parameters.vararg, any_of(positional[len(names) :]))
        if parameters.kwarg is not None:
            arguments[parameters.kwarg.arg] = self.make(parameters.kwarg, Container(False, others, A_TEXT))
        return self._entered(function, node, arguments)

    def _entered(self, function: Function, node: object, arguments: dict[str, Abstract]) -> Abstract:
        made = function.node

        def body() -> None:
            if isinstance(made, _ast.Lambda):
                self.finish(self.eval(made.body))
            elif isinstance(made, _ast.FunctionDef):
                self._body(made.body)
                self.finish(NULL)

        within, self._within = self._within, 0
        found = self.call(function, node, arguments, body)
        self._within = within
        return found

    def _module_call(self, call: _ast.Call, path: str, given: Sequence[Abstract]) -> Abstract:
        options = {each.arg for each in call.keywords}
        called = any_of([Abstract(functions=each.functions) for each in given])
        if None not in options and not _is_spread(call):
            if path == "json.loads" and not options and len(given) == 1:
                return data(given[0].path if given[0].kinds & (DATA | TEXT) else "")
            if path == "json_repair.repair_json" and not options & {"return_objects", "logging"}:
                return A_TEXT if len(call.args) == 1 else SOMETHING
            if path == "json.dumps" and "cls" in options:
                return UNCERTAIN
            if path in ("re.sub", "re.compile().sub") and called.functions:
                for each in given:
                    self.repeat(self._nothing, partial(self.invoke, each, call, [Abstract(FOREIGN)]), self._nothing)
                return A_TEXT
            if path == "copy.deepcopy" and len(given) == 1 and not given[0].sites:
                return given[0]
            found = _FUNCTIONS.get(path) or _FUNCTIONS.get(f"{path}()") or self._own_call(path)
            if found is not None:
                self.give_away(called)
                return found
            if path in _LISTING_FUNCTIONS:
                return self.make_list(call, A_TEXT | Abstract(FOREIGN))
            if path in _FINDING_FUNCTIONS:
                return Abstract(FOREIGN) | NULL
        self.give_away(any_of(given))
        return UNCERTAIN

    def _builtin_call(self, call: _ast.Call, name: str) -> Abstract:
        if name in _UNFIT_NAMES or (name == "type" and len(call.args) != 1):
            raise UnfitError
        if _is_spread(call):
            self.give_away(any_of(self._arguments(call)))
            return UNCERTAIN
        if name == "getattr" and (len(call.args) < 2 or not _is_harmless(call.args[1])):
            raise UnfitError
        if name == "dict":
            return self._dict_call(call)
        if call.args and name in _LIST_CALLS | {"max", "min", "next", "sum", "any", "all"}:
            return self._gone_through(call, name)
        given = self._arguments(call)
        if name == "print":
            return NULL
        if name in _TEXT_CALLS:
            return A_TEXT
        if name in _NUMBER_CALLS:
            return A_NUMBER
        if name in ("range", *_LIST_CALLS):
            return self.make_list(call, A_NUMBER if name == "range" else NOTHING)
        if name in ("type", "open", "object", "bytes", "bytearray"):
            return Abstract(FOREIGN)
        self.give_away(any_of(given))
        return Abstract(FOREIGN) if name in _GOING_CALLS or name.endswith(("Error", "Exception")) else UNCERTAIN

    def _gone_through(self, call: _ast.Call, name: str) -> Abstract:
        """Return what a function gives that goes through its first argument, or compares all of them."""
        first, *others = call.args
        options = {each.arg: self.eval(each.value) for each in call.keywords}
        key = options.pop("key", NOTHING)
        if name in ("max", "min") and others:
            found = any_of([self.eval(each) for each in call.args])
            return self._apply(key, call, lambda: found)
        found = self._apply(key, call, self._going(first))
        given = [self.eval(each) for each in others]
        if name in _LIST_CALLS:
            return self.make_list(call, found)
        if name in ("any", "all"):
            return A_NUMBER
        if name == "sum":
            return A_NUMBER if not given and not options and not found.kinds & (FOREIGN | MODULE) else SOMETHING
        return any_of([found, *given, *options.values()])

    def _apply(self, function: Abstract, node: _ast.AST, going: Callable[[], Abstract]) -> Abstract:
        found: list[Abstract] = [NOTHING]

        def each() -> None:
            found[0] |= going()
            if function not in (NOTHING, NULL):
                self.invoke(function, node, [found[0]])

        self.repeat(self._nothing, each, self._nothing)
        return found[0]

    def _dict_call(self, call: _ast.Call) -> Abstract:
        container = Container(False)
        for each in call.args[:1]:
            container = self._absorbing(container, *self._source(call, each))
        for keyword in call.keywords:
            value = self.plain(self.eval(keyword.value))
            if keyword.arg is not None:
                container = put(container, keyword.arg, value)
        return self.make(call, container)

    def _source(self, call: _ast.Call, node: _ast.expr) -> tuple[Abstract, Abstract]:
        """Return what an object or a set is made of: the whole, if it is more than that, and what going through it
        gives.
        """
        if isinstance(node, _ast.GeneratorExp) or (
            isinstance(node, _ast.Call) and self._builtin(node.func) in _GOING_CALLS
        ):
            return NOTHING, self._apply(NOTHING, call, self._going(node))
        whole = self.eval(node)
        return whole, self.elements(whole)

    def _absorbing(self, container: Container, whole: Abstract, inner: Abstract) -> Container:
        """Return an object after all members of another one, or pairs of keys and values, were put into it."""
        objects = [each for each in self.containers(whole) if not each.is_list]
        is_open = bool(whole.kinds & ~TEXT) or not self.is_private(whole)
        if objects or is_open:
            container = self.merged(container, whole)
        if is_open or (objects and len(objects) == len(whole.sites)):
            return container
        is_pair = not inner.kinds and not inner.null and self.is_private(inner)
        keys, values = (self.element(inner, 0), self.element(inner, 1)) if is_pair else (UNCERTAIN, UNCERTAIN)
        return put_anywhere(container, values, keys)

    def _method(self, call: _ast.Call, method: _ast.Attribute) -> Abstract:
        value = self.eval(method.value)
        name = method.attr
        if name.startswith("__"):
            raise UnfitError
        self._is_there(method.value)
        if value.is_only(MODULE) and value.path:
            return self._called(call, self._of_module(f"{value.path}.{name}"))
        if _is_spread(call) or value.functions or value.kinds & MODULE:
            self.give_away(any_of([value, *self._arguments(call)]))
            return UNCERTAIN
        whole = NOTHING
        if name == "update" and call.args:
            whole, inner = self._source(call, call.args[0])
            given = [inner, *[self.eval(each) for each in call.args[1:]]]
        elif name in ("join", "extend") and call.args:
            inner = self._apply(NOTHING, call, self._going(call.args[0]))
            given = [inner, *[self.eval(each) for each in call.args[1:]]]
        else:
            given = [self.eval(each) for each in call.args]
        options = {each.arg or "": self.eval(each.value) for each in call.keywords}
        found = NOTHING
        if value.sites:
            found |= self._container_method(call, name, value, given, options, whole)
        if value.kinds & (NUMBER | SMALL):
            found |= A_NUMBER
        if value.kinds & ~NUMBER & ~SMALL:
            found |= self._value_method(call, name, value, given, options)
        return found

    def _value_method(
        self, call: _ast.Call, name: str, value: Abstract, given: Sequence[Abstract], options: Mapping[str, Abstract]
    ) -> Abstract:
        """Return what a method of a text, of data or of some object gives."""
        is_foreign = bool(value.kinds & FOREIGN)
        if is_foreign or (value.kinds & DATA and name in _LIST_CHANGES | {"update", "setdefault", "popitem"}):
            self.give_away(any_of([value._replace(sites=frozenset()), *given, *options.values()]))
        if not (is_foreign and (name in _OF_TEXTS_ONLY or "inplace" in options)):
            if name in _TEXT_METHODS:
                return A_TEXT
            if name in _NUMBER_METHODS:
                return A_NUMBER
            if name in _LIST_METHODS:
                return self.make_list(call, A_TEXT)
        if name == "encode":
            return Abstract(FOREIGN)
        if is_foreign:
            if name == "json" and not given:
                return data("", "")
            return A_TEXT | Abstract(FOREIGN) if name == "replace" and not options else UNCERTAIN
        if value.kinds & DATA:
            return self._data_method(call, name, value, given)
        return UNCERTAIN

    def _data_method(self, call: _ast.Call, name: str, value: Abstract, given: Sequence[Abstract]) -> Abstract:
        only = value._replace(kinds=DATA, sites=frozenset(), null=frozenset())
        if name == "get" and given and len(given) <= 2:
            return self._at(only, call.args[0], given[1] if len(given) == 2 else NOTHING)
        if name in ("items", "keys", "values") and not given:
            return self.make_list(call, self._of_object(call, name, only))
        if name == "copy":
            return only
        return UNCERTAIN

    def _container_method(
        self,
        call: _ast.Call,
        name: str,
        value: Abstract,
        given: Sequence[Abstract],
        options: Mapping[str, Abstract],
        whole: Abstract,
    ) -> Abstract:
        first = self.plain(given[0]) if given else NOTHING
        is_private = self.is_private(value)
        lists = [each for each in self.containers(value) if each.is_list]
        objects = [each for each in self.containers(value) if not each.is_list]
        if name == "get" and 1 <= len(given) <= 2:
            missing = given[1] if len(given) == 2 else NULL
            return self._at(value._replace(kinds=0), call.args[0], missing)
        if name in ("items", "keys", "values") and not given:
            return self.make_list(call, self._of_object(call, name, value._replace(kinds=0)))
        if name == "copy" and not given:
            found = NOTHING
            for each in (*lists, *objects):
                found |= self.make(call, each)
            return found if is_private else found | SOMETHING
        if name in ("index", "count", "issubset", "issuperset", "isdisjoint"):
            return A_NUMBER
        if name in ("append", "add") and len(given) == 1:
            self.change(value, partial(append, value=first), first)
            return NULL
        if name == "insert" and len(given) == 2:
            inserted = self.plain(given[1])
            self.change(value, partial(put_anywhere, value=inserted, key=NOTHING), inserted)
            return NULL
        if name == "extend" and len(given) == 1:
            self.change(value, partial(put_anywhere, value=first, key=NOTHING), first)
            return NULL
        if name == "update" and len(given) <= 1:
            self._update(value, first, whole, options)
            return NULL
        if name in ("remove", "discard", "clear", "reverse"):
            self.change(value, loosened)
            return NULL
        if name == "sort" and not given:
            self._apply(options.get("key", NOTHING), call, lambda: self.elements(value))
            self.change(value, loosened)
            return NULL
        if name == "pop" and is_private:
            found = NOTHING
            if lists:
                found |= any_of([each.values for each in lists])
            if objects and call.args:
                found |= self._at(value._replace(kinds=0), call.args[0], given[1] if len(given) == 2 else NOTHING)
            self.change(value, loosened)
            return found
        if name == "setdefault" and is_private and 1 <= len(given) <= 2:
            default = self.plain(given[1]) if len(given) == 2 else NULL
            found = self._at(value._replace(kinds=0), call.args[0], default)
            self._put_at(value._replace(kinds=0), call.args[0], found)
            return found
        self.give_away(any_of([value, *given, *options.values()]))
        return UNCERTAIN

    def _update(self, value: Abstract, inner: Abstract, whole: Abstract, options: Mapping[str, Abstract]) -> None:
        """Put all members of something into an object, or into a set."""

        def by(container: Container) -> Container:
            if container.is_list:
                return put_anywhere(container, inner, NOTHING)
            if whole != NOTHING or inner != NOTHING:
                container = self._absorbing(container, whole, inner)
            for name, each in options.items():
                container = put(container, name, self.plain(each)) if name else container
            return container

        members = [each.values for each in self.containers(whole)] + [self.element(inner)]
        self.change(value, by, any_of([inner, *options.values(), *members]))


def _constant(value: object) -> Abstract:
    if value is None:
        return NULL
    return A_TEXT if isinstance(value, str) else A_NUMBER if isinstance(value, int | float) else Abstract(FOREIGN)


def _is_harmless(name: _ast.expr) -> bool:
    """Check whether an attribute that is asked for by its name is written out and none that leads everywhere."""
    return isinstance(name, _ast.Constant) and isinstance(name.value, str) and name.value.strip("_") == name.value


def _sometimes_hidden(tree: _ast.Module) -> set[str]:
    """Return the names of Python's own functions that the module may have replaced by the time that they are used."""
    always = {name for each in tree.body if not isinstance(each, _ast.If | _ast.Try) for name in _bound_by(each)}
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
        found.update(_bound_by(node))
        if not isinstance(node, _SCOPES):
            waiting.extend(each for _, each in _children(node) if not isinstance(each, _ast.comprehension))
    return {name for name in found - always if hasattr(builtins, name)}


def _is_spread(call: _ast.Call) -> bool:
    return any(isinstance(each, _ast.Starred) for each in call.args) or any(each.arg is None for each in call.keywords)


def _is_late(function: _ast.FunctionDef) -> bool:
    """Check whether a function is a generator, whose body runs at some other time."""
    waiting: list[_ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, _ast.Yield | _ast.YieldFrom):
            return True
        if not isinstance(node, _SCOPES):
            waiting.extend(each for _, each in _children(node))
    return False


def _children(node: _ast.AST) -> Iterator[tuple[str, _ast.AST]]:
    for name in node._fields:
        if name not in ("ctx", "annotation", "returns"):
            value = getattr(node, name, None)
            if isinstance(value, _ast.AST):
                yield name, value
            elif isinstance(value, list):
                for each in value:
                    if isinstance(each, _ast.AST):
                        yield name, each


def _walked(node: _ast.AST) -> Iterator[_ast.AST]:
    waiting = [node]
    while waiting:
        each = waiting.pop()
        yield each
        waiting.extend(child for _, child in _children(each))


def _bound_by(node: _ast.AST) -> Iterator[str]:
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
