"""Plans a workflow's outputs: the fields of their model, and when each may be missing.

Knows nothing of methods and modules.
"""

from __future__ import annotations

from collections.abc import Mapping

from difygen.code import Code, Identifier, docstring
from difygen.layout import INDENT
from difygen.model import App, Output, Property, Type
from difygen.plan.hints import BUILTINS, ModelPlan, Names, class_head, fields, output_field
from difygen.plan.prose import one_line, sentence, wrap


def plan_outputs(
    workflow: App, types: Mapping[str, Type], owner: Identifier, pythonic: Mapping[str, Identifier], names: Names
) -> None:
    """The model of the outputs, after those of the objects in it."""
    hidden = BUILTINS.intersection(pythonic.values())
    plans: list[tuple[Code, list[str]]] = []
    for output in workflow.outputs:
        member = Property(
            output.name, types[output.name], not output.optional, _output_text(output, pythonic[output.name])
        )
        plans.append(output_field(output.name, pythonic[output.name], member, owner, names, hidden))
    base = names.use("._runtime", "Outputs")
    names.models.append(
        ModelPlan(
            owner,
            class_head(owner, base, limit=names.limit),
            _outputs_docstring(workflow, pythonic, names),
            fields(plans),
        )
    )


def _output_text(output: Output, name: Identifier) -> str:
    texts = [sentence(output.description)]
    if output.optional and output.reason:
        texts.append(sentence(output.reason))
    if output.name != name:
        texts.append(f"Received as `{one_line(output.name)}`.")
    return " ".join(filter(None, texts))


def _outputs_docstring(workflow: App, pythonic: Mapping[str, Identifier], names: Names) -> Code:
    """What the outputs are, and which of them may be missing when: those of one reason together."""
    lines = [f"What `{one_line(workflow.name)}` gives."]
    reasons: dict[str, list[str]] = {}
    for output in workflow.outputs:
        if output.optional:
            reasons.setdefault(sentence(output.reason) or "It may be absent or null.", []).append(pythonic[output.name])
    if reasons:
        lines += ["", "Not always there:"]
    for reason, outputs in reasons.items():
        lines += wrap(f"{', '.join(outputs)}: {reason}", names.limit - INDENT, lead=" " * 4, hang=" " * 8)
    return docstring(lines, INDENT)
