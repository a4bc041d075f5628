"""The YAML spec, written by hand: what goes in and comes out, and what an app of its kind has. Nothing of the graph."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import cast

from difygen.diagnostics import Cursor, Diagnostics
from difygen.model import (
    APP_KINDS,
    INPUT_KINDS,
    INPUT_TRAITS,
    WORKFLOW,
    App,
    AppKind,
    Example,
    Features,
    Input,
    InputKind,
    JsonValue,
    ObjectOf,
    Output,
    Primitive,
    Tool,
    TurnFiles,
    Variable,
)
from difygen.parser.spec_types import ITEM, OUTPUT, VARIABLE, check_input_value, check_value, description, read_type
from difygen.record import replace
from difygen.types import json_of, members_of, type_of_schema
from difygen.wording import names_listed, shown

KEYS_OF_KINDS = tuple(dict.fromkeys(key for kind in APP_KINDS.values() for key in kind.keys))
"""The keys of a spec that are for apps of some kinds alone."""

SPEC_KEYS = ("name", "mode", "title", "description", "inputs", "files", *KEYS_OF_KINDS, "examples")
_KINDS = {kind.name: kind for kind in APP_KINDS.values()}
_FOREIGN_MODES = {mode: kind.name for mode, kind in APP_KINDS.items()} | {
    "chatbot": "chat",
    "text-generator": "completion",
}
"""What Dify calls the kinds of app."""
COMMON_KEYS = ("type", "label", "description", "required")
ALL_KEYS = (*COMMON_KEYS, *dict.fromkeys(key for traits in INPUT_TRAITS.values() for key in traits.keys))
FOREIGN_WORDS = {spelling: kind for kind, traits in INPUT_TRAITS.items() for spelling in traits.spellings}
_FOREIGN_KEYS = {
    "optional": "required: false",
    "enum": "options",
    "values": "options",
    "choices": "options",
    "schema": "json_schema",
    "maxLength": "max_length",
    "title": "label",
    "hint": "description",
    "placeholder": "description",
}
"""What JSON Schema, Dify's editor and the outputs of a spec call a key."""
FILE_TYPES = ("image", "document", "audio", "video", "custom")
UPLOAD_METHODS = ("local_file", "remote_url")
FILES_KEYS = ("types", "extensions", "methods", "max_count")
SPEECH_KEYS = ("auto_play",)

Check = Callable[[Cursor], object]


def read_spec(content: Mapping[str, JsonValue], file: str, report: Diagnostics) -> App:
    """Read a spec, noting everything that is wrong with it."""
    root = Cursor(content, (), report, "The spec")
    root.only(SPEC_KEYS, "a spec")
    kind = _app_kind(root)
    _check_keys(root, kind)
    inputs = tuple(each for name, cursor in _members(root, "inputs") if (each := read_input(name, cursor)) is not None)
    outputs = tuple(_output(name, cursor) for name, cursor in _members(root, "outputs")) if kind.has_outputs else ()
    app = App(
        name=_name(root, file),
        source=file,
        mode=kind.modes[0],
        title=root.text_of("title"),
        description=root.text_of("description"),
        inputs=inputs,
        outputs=outputs,
        examples=read_examples(root, kind, inputs, outputs),
    )
    return _with_specifics(root, app)


def _check_keys(root: Cursor, kind: AppKind) -> None:
    """Note the keys that are not for this kind of app."""
    for key, member in root.members():
        if key in KEYS_OF_KINDS and key not in kind.keys:
            kinds = names_listed(dict.fromkeys(each.name for each in APP_KINDS.values() if key in each.keys))
            message = f"`{key}` does not apply to {kind.noun}."
            member.error("key-not-applicable", message, f"It is for apps of the mode {kinds}.", key=True)


def _app_kind(root: Cursor) -> AppKind:
    """Return the kind of app that the spec is of: a workflow, if it does not say."""
    mode = root.get("mode")
    if mode is None:
        return WORKFLOW
    kind = _KINDS.get(word := mode.text())
    if kind is None:
        if isinstance(mode.value, str):
            foreign = _FOREIGN_MODES.get(word.lower())
            hint = f"Write `mode: {foreign}`." if foreign else root.report.suggestion(word, _KINDS)
            mode.error("unknown-mode", f"`{shown(word)}` is no mode of an app.", hint)
        return WORKFLOW
    return kind


