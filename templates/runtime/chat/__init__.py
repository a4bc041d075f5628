"""What clients of chat-type apps need beside the core, which knows nothing of it.

Import its names from the package above, which imports them when they are first asked for.
"""

from ._async_client import (
    AsyncChatClient,
    AsyncChatflowClient,
    AsyncCompletionClient,
    AsyncConversation,
    AsyncTurn,
    AsyncTurnStream,
)
from ._client import (
    ChatClient,
    ChatflowClient,
    CompletionClient,
    Conversation,
    Turn,
    TurnStream,
)
from ._conversations import (
    Annotation,
    AnnotationJob,
    Citation,
    ConversationVariable,
    Feedback,
    StoredConversation,
    StoredForm,
    StoredMessage,
    Variables,
)
from ._operations import ConversationOrder, Rating
from ._turns import (
    AnswerOutputs,
    ChatInfo,
    CompletionInfo,
    CompletionOptions,
    CompletionStreamOptions,
    TurnBase,
    TurnError,
    TurnFailedError,
    TurnInfo,
    TurnOptions,
    TurnPausedError,
    TurnStatus,
    TurnStoppedError,
    TurnStreamOptions,
    Usage,
)

__all__ = [
    "Annotation",
    "AnnotationJob",
    "AnswerOutputs",
    "AsyncChatClient",
    "AsyncChatflowClient",
    "AsyncCompletionClient",
    "AsyncConversation",
    "AsyncTurn",
    "AsyncTurnStream",
    "ChatClient",
    "ChatInfo",
    "ChatflowClient",
    "Citation",
    "CompletionClient",
    "CompletionInfo",
    "CompletionOptions",
    "CompletionStreamOptions",
    "Conversation",
    "ConversationOrder",
    "ConversationVariable",
    "Feedback",
    "Rating",
    "StoredConversation",
    "StoredForm",
    "StoredMessage",
    "Turn",
    "TurnBase",
    "TurnError",
    "TurnFailedError",
    "TurnInfo",
    "TurnOptions",
    "TurnPausedError",
    "TurnStatus",
    "TurnStoppedError",
    "TurnStream",
    "TurnStreamOptions",
    "Usage",
    "Variables",
]

# Tracebacks, help() and pickles name them as users import them.
for _name in __all__:
    if isinstance(_public := globals()[_name], type):
        _public.__module__ = __name__.removesuffix(".chat").removesuffix("._runtime")
