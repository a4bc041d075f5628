"""What a server's version means for a caller: a table of facts by release, taken from Dify's history and from recorded traffic."""

from __future__ import annotations

import re
from dataclasses import dataclass

Version = tuple[int, int, int]
_ALWAYS: Version = (0, 0, 0)
_NEVER: Version = (9999, 0, 0)


@dataclass(frozen=True, slots=True)
class Trait:
    """Something that holds from one release (included) up to another (excluded)."""

    since: Version
    before: Version
    text: str


FIRST_WITH_WORKFLOWS: Version = (0, 6, 0)
FIRST_WITH_HUMAN_INPUT: Version = (1, 13, 0)
FIRST_WITH_FORMS: Version = (1, 14, 0)

TRAITS = (
    Trait(_ALWAYS, (0, 6, 15), "It has no endpoint to look a run up again."),
    Trait(_ALWAYS, (0, 8, 2), "It has no logs endpoint."),
    Trait(_ALWAYS, (0, 10, 0), "It takes no files in inputs."),
    Trait(_ALWAYS, (1, 4, 0), "It has no /site endpoint."),
    Trait(_ALWAYS, (1, 7, 2), "It cannot run a chosen version of a workflow (workflow_id)."),
    Trait(_ALWAYS, (1, 9, 0), "A run is stopped only by the same user that started it."),
    Trait((1, 9, 0), (1, 10, 0), "It shortens long node data in streams; outputs of the run are whole."),
    Trait(_ALWAYS, (1, 10, 1), "It ignores defaults of inputs that are left out; generated clients send them."),
    Trait(_ALWAYS, (1, 13, 0), "Wrong inputs are refused with 400 at once, streaming included."),
    Trait(
        (1, 13, 0),
        _NEVER,
        "Streaming runs execute in a Celery worker: where streams bring pings and nothing else, see whether the worker runs.",
    ),
    Trait(
        (1, 13, 0),
        (1, 14, 3),
        "Inputs that it refuses show as a stream of pings until 300 s are over; generated clients check inputs first.",
    ),
    Trait(
        _ALWAYS,
        (1, 14, 0),
        "It has no events endpoint: a broken stream cannot be taken up again, its run is looked up instead.",
    ),
    Trait((1, 9, 0), (1, 16, 0), "A run that was stopped may end as failed with 'User requested stop'."),
    Trait((1, 14, 0), _NEVER, "A file belongs to the user who uploaded it: upload and run as the same user."),
)


def parse(text: str) -> Version | None:
    """The release in a version text, or None: "1.12.1" and "1.14.0-rc1" are known forms."""
    found = re.match(r"v?(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?", text)
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else None


def traits(version: Version) -> tuple[str, ...]:
    """What holds for that release."""
    return tuple(trait.text for trait in TRAITS if trait.since <= version < trait.before)
