"""What `difygen mock … --handler examples.handlers:concat` answers with: a function from a run's inputs to its outputs."""

from collections.abc import Mapping
from typing import Any


def concat(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Joins the three inputs, as the workflow of the same name does."""
    return {"result": f"{inputs['string']}{inputs['num']}{inputs['list']}"}
