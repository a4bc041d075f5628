"""Human-input forms: what a paused run asks, and what can be answered.

Forms come from three places with slightly different members: the `human_input_required`
event (1.13), the `reasons` of a pause, and the form endpoint (1.14).
"""

from typing import Any

from ._records import (
    Record,
    read_flag,
    read_maybe_text,
    read_moment,
    read_object,
    read_text,
    to_objects,
)


class FormAction(Record):
    """A button of a form. `id` is what `submit_form(action=...)` takes."""

    __slots__ = ()
    _shown = "id title"

    id = read_text()
    title = read_text()
    button_style = read_text()


class FormInput(Record):
    """A field of a form. `name` is its key in `submit_form(inputs=...)`.

    `type` is `text_input` or `paragraph`, since 1.15 also `select`, `file`, `file-list`.
    """

    __slots__ = ()
    _shown = "name type"

    type = read_text()
    name = read_text("output_variable_name")
    default = read_object()


class Form(Record):
    """A human-input form.

    `form_token` is what the API knows the form by. It is None where the form goes to
    people by other ways than the API, and where the server did not tell it (a blocking
    answer before 1.14).
    """

    __slots__ = ()
    _shown = "node_title form_token actions inputs"

    form_id = read_maybe_text()
    form_token = read_maybe_text()
    node_id = read_text()
    node_title = read_text()
    form_content = read_text()
    display_in_ui = read_flag()
    resolved_default_values = read_object()
    expiration_time = read_moment()

    @property
    def inputs(self) -> tuple[FormInput, ...]:
        """The fields to fill in."""
        return tuple(FormInput(item) for item in to_objects(self.raw.get("inputs")))

    @property
    def actions(self) -> tuple[FormAction, ...]:
        """The buttons: one of them is the answer."""
        items = self.raw.get("actions") or self.raw.get("user_actions")
        return tuple(FormAction(item) for item in to_objects(items))


def forms_of(pause: dict[str, Any]) -> tuple[Form, ...]:
    """The forms among the `reasons` of a pause (seen just before 1.13)."""
    reasons = to_objects(pause.get("reasons"))
    return tuple(
        Form(reason)
        for reason in reasons
        if reason.get("TYPE") == "human_input_required" or "form_id" in reason
    )
