"""The releases of Dify, and what is other in one than in the next: one table for the doctor, the mock and the docs.

Generated clients need no table: they go by what a server does, since its header X-Version can be taken away on the
way, and commits between two releases call themselves like the earlier one.
"""

from __future__ import annotations

import re

from difygen.record import Record

Version = tuple[int, int, int]

_ALWAYS: Version = (0, 0, 0)
_NEVER: Version = (9999, 0, 0)

FIRST_WITH_WORKFLOWS: Version = (0, 6, 0)
FIRST_WITH_HUMAN_INPUT: Version = (1, 13, 0)
FIRST_WITH_FORMS: Version = (1, 14, 0)
NEWEST_SEEN: Version = (1, 14, 2)
"""The newest release of which there are recordings."""
NEWEST_KNOWN: Version = (1, 17, 1)
"""The newest release whose changes the table holds."""
MOCKED: tuple[Version, ...] = ((1, 12, 1), (1, 13, 3), (1, 14, 2), (1, 15, 0), (1, 16, 1), NEWEST_KNOWN)
"""What the mock can be, each the last patch of its release."""


class Trait(Record):
    """Something that holds from one release (included) up to another (excluded).

    `source` says how it is known: the release it was seen on, or where it was read. `advice` is what it means for
    whoever calls the server, as a sentence, empty where they need not know; `mock` what the mock does about it, which
    asks for traits by their names.
    """

    since: Version
    before: Version
    source: str
    advice: str = ""
    mock: str = ""


