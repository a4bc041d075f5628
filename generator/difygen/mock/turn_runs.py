"""How a turn begins, and what a blocking answer says of it. Knows nothing of HTTP."""

from __future__ import annotations

import uuid
from typing import NamedTuple

from difygen.mock.conversations import ConversationRow, ConversationStore
from difygen.mock.definition import Definition, JsonObject
from difygen.mock.engine.chatflow import ChatflowTurn
from difygen.mock.engine.simulation import Identity
from difygen.mock.engine.turns import FormTurn, Turn
from difygen.mock.errors import Faults
from difygen.mock.runs import Run, RunStore
from difygen.model import CHATFLOW


class Asking(NamedTuple):
    """Who asks what: `inputs` are checked, `given` those that came; `files` are resolved."""

    user: str
    query: str
    inputs: JsonObject
    given: JsonObject
    files: list[JsonObject]


def start_turn(
    runs: RunStore,
    chats: ConversationStore,
    definition: Definition,
    asking: Asking,
    conversation: ConversationRow | None,
    faults: Faults,
) -> Run:
    """Store a turn, of a new conversation unless it goes on with one, and let it go on by itself."""
    user, query, inputs, given, files = asking
    row = chats.begin(definition, user, query, inputs, conversation)
    for file in files:
        row.attach(file, "user")
    conversation = chats.conversations.get(row.conversation_id)
    count = len(conversation.messages) if conversation else 1
    is_chatflow = definition.workflow.kind is CHATFLOW
    user_id = runs.user_id(definition, user)
    identity = Identity(str(uuid.uuid4()) if is_chatflow else row.id, str(uuid.uuid4()), user, user_id)
    system = {
        "sys.query": query,
        "sys.files": files,
        "sys.user_id": user,
        "sys.dialogue_count": count,
        "sys.app_id": definition.id("app"),
        "sys.workflow_id": definition.id("workflow"),
        "sys.workflow_run_id": identity.run_id,
    }
    variables = conversation.variables if conversation else {}
    turn: Turn
    arguments = (definition, identity, inputs, system, runs.files, faults, runs.latency)
    annotation = chats.annotation(definition, query)
    if is_chatflow:
        turn = ChatflowTurn(*arguments, row=row, dialogue_count=count, annotation=annotation, variables=variables)
    else:
        turn = FormTurn(*arguments, row=row, dialogue_count=count, annotation=annotation)
    return runs.launch(Run(definition, turn, faults, identity.run_id, identity.task_id, user, given))


def turn_body(run: Run, turn: Turn) -> JsonObject:
    """Return a turn in one piece. A paused one says so, and who is asked what (seen on 1.14.2)."""
    row, end = turn.row, next((each for each in run.events if each["event"] == "message_end"), None)
    metadata = end["metadata"] if end else turn.metadata(0, 0) | {"usage": None}
    body: JsonObject = {
        "event": "message",
        "task_id": run.task_id,
        "id": row.id,
        "message_id": row.id,
        "conversation_id": row.conversation_id,
        "mode": run.definition.workflow.mode,
        "answer": row.answer,
        "metadata": metadata,
        "created_at": row.created_at,
    }
    if not row.conversation_id:
        del body["conversation_id"]
    if run.status != "paused":
        return body
    paused = run.events[-1]["data"]
    shared = {key: body[key] for key in ("id", "mode", "conversation_id", "message_id", "answer", "metadata")}
    kept = ("paused_nodes", "reasons", "status", "elapsed_time", "total_tokens", "total_steps")
    data = shared | {"workflow_run_id": run.id, "created_at": row.created_at} | {key: paused[key] for key in kept}
    return body | {"event": "workflow_paused", "workflow_run_id": run.id, "data": data}
