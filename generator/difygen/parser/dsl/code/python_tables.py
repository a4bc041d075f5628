"""What Python's own functions and methods give, and those of some libraries."""

from __future__ import annotations

from difygen.parser.dsl.code.values import (
    A_NUMBER,
    A_TEXT,
    MODULE,
    Abstract,
)

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
