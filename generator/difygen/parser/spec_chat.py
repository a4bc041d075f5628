"""What a spec of a chat-type app says beside its inputs: variables, tools, files of a turn, and what is switched on."""

from __future__ import annotations

from collections.abc import Mapping

from difygen.cursor import Cursor
from difygen.model import AGENT, CHAT, CHATFLOW, COMPLETION, WORKFLOW, App, AppKind, Features, Tool, TurnFiles, Variable
from difygen.parser.spec_types import VARIABLE, check_value, description, read_type
from difygen.record import replace
from difygen.wording import names_listed

_TALKING = (CHATFLOW, CHAT, AGENT)
_SPOKEN = (*_TALKING, COMPLETION)
KEYS: Mapping[str, tuple[AppKind, ...]] = {
    "outputs": (WORKFLOW,),
    "variables": (CHATFLOW,),
    "tools": (AGENT,),
    "files": (WORKFLOW, *_SPOKEN),
    "opening_statement": _TALKING,
    "suggested_questions": _TALKING,
    "suggested_questions_after_answer": _TALKING,
    "speech_to_text": _SPOKEN,
    "text_to_speech": _SPOKEN,
}
"""Which kinds of app a key of a spec is for, where it is not for all."""

FILE_TYPES = ("image", "document", "audio", "video", "custom")
UPLOAD_METHODS = ("local_file", "remote_url")
FILES_KEYS = ("types", "extensions", "methods", "max_count")
SPEECH_KEYS = ("auto_play",)


def check_keys(root: Cursor, kind: AppKind) -> None:
    """Note the keys that are not for this kind of app."""
    for key, member in root.members():
        if kind not in KEYS.get(key, (kind,)):
            kinds = names_listed([each.name for each in KEYS[key]])
            message = f"`{key}` does not apply to {kind.noun}."
            member.error("key-not-applicable", message, f"It is for apps of the mode {kinds}.", key=True)


def read_chat(root: Cursor, app: App) -> App:
    """Return the app with what only its kind has."""
    kind = app.kind

    def of(key: str) -> Cursor | None:
        return root.get(key) if kind in KEYS[key] else None

    tools, files = of("tools"), of("files")
    variables = root.mapping_of("variables", "names to types") if kind in KEYS["variables"] else None
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
        return kind in KEYS[key] and root.flag_of(key)

    speech = root.get("text_to_speech") if kind in KEYS["text_to_speech"] else None
    plays = False
    if speech is not None and isinstance(speech.value, dict):
        speech.only(SPEECH_KEYS, "`text_to_speech`")
        plays = speech.flag_of("auto_play")
    elif speech is not None:
        speech = speech if speech.flag(False) else None
    questions = root.get("suggested_questions") if kind in KEYS["suggested_questions"] else None
    return Features(
        opening_statement=root.text_of("opening_statement") if kind in KEYS["opening_statement"] else "",
        suggested_questions=questions.texts() if questions is not None else (),
        suggested_questions_after_answer=flag("suggested_questions_after_answer"),
        speech_to_text=flag("speech_to_text"),
        text_to_speech=speech is not None,
        auto_play=plays,
    )
