"""What the turns of one conversation share: its id, and whose turn it is."""

from ._errors import ConfigurationError, ConversationMismatchError
from ._models import is_same_run
from ._transport import Transport, TurnSlot, Turnstile


class ConversationState:
    """One conversation, from before its first turn on.

    The server runs turns of one conversation side by side if it is asked to: which of
    them the next one goes on from is chance then. Here each waits for the one before.
    """

    __slots__ = ("_turnstile", "id", "is_deleted")

    def __init__(self, conversation_id: str | None = None) -> None:
        self.id = checked_conversation_id(conversation_id)
        self.is_deleted = False
        self._turnstile = Turnstile()

    async def acquire(self, transport: Transport, deadline: float) -> TurnSlot:
        """Wait until no other turn goes on; then `id` is what is to be sent.

        Raises:
            ConfigurationError: The conversation was deleted meanwhile.
            DeadlineExceededError: The time was up before it was this one's turn.
        """
        slot = await transport.enter(self._turnstile, deadline)
        if self.is_deleted:
            slot.release()
            raise ConfigurationError(
                "This conversation was deleted: begin another one. Nothing was sent"
            )
        return slot

    def see(self, conversation_id: str | None) -> None:
        """Take note of the conversation that an answer or an event belongs to.

        Raises:
            ConversationMismatchError: It is another one.
        """
        if not conversation_id:
            return
        if self.id is None:
            self.id = conversation_id
        elif not is_same_run(self.id, conversation_id):
            raise ConversationMismatchError(
                f"The server answered in the conversation {conversation_id[:100]}, not in "
                f"{self.id}: it knows no such conversation of this user, and began another "
                "one without a word (seen on 1.15)",
                conversation_id=conversation_id,
            )


def checked_conversation_id(value: object) -> str | None:
    """Return the id of a conversation, None for a new one."""
    if value is not None and not isinstance(value, str):
        raise ConfigurationError(
            f"conversation_id must be a str, not {type(value).__name__}"
        )
    return value or None
