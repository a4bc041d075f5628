"""What can be done with one conversation beside its turns, as flows."""

from typing import Any, Generic

from ._chat_operations import ChatOperations
from ._chat_responses import StoredConversation, StoredMessage
from ._conversation_state import ConversationState
from ._errors import ConfigurationError
from ._models import Inputs
from ._variables import VariablesT_co, check_variable, read_variables


class ConversationFlows(Generic[VariablesT_co]):
    """One conversation of one user: its `state`, and the inputs of all its turns."""

    def __init__(
        self,
        operations: ChatOperations,
        inputs: Inputs,
        conversation_id: str | None,
        user: str | None,
        variables: type[VariablesT_co] | None,
    ) -> None:
        self.operations = operations
        self.turns = operations.operations
        self.inputs = inputs
        self.state = ConversationState(conversation_id)
        self.user = self.turns.user(user)
        self._variables = variables

    def begun(self) -> str:
        """Return the id.

        Raises:
            ConfigurationError: The server does not know the conversation yet.
        """
        if self.state.is_deleted:
            raise ConfigurationError("This conversation was deleted")
        if self.state.id is None:
            raise ConfigurationError(
                "The conversation has no id yet: it begins with its first turn"
            )
        return self.state.id

    def model(self) -> type[VariablesT_co]:
        """Return the model of the variables that the app declares."""
        if self._variables is None:
            name = self.operations.app.name
            raise ConfigurationError(f"{name!r} has no conversation variables")
        return self._variables

    async def messages(self, limit: int | None) -> list[StoredMessage]:
        """Return the last turns, oldest first; none before the first one."""
        if self.state.id is None:
            return []
        return await self.operations.messages(self.begun(), self.user, limit)

    async def rename(self, name: str | None, auto: bool) -> StoredConversation:
        """Give the conversation a name, or have a model think of one."""
        return await self.operations.rename(self.begun(), name, auto, self.user)

    async def delete(self) -> None:
        """Delete the conversation, once no turn goes on."""
        turns = self.turns
        slot = await self.state.acquire(turns.transport, turns.deadline(None))
        try:
            await self.operations.delete(self.begun(), self.user)
            self.state.is_deleted = True
        finally:
            slot.release()

    async def variables(self) -> VariablesT_co:
        """Return the typed variables; their initial values before the first turn."""
        model = self.model()
        if self.state.id is None:
            return read_variables(model, ())
        rows = await self.operations.variables(self.begun(), self.user)
        return read_variables(model, rows)

    async def set_variable(self, name: str, value: Any) -> None:
        """Set a variable, once no turn goes on that might set it too."""
        variable, wire = check_variable(self.model(), name, value)
        turns = self.turns
        slot = await self.state.acquire(turns.transport, turns.deadline(None))
        try:
            await self.operations.set_variable(self.begun(), variable, wire, self.user)
        finally:
            slot.release()
