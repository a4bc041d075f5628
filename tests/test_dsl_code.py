"""What the Python of code nodes never gives as None. Wherever it is said to be sure, the code is run to see whether
that is so.

What follows for the outputs of an app is in tests/cases/dsl/code_outputs."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from difygen.parser.dsl.code import returned
from hypothesis import given, settings
from hypothesis import strategies as st
from support.examples import examples

# expressions over the arguments a (a text), n (a number) and items (a list, maybe with None in it), and how sure
# they are: 0 maybe None, 1 a value, 2 a value whose members are values
EXPRESSIONS: list[tuple[str, int]] = [
    ('"x"', 2),
    ("None", 0),
    ("a", 0),
    ("a + 'x'", 2),
    ("n * 2", 1),
    ("-n", 2),
    ("f'{a}'", 2),
    ("str(n)", 2),
    ("len(items)", 2),
    ("a.strip().upper()", 2),
    ("a.split(',')", 2),
    ("', '.join(['x'])", 2),
    ("json.dumps(items)", 2),
    ("json.loads('null')", 0),
    ("a == 'x'", 2),
    ("not a", 2),
    ("a or 'x'", 1),
    ("'' or None", 0),
    ("a and 'x'", 0),
    ("'x' if n else 'y'", 2),
    ("'x' if n else None", 0),
    ("[]", 2),
    ("[a]", 1),
    ("['x', 1]", 2),
    ("[None]", 1),
    ("['x'] + ['y']", 2),
    ("['x'] + [None]", 1),
    ("[None] * 2", 1),
    ("items", 0),
    ("items[:2]", 1),
    ("items[0]", 0),
    ("list(items)", 1),
    ("sorted(['b', 'a'])", 2),
    ("[str(each) for each in items]", 2),
    ("[each for each in items]", 1),
    ("[each for each in items if each]", 2),
    ("[each for each in a.split(',') if each.strip()]", 2),
    ("[each for each in items if not each]", 1),
    ("{'k': None}", 2),
    ("{}.get('k')", 0),
    ("max(items, default=None)", 0),
    ("helper(a)", 0),
    ("(lambda: None)()", 0),
    ("print('x')", 0),
    ("time.time()", 2),
    ("re.sub('x', 'y', a)", 2),
    ("re.match('x', a)", 0),
    ("(local := 'x')", 2),
    ("a % 'x' if '%s' in a else 'y'", 1),
]
ARGUMENTS: list[dict[str, Any]] = [
    {"a": "x,y", "n": 3, "items": ["b", None, "a"]},
    {"a": "", "n": 0, "items": []},
    {"a": "%s", "n": -1, "items": [None]},
]
HEAD = "import json, re, time\n\ndef helper(value):\n    return None\n\n"


def results(text: str) -> list[Any]:
    """What the code gives, as Dify passes it on. Calls that fail give nothing, as a failing node does."""
    found = []
    for arguments in ARGUMENTS:
        scope: dict[str, Any] = {}
        with suppress(Exception):
            exec(text, scope)  # noqa: S102 - the texts are those above
            found.append(json.loads(json.dumps(scope["main"](**arguments))))
    return [each for each in found if isinstance(each, dict) and "x" in each]


def level(text: str, name: str = "x") -> int:
    """How sure the reader is, with texts and numbers counting as what has no empty members."""
    found = returned("python3", text)
    output = found.at(name) if found is not None else None
    if output is None or output.null:
        return 0
    return 1 if output.item is None or output.item.null else 2


def check(text: str, expected: int) -> None:
    assert level(text) == expected
    for result in results(text):
        if expected:
            assert result["x"] is not None
        if expected == 2 and isinstance(result["x"], list):
            assert None not in result["x"]


@pytest.mark.parametrize(("expression", "expected"), EXPRESSIONS)
def test_expressions(expression: str, expected: int) -> None:
    check(f"{HEAD}def main(a, n, items):\n    return {{'x': {expression}}}\n", expected)


@pytest.mark.parametrize(("expression", "expected"), EXPRESSIONS)
def test_expressions_by_way_of_a_name(expression: str, expected: int) -> None:
    check(f"{HEAD}def main(a, n, items):\n    x = {expression}\n    return {{'x': x}}\n", expected)


BODIES: list[tuple[str, int]] = [
    ("x = None\nif a: x = 'y'\nreturn {'x': x}", 0),
    ("x = 'y'\nif a: x = a.strip()\nreturn {'x': x}", 2),
    ("x = ''\nfor each in items: x += str(each)\nreturn {'x': x}", 2),
    ("x = []\nfor each in items: x.append(str(each))\nreturn {'x': x}", 2),
    ("x = []\nfor each in items: x.append(each)\nreturn {'x': x}", 1),
    ("x = []\nx += [None]\nreturn {'x': x}", 1),
    ("x = []\ny = x\ny.append(None)\nreturn {'x': x}", 1),
    ("x = ['y']\nx[0] = None\nreturn {'x': x}", 1),
    ("x = []\nx.extend(items)\nreturn {'x': x}", 1),
    ("x = []\nadd = x.append\nadd(None)\nreturn {'x': x}", 1),
    ("x = []\nhelp = lambda to: to.append(None)\nhelp(x)\nreturn {'x': x}", 1),
    ("x = ['y']\nprint(len(x), x[0])\nreturn {'x': x}", 2),
    ("for x in items: pass\nreturn {'x': x}", 0),
    ("x = 'y'\nfor x in items: pass\nreturn {'x': x}", 0),
    ("x = 'y'\nfor n, x in enumerate(items): pass\nreturn {'x': x}", 0),
    ("x, y = 'a', None\nreturn {'x': x}", 2),
    ("y, x = 'a', None\nreturn {'x': x}", 0),
    ("x, *y = items\nreturn {'x': x}", 0),
    ("x = 'y'\ndef inner():\n    x = None\n    return x\nreturn {'x': x}", 2),
    ("x = 'y'\ndef inner():\n    nonlocal x\n    x = None\ninner()\nreturn {'x': x}", 0),
    ("x = 'y'\nwith open(a) as x: pass\nreturn {'x': x}", 0),
    ("try:\n    return {'x': 'y'}\nexcept Exception as x:\n    return {'x': None}", 0),
    ("try:\n    return {'x': a.upper()}\nexcept Exception as error:\n    return {'x': str(error)}", 2),
    ("if a: return {'x': 'y'}\nreturn {'y': 1}", 2),  # without x the node fails
    ("if a: return {'x': 'y'}", 2),  # and without a mapping as well
    ("result = {'x': 'y'}\nreturn result", 2),
    ("result = {'x': 'y'}\nresult['x'] = None\nreturn result", 0),
    ("return {'x': 'y', **{'x': None}}", 0),
    ("return {**{'x': None}, 'x': 'y'}", 2),
    ("return {**json.loads(a)}", 0),
    ("return dict(x='y')", 2),
    ("return dict(x=None)", 0),
    ("str = lambda value: None\nreturn {'x': str(n)}", 0),
    ("json = re\nreturn {'x': json.dumps(a)}", 0),
    ("x: str = 'y'\nreturn {'x': x}", 2),
    ("x: str\nx = 'y'\nreturn {'x': x}", 2),
    ("x = y = 'z'\nreturn {'x': x}", 2),
    ("x = y\nreturn {'x': x}", 0),
    ("x = 'a'\ny = x\nx = y\nreturn {'x': x}", 2),
    ("x = 'a'\ny = None\nfor _ in range(3):\n    x, y = y, x\nreturn {'x': x}", 0),
    ("global x\nx = None\nreturn {'x': x}", 0),
    ("match n:\n    case x: pass\nreturn {'x': x}", 0),
    ("raise ValueError(a)", 2),
]


@pytest.mark.parametrize(("body", "expected"), BODIES)
def test_bodies(body: str, expected: int) -> None:
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    check(f"{HEAD}def main(a, n, items):\n{lines}\n", expected)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "def main(:",
        "x = 1",
        "async def main():\n    return {'x': 'y'}",
        "@wrap\ndef main():\n    return {'x': 'y'}",
        "def main():\n    return {'x': 'y'}\nmain = other",
        "def main():\n    return {'x': 'y'}\ndef main():\n    return {'x': None}",
        "class Text(str):\n    def strip(self): return None\ndef main():\n    return {'x': Text().strip()}",
        "def main():\n    yield {'x': 'y'}",
        "def main():\n    return {'x': " + "(" * 400 + "1" + ")" * 400 + "}",
        "def main():\n    return {'x': " + "-" * 20_000 + "1}",
        "def main():\n    return {'x': 1" + " + 1" * 20_000 + "}",
        "\0",
        "def main():\n    return {'x': '\ud800'}",
    ],
)
def test_what_cannot_be_judged_is_not_sure(text: str) -> None:
    assert level(text) == 0


def test_strange_escapes_are_nobodys_warning() -> None:
    assert level("def main():\n    return {'x': '\\d'}\n") == 2


@settings(max_examples=examples(150), deadline=None)
@given(st.text(max_size=60), st.sampled_from(BODIES))
def test_no_text_breaks_the_reading(garbage: str, body: tuple[str, int]) -> None:
    place = len(garbage) * 7 % (len(body[0]) + 1)
    returned("python3", f"def main():\n {body[0][:place]}{garbage}{body[0][place:]}")
