"""What `difygen mock … --handler examples.handlers:concat` answers with: functions from the inputs to the outputs."""

from collections.abc import Mapping
from typing import Any


def concat(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Joins the three inputs, as the workflow of the same name does."""
    return {"result": f"{inputs['string']}{inputs['num']}{inputs['list']}"}
