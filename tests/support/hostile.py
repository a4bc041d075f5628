"""Strategies for workflows that somebody made up to do harm, or without thinking."""

from difygen.model import (
    App,
    ArrayOf,
    HumanForm,
    Input,
    Node,
    ObjectOf,
    OneOf,
    Output,
    Primitive,
    Property,
    Type,
    UnionOf,
    UserAction,
)
from difygen.record import replace
from difygen.types import union
from hypothesis import strategies as st

PAYLOADS = [
    '"""',
    '"""; import os; os.system("x") #',
    "'''",
    '"',
    "'",
    "\\",
    '\\\\"',
    '\\"""',
    'ends with "',
    '"starts with',
    '""',
    "a\nb",
    "a\r\nb\rc",
    "\n\nimport os\n",
    "{{ 7 * 7 }}",
    "{% for x in y %}",
    "{0.__class__} {x!r} %s %(x)s",
    "${PATH} `id`",
    "\u202eevil\u2066",
    "\u2028\u2029\x85",
    "\x00\x07\x1b[31m\x7f",
    "\ud800",
    "\ufeffbom\u200b\u200d",
    "字段拼接" * 12,
    "🤖👩‍👩‍👧 🏳️‍🌈",
    "ไทย हिन्दी مرحبا",
    "e\u0301" * 50,
    "x" * 300,
    "word " * 60,
    "# type: ignore  # noqa  # fmt: off",
    "# fmt: skip",
    "-*- coding: utf-7 -*-",
    "\\N{BULLET} \\x41 \\u0041",
    " \t ",
    "",
]
SENDABLE = [payload for payload in PAYLOADS if payload != "\ud800"]
SENDABLE_TEXTS = st.sampled_from(SENDABLE) | st.text(max_size=12)
TEXTS = st.sampled_from(PAYLOADS) | st.text(max_size=12)
NAMES = st.one_of(
    st.sampled_from(SENDABLE),
    st.sampled_from(
        [
            "class",
            "None",
            "True",
            "import",
            "async",
            "match",
            "type",
            "list",
            "str",
            "int",
            "float",
            "bool",
            "dict",
            "Any",
            "Literal",
            "Field",
            "Text",
            "Number",
            "Inputs",
            "self",
            "user",
            "timeout",
            "response_mode",
            "stop_on_exit",
            "workflow_id",
            "trace_id",
            "copy",
            "json",
            "schema",
            "dict",
            "construct",
            "model_config",
            "model_fields",
            "model_dump",
            "model_x",
            "builtins",
            "validate",
            "to_wire",
            "__init__",
            "__class__",
            "__getattr__",
            "_workflow",
            "_run",
            "name",
            "value",
            "mro",
            "items",
            "keys",
            "get",
            "pop",
        ]
    ),
    st.sampled_from(
        ["../../etc/passwd", "a/b", "C:\\x", "con", "a b", "a-b", "userName", "user_name", "1", "字段", "🤖"]
    ),
    st.text(max_size=12),
)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)  # readers take others for text
SCALARS = st.none() | st.booleans() | st.integers(-(10**20), 10**20) | FLOATS | SENDABLE_TEXTS
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SENDABLE_TEXTS, inner, max_size=3),
    max_leaves=5,
)
OPTIONS = st.lists(SENDABLE_TEXTS, max_size=5).map(tuple)


def _composed(inner: st.SearchStrategy[Type]) -> st.SearchStrategy[Type]:
    properties = st.lists(
        st.builds(Property, name=NAMES, type=inner, required=st.booleans(), description=TEXTS),
        max_size=4,
        unique_by=lambda member: member.name,
    )
    return st.one_of(
        st.builds(ArrayOf, inner),
        st.builds(ObjectOf, properties.map(tuple), description=TEXTS),
        st.builds(lambda types: union(*types), st.lists(inner, min_size=2, max_size=3)),
    )


TYPES: st.SearchStrategy[Type] = st.recursive(
    st.sampled_from([member for member in Primitive if member is not Primitive.NULL])
    | st.builds(OneOf, OPTIONS, closed=st.booleans())
    | st.just(UnionOf((Primitive.STRING, Primitive.NULL))),
    _composed,
    max_leaves=5,
)
OBJECTS = st.builds(
    ObjectOf,
    st.lists(
        st.builds(Property, name=NAMES, type=TYPES, required=st.booleans(), description=TEXTS),
        max_size=4,
        unique_by=lambda p: p.name,
    ).map(tuple),
    description=TEXTS,
)