def _name(root: Cursor, file: str) -> str:
    """Return the name of the workflow; where it is not given, that of the file."""
    name = root.get("name")
    if name is None:
        stem = file.replace("\\", "/").rpartition("/")[2].partition("#")[0]
        stem = stem.rpartition(".")[0] or stem
        if stem in ("", "-"):
            root.error("missing-key", "The spec has no `name`, and there is no file name to take it from.")
        return stem
    text = name.text()
    if isinstance(name.value, str) and not text.strip():
        name.error("empty-name", "`name` must not be empty.")
    return text


def _members(root: Cursor, key: str) -> Iterable[tuple[str, Cursor]]:
    """Return what stands in the mapping of that key, if it is there and a mapping."""
    found = root.mapping_of(key, "names to types")
    return found.members() if found is not None else ()


def _output(name: str, cursor: Cursor) -> Output:
    return Output(
        name=name,
        type=read_type(cursor, OUTPUT),
        optional=cursor.flag_of("optional"),
        reason=cursor.text_of("reason"),
        description=description(cursor),
    )


def read_input(name: str, cursor: Cursor) -> Input | None:
    """Return one input, in the short form (its type) or the long one. None where not even the type is known."""
    if not isinstance(cursor.value, str | dict):
        cursor.expect("the type of an input, or a mapping with `type`")
        return None
    cursor.only(ALL_KEYS, "an input", _FOREIGN_KEYS)
    declared = cursor if isinstance(cursor.value, str) else cursor.get("type")
    if declared is None:
        cursor.error(
            "missing-key", f"The input {cursor.name} has no `type`.", "Write for instance `type: text-input`.", True
        )
    kind = _kind(declared) if declared is not None else None
    if kind is None:
        _without_default(name, None, cursor)  # for what is wrong with the other keys, whatever the type will be
        return None
    for key, member in cursor.members():
        if key in ALL_KEYS and key not in COMMON_KEYS and key not in INPUT_TRAITS[kind].keys:
            kinds = names_listed([each for each in INPUT_KINDS if key in INPUT_TRAITS[each].keys])
            member.error("key-not-applicable", f"`{key}` does not apply to `{kind}`.", f"It is for {kinds}.", key=True)
    input_ = _without_default(name, kind, cursor)
    default = _applying(cursor, kind, "default")
    usable = default is not None and check_input_value(default, input_)
    return replace(input_, default=default.value) if default is not None and usable else input_


def _kind(cursor: Cursor) -> InputKind | None:
    word = cursor.value
    if not isinstance(word, str):
        cursor.expect("the name of an input type")
        return None
    if word in INPUT_KINDS:
        return word
    foreign = FOREIGN_WORDS.get(word.lower())
    hint = f"Did you mean `{foreign}`?" if foreign else cursor.report.suggestion(word, INPUT_KINDS)
    cursor.error("unknown-type", f"`{shown(word)}` is not an input type.", hint)
    return None


def _without_default(name: str, kind: InputKind | None, cursor: Cursor) -> Input:
    """Return what is declared. Where the type is not known, every key may apply, and the result means nothing."""
    if kind == "select" and not cursor.has("options"):
        cursor.error(
            "missing-key", f"The select {cursor.name} has no `options`.", "List the texts to choose from.", key=True
        )
    limit = _applying(cursor, kind, "max_length")
    methods = _words(cursor, kind, "allowed_file_upload_methods", UPLOAD_METHODS)
    input_ = Input(
        name=name,
        kind=kind or "paragraph",
        required=cursor.flag_of("required", usual=not cursor.has("default")),
        label=cursor.text_of("label"),
        description=cursor.text_of("description"),
        max_length=limit.limit() if limit is not None else None,
        options=_texts(cursor, kind, "options"),
        allowed_file_types=_words(cursor, kind, "allowed_file_types", FILE_TYPES),
        allowed_file_extensions=_texts(cursor, kind, "allowed_file_extensions"),
        allowed_file_upload_methods=methods,
        type=_object_type(cursor, kind),
    )
    _check_extensions(cursor, input_)
    return input_


