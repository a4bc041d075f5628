"""Why an output may be absent, in the language of a page. Readers of definitions say it in English."""

from __future__ import annotations

from difygen.codegen.describe import sentence
from difygen.documents.pages.page import Prose, foreign
from difygen.documents.pages.words import Words


def reason_in(words: Words, reason: str) -> Prose:
    """Return a reason as a sentence; nothing for none."""
    return foreign(sentence(reason))