TRAITS: dict[str, Trait] = {
    "no-run-lookup": Trait(_ALWAYS, (0, 6, 15), "sources", "It has no endpoint to look a run up again."),
    "no-logs": Trait(_ALWAYS, (0, 8, 2), "sources", "It has no logs endpoint."),
    "no-file-inputs": Trait(_ALWAYS, (0, 10, 0), "sources", "It takes no files in inputs."),
    "no-site": Trait(_ALWAYS, (1, 4, 0), "sources", "It has no /site endpoint."),
    "no-versions": Trait(_ALWAYS, (1, 7, 2), "sources", "It cannot run a chosen version of a workflow (workflow_id)."),
    "owners-stop": Trait(_ALWAYS, (1, 9, 0), "sources", "A run is stopped only by the same user that started it."),
    "short-node-data": Trait(
        (1, 9, 0),
        (1, 10, 0),
        "sources",
        "It shortens long node data in streams; outputs of the run are whole.",
    ),
    "no-defaults": Trait(
        _ALWAYS,
        (1, 10, 1),
        "sources",
        "It ignores defaults of inputs that are left out; generated clients send them.",
    ),
    "prompt-refusals": Trait(
        _ALWAYS,
        (1, 13, 0),
        "seen on 1.12.1",
        "Wrong inputs are refused with 400 at once, streaming included.",
        mock="Wrong inputs and files are a 400 also when a stream was asked for.",
    ),
    "no-human-input": Trait(
        _ALWAYS,
        FIRST_WITH_HUMAN_INPUT,
        "seen on 1.12.1",
        "It accepts human-input nodes and then hangs: a stream pings for ever, a blocking call is never answered.",
        mock="A run goes no further than to a human-input node: its stream pings, a blocking call is not answered.",
    ),
    "detail-as-text": Trait(
        _ALWAYS, (1, 13, 0), "seen on 1.12.1", mock="`outputs` of a run's detail is JSON text; later it is an object."
    ),
    "unknown-run-is-null": Trait(
        _ALWAYS,
        (1, 13, 1),
        "seen on 1.12.1",
        "A run that it does not know is answered with 200 and nulls; generated clients raise NotFoundError.",
        mock="An unknown run is 200 with every field null; later it is 404.",
    ),
    "run-ends-before-message": Trait(
        _ALWAYS,
        (1, 13, 1),
        "seen on 1.12.1",
        mock="A chatflow's `workflow_finished` comes before `message_end`, which a stopped turn has, too, and a failed "
        "one an `error` in its place; later it comes last.",
    ),
    "no-extra-contents": Trait(
        _ALWAYS,
        FIRST_WITH_HUMAN_INPUT,
        "sources",
        mock="Stored messages have no `extra_contents`, where forms are told.",
    ),
    "no-answer-files": Trait(
        _ALWAYS, (1, 13, 1), "sources", mock="`message_end` of apps without a graph tells no files of the answer."
    ),
    "no-message-end": Trait(
        (1, 13, 0),
        (1, 13, 1),
        "reported",
        "A chatflow's stream ends before message_end, so that a turn has no usage, citations and files.",
    ),
    "worker-streams": Trait(
        (1, 13, 0),
        _NEVER,
        "seen on 1.14.2",
        "Streaming runs execute in a Celery worker: where a stream brings pings and nothing else, "
        "see whether the worker runs.",
        mock="Streams of workflows and chatflows begin with a ping and end with `workflow_finished`, whatever comes "
        "behind it; their `workflow_started` has a `reason`.",
    ),
    "silent-refusals": Trait(
        (1, 13, 0),
        (1, 15, 0),
        "seen on 1.14.2",
        "A stream whose inputs or files it refuses brings one ping and then nothing, for 300 s; "
        "generated clients check inputs first, and give up after 25 s of silence.",
        mock="A stream of wrong inputs or files is one ping and then nothing, for 300 s (`silence=` of `mock_dify`).",
    ),
    "refusals-as-events": Trait(
        (1, 15, 0),
        _NEVER,
        "seen on a commit of June 2026",
        "A stream whose inputs or files it refuses brings an error event with status 500; "
        "generated clients raise InvalidParamError.",
        mock="A stream of wrong inputs or files has an `error` event with status 500 and no code, and stays open.",
    ),
    "system-in-start": Trait(
        _ALWAYS,
        FIRST_WITH_FORMS,
        "seen on 1.12.1",
        mock="The start node of a run gives `sys.*`, too; later only the inputs.",
    ),
    "model-in-inputs": Trait(
        FIRST_WITH_FORMS,
        _NEVER,
        "seen on 1.14.2",
        mock="An LLM node says in its inputs which model it asks.",
    ),
    "pydantic-2.11": Trait(
        _ALWAYS,
        FIRST_WITH_FORMS,
        "seen on 1.12.1",
        mock="Refusals of bodies link to pydantic 2.11, later 2.12.",
    ),
    "bare-pauses": Trait(
        _ALWAYS,
        FIRST_WITH_FORMS,
        "seen on a commit of January 2026",
        mock="A pause tells `display_in_ui` but no `expiration_time`, a blocking answer no `reasons`.",
    ),
    "no-events": Trait(
        _ALWAYS,
        FIRST_WITH_FORMS,
        "sources",
        "It has no events endpoint: a broken stream cannot be taken up again, its run is looked up instead.",
        mock="There are no endpoints for events and forms; the web app's own for forms is there.",
    ),
    "unchecked-answers": Trait(
        FIRST_WITH_FORMS,
        _NEVER,
        "seen on 1.14.2 and a commit of June 2026",
        "It does not check the values of forms: a number for a text fails the run, a text that is no option is taken; "
        "generated clients check them first.",
    ),
    "useless-tokens": Trait(
        FIRST_WITH_FORMS,
        (1, 16, 0),
        "seen on 1.14.2",
        "A form that is not delivered to the web app has a token that no endpoint knows; generated clients say so.",
    ),
    "stop-may-fail": Trait(
        (1, 9, 0),
        (1, 16, 0),
        "seen on 1.14.2",
        "A run that was stopped may end as failed with 'User requested stop'.",
        mock="A chatflow that another user stops ends as `failed`, once its node has ended; any run does so with the "
        "fault `stop-fails`.",
    ),
    "stopped-stays-running": Trait(
        _ALWAYS,
        (1, 15, 0),
        "seen on 1.12.1 and 1.14.2",
        "A run that was stopped stays stored as running: take its end from its stream, not from the stored run.",
        mock="The stored run stays `running`, and its events endpoint pings for ever.",
    ),
    "owned-files": Trait(
        (1, 14, 0),
        _NEVER,
        "seen on 1.14.2",
        "A file belongs to the user who uploaded it: upload and run as the same user.",
        mock="A file that another user uploaded is refused.",
    ),
    "lost-first-events": Trait(
        (1, 13, 0),
        (1, 17, 0),
        "reported",
        "The first events of a run may get lost on their way from the worker; generated clients take ids from any.",
    ),
    "new-conversation": Trait(
        (1, 15, 0),
        (1, 16, 0),
        "seen on a commit of June 2026",
        "A chatflow asked in a conversation that it does not know begins a new one; "
        "generated clients raise ConversationMismatchError.",
        mock="An unknown conversation begins a new one.",
    ),
    "upload-references": Trait(
        (1, 15, 0),
        _NEVER,
        "seen on a commit of June 2026",
        mock="The answer to an upload has a `reference`, null.",
    ),
    "checked-forms": Trait(
        (1, 15, 0),
        _NEVER,
        "sources",
        mock="Forms refuse texts that are no options, and files of the wrong shape; earlier they take them.",
    ),
    "submitted-data": Trait(
        (1, 15, 0),
        _NEVER,
        "sources",
        mock="`human_input_form_filled` has the answers, too: `submitted_data`.",
    ),
    "unknown-conversation-is-404": Trait(
        (1, 16, 0), _NEVER, "sources", mock="An unknown conversation is 404 before the stream opens."
    ),
    "approval-channels": Trait(
        (1, 16, 0),
        _NEVER,
        "sources",
        "A form that is not delivered to the web app has no token; approval_channels says where it is answered.",
        mock="A form that is not delivered to the web app has no token; `approval_channels` says where else forms are "
        "answered.",
    ),
    "reasoning-metadata": Trait(
        (1, 16, 0), _NEVER, "sources", mock="What models thought is in a turn's `metadata.reasoning`, by node."
    ),
    "speech-to-text-disabled": Trait(
        (1, 16, 0),
        _NEVER,
        "sources",
        mock="Speech where it is switched off is refused as `speech_to_text_disabled`; earlier as `invalid_param`.",
    ),
    "file-references": Trait((1, 14, 0), _NEVER, "seen on 1.14.2", mock="Files have a `reference` and no `tenant_id`."),
}
"""What is other from release to release, by name; what comes first in a release's list comes first."""