def _applying(cursor: Cursor, kind: InputKind | None, key: str) -> Cursor | None:
    """Return the value of a key, unless it has been noted that the key means nothing here."""
    return cursor.get(key) if kind is None or key in INPUT_TRAITS[kind].keys else None


def _texts(cursor: Cursor, kind: InputKind | None, key: str) -> tuple[str, ...]:
    member = _applying(cursor, kind, key)
    return member.texts() if member is not None else ()


def _words(cursor: Cursor, kind: InputKind | None, key: str, known: tuple[str, ...]) -> tuple[str, ...]:
    member = _applying(cursor, kind, key)
    return member.words(known) if member is not None else ()


def _check_extensions(cursor: Cursor, input_: Input) -> None:
    """Extensions and the type `custom` need each other: Dify looks at the extensions of custom files alone."""
    custom = "custom" in input_.allowed_file_types
    if input_.allowed_file_extensions and not custom:
        message = "`allowed_file_extensions` has no effect: `allowed_file_types` does not hold `custom`."
        cursor.report.warn("no-effect", message, (*cursor.path, "allowed_file_extensions"))
    if custom and not input_.allowed_file_extensions:
        message = "Custom files are all refused: `allowed_file_extensions` is missing."
        cursor.report.warn("no-effect", message, (*cursor.path, "allowed_file_types"))


def _object_type(cursor: Cursor, kind: InputKind | None) -> ObjectOf | None:
    schema, properties = _applying(cursor, kind, "json_schema"), _applying(cursor, kind, "properties")
    if schema is not None and properties is not None:
        properties.error(
            "key-not-applicable", "`properties` does not apply here.", "`json_schema` is given already.", True
        )
    if schema is not None:
        return _type_of_schema(schema)
    if properties is None:
        return None
    described: JsonValue = {"properties": properties.value}
    return cast(ObjectOf, read_type(Cursor(described, cursor.path, cursor.report, cursor.name), ITEM))


def _type_of_schema(cursor: Cursor) -> ObjectOf | None:
    schema = json_of(cursor.value) if isinstance(cursor.value, str) else cursor.value
    if not isinstance(schema, dict):
        code = "bad-json" if isinstance(cursor.value, str) else "wrong-type"
        cursor.expect("a JSON Schema", "Give a JSON Schema as a mapping or as JSON text.", code)
        return None
    type_ = type_of_schema(schema)
    if isinstance(type_, ObjectOf):
        return type_
    if type_ is not Primitive.ANY and not any(isinstance(member, ObjectOf) for member in members_of(type_)):
        cursor.error("schema-not-object", "The JSON Schema allows no object.", "Its `type` must be `object`.")
    return None


def read_examples(
    root: Cursor, kind: AppKind, inputs: Sequence[Input], outputs: Sequence[Output]
) -> tuple[Example, ...]:
    """Return the sample calls of a spec."""
    examples = root.get("examples")
    if examples is None:
        return ()
    keys = (*["query"] * kind.has_conversations, "inputs", "outputs" if kind.has_outputs else "answer")
    if not isinstance(examples.value, list):
        examples.expect(f"a list of mappings with {names_listed(keys)}")
    return tuple(_example(cursor, keys, root, inputs, outputs) for cursor in examples)


def _example(
    cursor: Cursor, keys: Sequence[str], root: Cursor, inputs: Sequence[Input], outputs: Sequence[Output]
) -> Example:
    if not isinstance(cursor.value, dict):
        Cursor(cursor.value, cursor.path, cursor.report, "An example").expect(f"a mapping with {names_listed(keys)}")
        return Example()
    cursor.only(keys, "an example")
    required = [input_.name for input_ in inputs if input_.required and input_.default is None]
    always = [output.name for output in outputs if not output.optional] if cursor.has("outputs") else []
    return Example(
        query=cursor.text_of("query") if "query" in keys else "",
        answer=cursor.text_of("answer") if "answer" in keys else "",
        inputs=_values(
            cursor, "inputs", root, required, {each.name: partial(check_input_value, input_=each) for each in inputs}
        ),
        outputs=(
            _values(
                cursor, "outputs", root, always, {each.name: partial(_check_output, output=each) for each in outputs}
            )
            if "outputs" in keys
            else {}
        ),
    )