def _input(kind: str, default: st.SearchStrategy[object]) -> st.SearchStrategy[Input]:
    return st.builds(
        Input,
        name=NAMES,
        kind=st.just(kind),
        required=st.booleans(),
        default=default,
        label=TEXTS,
        description=TEXTS,
        max_length=st.none() | st.integers(1, 10**6),
        options=OPTIONS,
        allowed_file_types=st.lists(st.sampled_from(["image", "document", "custom"]) | TEXTS, max_size=3).map(tuple),
        allowed_file_extensions=OPTIONS,
        allowed_file_upload_methods=st.lists(st.sampled_from(["local_file", "remote_url"]), max_size=2).map(tuple),
        type=st.none() | OBJECTS if kind == "json_object" else st.none(),
    )


NUMBERS = st.integers(-(10**20), 10**20) | FLOATS
INPUTS = st.one_of(
    _input("text-input", st.none() | SENDABLE_TEXTS),
    _input("paragraph", st.none() | SENDABLE_TEXTS),
    _input("number", st.none() | NUMBERS),
    _input("checkbox", st.none() | st.booleans()),
    _input("file", st.none() | st.dictionaries(SENDABLE_TEXTS, SCALARS, max_size=2)),
    _input("file-list", st.none()),
    _input("json_object", st.none() | st.dictionaries(SENDABLE_TEXTS, JSON, max_size=3)),
    _input("select", st.none()).flatmap(
        lambda variable: st.sampled_from((None, *variable.options)).map(
            lambda default: replace(variable, default=default)
        )
    ),
)
OUTPUTS = st.builds(
    Output,
    name=NAMES,
    type=TYPES,
    optional=st.booleans(),
    reason=TEXTS,
    description=TEXTS,
    selectors=st.lists(st.lists(TEXTS, max_size=3).map(tuple), max_size=2).map(tuple),
)
NODES = st.builds(Node, id=NAMES, type=TEXTS, title=TEXTS, parent=st.none())
FIELDS = st.one_of(_input(kind, st.none()) for kind in ("text-input", "paragraph", "select", "file", "file-list")).map(
    lambda field: replace(field, required=True)
)
FORMS = st.builds(
    HumanForm,
    node=NAMES,
    inputs=st.lists(FIELDS, max_size=4, unique_by=lambda field: field.name).map(tuple),
    actions=st.lists(st.builds(UserAction, NAMES, TEXTS), min_size=1, max_size=3, unique_by=lambda each: each.id).map(
        tuple
    ),
)


def _asking(app: App, forms: list[HumanForm]) -> App:
    """The workflow, some of whose nodes ask people."""
    asked = zip(app.nodes, forms, strict=False)
    return replace(app, forms=tuple(replace(form, node=node.id) for node, form in asked))


WORKFLOWS = st.builds(
    App,
    name=NAMES,
    source=TEXTS,
    title=TEXTS,
    description=TEXTS | st.lists(TEXTS, max_size=4).map("\n".join),
    inputs=st.lists(INPUTS, max_size=5, unique_by=lambda variable: variable.name).map(tuple),
    outputs=st.lists(OUTPUTS, max_size=5, unique_by=lambda output: output.name).map(tuple),
    nodes=st.lists(NODES, max_size=4, unique_by=lambda node: node.id).map(tuple),
).flatmap(lambda app: st.builds(_asking, st.just(app), st.lists(FORMS, max_size=2)))
"""Any workflow at all."""


def payload_workflow(payload: str) -> App:
    """A workflow with one text wherever there can be one."""
    member = Property(payload, OneOf((payload, "other"), closed=False), description=payload)
    object_ = ObjectOf((member,), description=payload)
    about = {"label": payload, "description": payload}
    inputs = (
        Input(name=payload, kind="text-input", default=payload, required=False, **about),
        Input(name=f"{payload}1", kind="select", options=(payload, "other"), default=payload, **about),
        Input(
            name=f"{payload}2", kind="json_object", type=object_, default={payload: payload}, required=False, **about
        ),
        Input(
            name=f"{payload}3",
            kind="file",
            allowed_file_types=("custom", payload),
            allowed_file_extensions=(payload,),
            **about,
        ),
    )
    outputs = (
        Output(name=payload, type=object_, optional=True, reason=payload, description=payload),
        Output(name=f"{payload}1", type=OneOf((payload, "other")), selectors=((payload, payload),)),
    )
    nodes = (Node(id=payload, type=payload, title=payload),)
    fields = (
        Input(name=payload, kind="paragraph", prefilled=payload),
        Input(name=f"{payload}1", kind="select", options=(payload, "other")),
        replace(inputs[3], label="", description=""),
    )
    forms = (
        HumanForm(node=payload, inputs=fields, actions=(UserAction(payload, payload), UserAction("other", payload))),
    )
    return App(
        name=payload,
        source=payload,
        title=payload,
        description=payload,
        inputs=inputs,
        outputs=outputs,
        nodes=nodes,
        forms=forms,
    )