class Release(Record):
    """One release of Dify, as it is asked for what holds for it."""

    version: Version

    def __str__(self) -> str:
        return ".".join(map(str, self.version))

    def has(self, name: str) -> bool:
        """Return whether a trait of the table holds for it."""
        trait = TRAITS[name]
        return trait.since <= self.version < trait.before

    def advice(self) -> tuple[str, ...]:
        """Return what callers of such a server should know."""
        return tuple(trait.advice for name, trait in TRAITS.items() if trait.advice and self.has(name))

    @property
    def is_newer_than_known(self) -> bool:
        """Whether the table does not know yet what changed in it."""
        return self.version > NEWEST_KNOWN


MOCKED_BY_DEFAULT = Release(version=NEWEST_SEEN)


def parse_version(text: str) -> Version | None:
    """Return the release in a version text, or None: "1.12.1" and "1.14.0-rc1" are understood."""
    found = re.match(r"v?(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?", text)
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else None


def mocked_release(text: str) -> Release | None:
    """Return the release that "1.14" (its last patch) or "1.13.0" names; None for what no mock can be."""
    version = parse_version(text) if re.fullmatch(r"\d+\.\d+(\.\d+)?", text) else None
    last = next((each for each in MOCKED if version and each[:2] == version[:2]), None)
    if version is None or last is None or version > last:
        return None
    return Release(last if text.count(".") == 1 else version)


def what_can_be_mocked() -> str:
    """Return which releases the mock can be, as the end of a sentence."""
    return f"the mock can be Dify {', '.join(f'{major}.{minor}' for major, minor, _ in MOCKED)}"