def _check_output(cursor: Cursor, output: Output) -> bool:
    return (cursor.value is None and output.optional) or check_value(cursor, output.type)


def _values(
    cursor: Cursor, key: str, root: Cursor, required: Collection[str], checks: Mapping[str, Check]
) -> Mapping[str, JsonValue]:
    """Return the values of a sample call's inputs or outputs, with what does not fit the declarations noted."""
    values = cursor.mapping_of(key, "names to values")
    if cursor.has(key) and values is None:
        return {}
    given = dict(values.members()) if values is not None else {}
    for name, value in given.items():
        if name in checks:
            checks[name](value)
        elif (declared := root.get(key)) is None or not declared.has(name):
            # A declaration with a mistake in it is no second mistake here.
            hint = value.report.suggestion(name, tuple(checks)) if checks else ""
            value.error("unknown-name", f"`{shown(name)}` is none of the spec's {key}.", hint, key=True)
    if missing := [name for name in required if name not in given]:
        (values or cursor).error("missing-value", f"The example's {key} lack {names_listed(missing)}.", key=True)
    return {name: value.value for name, value in given.items()}


# What only some kinds of app have: variables, tools, files of a call, and what is switched on


def _with_specifics(root: Cursor, app: App) -> App:
    """Return the app with what only its kind has."""
    kind = app.kind

    def of(key: str) -> Cursor | None:
        return root.get(key) if key in kind.keys else None

    tools, files = of("tools"), root.get("files")
    variables = root.mapping_of("variables", "names to types") if "variables" in kind.keys else None
    return replace(
        app,
        variables=tuple(_variable(*each) for each in variables.members()) if variables is not None else (),
        tools=tuple(Tool(name=name) for name in tools.texts()) if tools is not None else (),
        files=_files(files) if files is not None else None,
        features=_features(root, kind),
    )


def _variable(name: str, cursor: Cursor) -> Variable:
    type_ = read_type(cursor, VARIABLE)
    initial = cursor.get("initial") if isinstance(cursor.value, dict) else None
    fits = initial is not None and check_value(initial, type_)
    return Variable(
        name=name,
        type=type_,
        initial=initial.value if initial is not None and fits else None,
        description=description(cursor),
    )


def _files(cursor: Cursor) -> TurnFiles | None:
    """Return the rules for files: `true` for any, or a mapping."""
    if isinstance(cursor.value, bool):
        return TurnFiles() if cursor.value else None
    if not isinstance(cursor.value, dict):
        cursor.expect("true, false, or a mapping of rules")
        return None
    cursor.only(FILES_KEYS, "the rules for files")
    types, extensions, methods = cursor.get("types"), cursor.get("extensions"), cursor.get("methods")
    count = cursor.get("max_count")
    return TurnFiles(
        types=types.words(FILE_TYPES) if types is not None else (),
        extensions=extensions.texts() if extensions is not None else (),
        methods=methods.words(UPLOAD_METHODS) if methods is not None else (),
        max_count=count.limit() if count is not None else None,
    )


def _features(root: Cursor, kind: AppKind) -> Features:
    def flag(key: str) -> bool:
        return key in kind.keys and root.flag_of(key)

    speech = root.get("text_to_speech") if "text_to_speech" in kind.keys else None
    plays = False
    if speech is not None and isinstance(speech.value, dict):
        speech.only(SPEECH_KEYS, "`text_to_speech`")
        plays = speech.flag_of("auto_play")
    elif speech is not None:
        speech = speech if speech.flag(False) else None
    questions = root.get("suggested_questions") if "suggested_questions" in kind.keys else None
    return Features(
        opening_statement=root.text_of("opening_statement") if "opening_statement" in kind.keys else "",
        suggested_questions=questions.texts() if questions is not None else (),
        suggested_questions_after_answer=flag("suggested_questions_after_answer"),
        speech_to_text=flag("speech_to_text"),
        text_to_speech=speech is not None,
        auto_play=plays,
    )
