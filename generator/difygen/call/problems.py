"""The mistakes of a user that end a command with one sentence and exit code 2. Knows nothing of what made the sentence."""

from __future__ import annotations


class UsageProblem(Exception):
    """What a user gave cannot be used. Each line of the text is a whole sentence, fit to be shown as it is."""

    def __init__(self, *sentences: str) -> None:
        super().__init__("\n".join(sentences))
        self.sentences = sentences

    def lines(self) -> list[str]:
        """What is shown."""
        return [f"Error: {sentence}" for sentence in self.sentences]


class DefinitionProblem(UsageProblem):
    """A definition cannot be used. The sentences are diagnostics, which say themselves that they are errors."""

    def lines(self) -> list[str]:
        """What is shown."""
        return list(self.sentences)
