"""The mistakes of a user that end a command with one sentence and exit code 2. Knows nothing of what made the sentence."""

from __future__ import annotations


class UsageProblem(Exception):
    """What a user gave cannot be used: whole sentences, fit to be shown as they are, and perhaps a note below them."""

    def __init__(self, *sentences: str, note: str = "") -> None:
        super().__init__("\n".join(sentences))
        self.sentences = sentences
        self.note = note

    def lines(self) -> list[str]:
        """What is shown."""
        return [*(f"Error: {sentence}" for sentence in self.sentences), *([self.note] if self.note else [])]


class DefinitionProblem(UsageProblem):
    """A definition cannot be used. The sentences are diagnostics, which say themselves that they are errors."""

    def lines(self) -> list[str]:
        """What is shown."""
        return list(self.sentences)
