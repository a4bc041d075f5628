"""The values of conversation variables, which the server writes as Python does.

`{'a': 1}`, `True`, `2`: Dify sends `str(value)`, whatever the type is called. What comes
from a server may be anything: it is parsed within limits, and never run.
"""

import ast
import re
from typing import Any

from ._models import check_json
from ._protocol import parsed

MAX_VALUE_SIZE = 1_000_000
"""Characters. Dify itself takes 200 kB for a variable, unless set otherwise."""
MAX_VALUE_ITEMS = 50_000
MAX_VALUE_DEPTH = 60
_ESCAPE = (
    r"""\\(?:[\\'"nrt]|x[0-9a-f]{2}|u[0-9a-f]{4}|U00(?:0[0-9a-f]|10)[0-9a-f]{4})"""
)
_STRING = rf"""'(?:[^'\\\n]++|{_ESCAPE})*+' | "(?:[^"\\\n]++|{_ESCAPE})*+\""""
_NUMBER = r"-?(?:0|[1-9][0-9]{0,4000})(?:\.[0-9]{1,400})?(?:e[+-]?[0-9]{1,3})?"
_TOKEN = re.compile(
    rf"(?P<value>{_STRING}|True|False|None|{_NUMBER}(?![\w.]))"
    r"|(?P<open>[\[{])|(?P<close>[\]}])|(?P<between>[,:])\ ?",
    re.VERBOSE,
)
NO_VALUE: Any = object()
"""What a text gives that says no value."""
TEXT_TYPES = ("string", "secret")
NUMBERS_BEYOND_JSON = ("nan", "inf", "-inf")


def decode_value(value: Any, value_type: str) -> Any:
    """Return the value that a text stands for, by its type; the text where it stands for none.

    A value that is no text, as JSON has it, is what it is.
    """
    if not isinstance(value, str) or value_type in TEXT_TYPES:
        return value
    found = parse_value(value)
    return value if found is NO_VALUE else found


def parse_value(text: str) -> Any:
    """Return the value of a text in the notation of JSON or of Python; NO_VALUE for another one."""
    if len(text) > MAX_VALUE_SIZE:
        return NO_VALUE
    if text in NUMBERS_BEYOND_JSON:
        return float(text)
    if text in ("None", "null"):
        return None
    try:
        if (found := parsed(text.encode())) is not None:
            return check_json(found)
        if is_plain_value(text):
            return check_json(ast.literal_eval(text))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        pass
    return NO_VALUE


def is_plain_value(text: str) -> bool:
    """Check that a text has nothing but what Python writes for a JSON value, and in bounds.

    Python's parser, given anything else, may warn, recurse or use much memory.
    """
    position = depth = items = 0
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            return False
        position = token.end()
        kind = token.lastgroup
        depth += (kind == "open") - (kind == "close")
        items += kind == "between"
        if not 0 <= depth <= MAX_VALUE_DEPTH or items > MAX_VALUE_ITEMS:
            return False
    return True
