"""The examples of a spec: sample calls, checked against the inputs and outputs that it declares."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from difygen.model import Example, Input, JsonValue, Output
from difygen.parser.spec.values import check_input_value, check_value
from difygen.parts import Part, listed, shown

KEYS = ("inputs", "outputs")


def read_examples(root: Part, inputs: Sequence[Input], outputs: Sequence[Output]) -> tuple[Example, ...]:
    """The sample calls of a spec."""
    examples = root.get("examples")
    if examples is None:
        return ()
    if not isinstance(examples.value, list):
        examples.expect("a list of mappings with `inputs` and `outputs`")
    return tuple(_example(part, root, inputs, outputs) for part in examples)


def _example(part: Part, root: Part, inputs: Sequence[Input], outputs: Sequence[Output]) -> Example:
    if not isinstance(part.value, dict):
        Part(part.value, part.path, part.report, "An example").expect("a mapping with `inputs` and `outputs`")
        return Example()
    part.only(KEYS, "an example")
    required = [input_.name for input_ in inputs if input_.required and input_.default is None]
    always = [output.name for output in outputs if not output.optional] if part.has("outputs") else []
    return Example(
        inputs=_values(part, "inputs", root, required, {each.name: _input_check(each) for each in inputs}),
        outputs=_values(part, "outputs", root, always, {each.name: _output_check(each) for each in outputs}),
    )


Check = Callable[[Part], object]


def _input_check(input_: Input) -> Check:
    return lambda part: check_input_value(part, input_)


def _output_check(output: Output) -> Check:
    return lambda part: (part.value is None and output.optional) or check_value(part, output.type)


def _values(
    part: Part, key: str, root: Part, required: Collection[str], checks: Mapping[str, Check]
) -> Mapping[str, JsonValue]:
    """The values of a sample call's inputs or outputs, with what does not fit the declarations noted."""
    values = part.mapping_of(key, "names to values")
    if part.has(key) and values is None:
        return {}
    given = dict(values.members()) if values is not None else {}
    for name, value in given.items():
        if name in checks:
            checks[name](value)
        else:
            _note_unknown(name, value, key, root, tuple(checks))
    if missing := [name for name in required if name not in given]:
        (values or part).error("missing-value", f"The example's {key} lack {listed(missing)}.", key=True)
    return {name: value.value for name, value in given.items()}


def _note_unknown(name: str, value: Part, key: str, root: Part, known: Sequence[str]) -> None:
    """Note a name that is not declared. A declaration with a mistake in it is no second mistake here."""
    declared = root.get(key)
    if declared is None or not declared.has(name):
        hint = value.report.suggestion(name, known) if known else ""
        value.error("unknown-name", f"`{shown(name)}` is none of the spec's {key}.", hint, key=True)
