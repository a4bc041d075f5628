"""Plans a workflow's outputs: the fields of their model, and when each may be missing.

Knows nothing of methods and modules.
"""

from __future__ import annotations

from collections.abc import Mapping

from difygen.code import Code, Identifier, docstring
from difygen.layout import INDENT
from difygen.model import App, Output, Property, Type
from difygen.plan.hints import BUILTINS, ModelPlan, Names, class_head, fields, output_field
from difygen.plan.prose import one_line, sentence


def plan_outputs(
    workflow: App, types: Mapping[str, Type], owner: Identifier, pythonic: Mapping[str, Identifier], names: Names
) -> None:
    """The model of the outputs, after those of the objects in it."""
    hidden = BUILTINS.intersection(pythonic.values())
    plans: list[tuple[Code, list[str]]] = []
    for output in workflow.outputs:
        member = Property(output.name, types[output.name], not output.optional, _output_text(output))
        plans.append(output_field(output.name, pythonic[output.name], member, owner, names, hidden))
    base = names.use("._runtime", "Outputs")
    names.models.append(
        ModelPlan(
            owner,
            class_head(owner, base, limit=names.limit),
            docstring([f"What `{one_line(workflow.name)}` gives."], INDENT),
            fields(plans),
        )
    )


def _output_text(output: Output) -> str:
    texts = [sentence(output.description)]
    if output.optional and output.reason:
        texts.append(sentence(output.reason))
    return " ".join(filter(None, texts))
