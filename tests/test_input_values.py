"""Numbers and JSON objects as inputs: one rule for numbers of all libraries, and nothing that JSON cannot say."""

import json
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from math import inf, isfinite, nan
from numbers import Integral, Real
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from support.packages import files_of, imported, workflow_from, write
from support.servers import Server, as_json

SPEC = """
name: values
inputs:
  num: number
  flag: {type: checkbox, required: false}
  settings: {type: json_object, required: false}
  profile: {type: json_object, properties: {size: number, note: {type: string, optional: true}}}
  second: {type: json_object, required: false, properties: {size: number}}
outputs:
  result: string
"""
DONE = {"id": "r", "workflow_id": "w", "status": "succeeded", "outputs": {"result": "ok"}}


@pytest.fixture(scope="module")
def values(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    folder = tmp_path_factory.mktemp("values")
    write(folder / "values_client", files_of([workflow_from(SPEC)]))
    with imported(folder, "values_client") as package:
        yield package


class Int64:
    """Like numpy's: registered as a whole number, of no class of Python's."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __int__(self) -> int:
        return self.value


class Float32:
    """Like numpy's."""

    def __init__(self, value: float) -> None:
        self.value = value

    def __float__(self) -> float:
        return self.value

    def __repr__(self) -> str:
        return f"Float32({self.value})"


Bool_ = type("bool_", (), {"__module__": "numpy", "__bool__": lambda self: True})
Integral.register(Int64)
Real.register(Float32)
WHOLE = st.integers(-(10**30), 10**30)
FINITE = st.floats(allow_nan=False, allow_infinity=False)


def sent(values: ModuleType, number: object) -> list[Any]:
    """How a number is sent: as an input, in an object, in a list of an object, in an object with a schema."""
    inputs = values.ValuesInputs(
        num=number, settings={"a": number, "b": [{"c": (number,)}]}, profile={"size": number, "more": number}
    )
    wire = json.loads(json.dumps(inputs.to_wire(), allow_nan=False))
    settings, profile = wire["settings"], wire["profile"]
    return [wire["num"], settings["a"], settings["b"][0]["c"][0], profile["size"], profile["more"]]


def same(found: list[Any], expected: float) -> bool:
    return all(repr(each) == repr(expected) for each in found)


class TestNumbers:
    @given(value=WHOLE)
    def test_a_whole_number_is_exact_whatever_its_class(self, values: ModuleType, value: int) -> None:
        for number in (value, Int64(value), Decimal(value), Fraction(value)):
            assert same(sent(values, number), value)

    @given(value=FINITE)
    def test_any_other_is_the_nearest_float(self, values: ModuleType, value: float) -> None:
        assert same(sent(values, value), value) and same(sent(values, Float32(value)), value)
        if not value.is_integer():
            assert same(sent(values, Fraction(value)), value) and same(sent(values, Decimal(value)), value)
            assert same(sent(values, Decimal(repr(value))), value)

    @given(value=st.decimals(allow_nan=False, allow_infinity=False) | st.fractions())
    def test_every_number_is_sent_or_refused_as_too_large(self, values: ModuleType, value: Decimal | Fraction) -> None:
        try:
            [number, *others] = sent(values, value)
        except ValidationError as error:
            assert isinstance(value, Decimal) and value.adjusted() >= 308, error
        else:
            assert isfinite(number) and same(others, number)
            assert number == (value if value == int(value) else float(value))

    def test_databases_give_decimals(self, values: ModuleType) -> None:
        assert same(sent(values, Decimal("0.1")), 0.1)
        assert same(sent(values, Decimal("10.00")), 10)
        assert same(sent(values, Fraction(1, 3)), 1 / 3)
        assert same(sent(values, 1.0), 1.0)

    @pytest.mark.parametrize(
        "value",
        [nan, inf, -inf, Decimal("NaN"), Decimal("sNaN"), Decimal("-Infinity"), Decimal("1e400"), Float32(nan)]
        + [Decimal("1e999999999999"), Fraction(10**400, 3), 10**400, -(10**400), Fraction(10**400)],
        ids=lambda value: f"{type(value).__name__}-{str(value)[:9]}",
    )
    def test_nothing_that_is_no_finite_number_is_sent(self, values: ModuleType, value: object) -> None:
        for arguments in (
            {"num": value, "profile": {"size": 1}},
            {"num": 1, "profile": {"size": value}},
            {"num": 1, "profile": {"size": 1, "more": [value]}},
            {"num": 1, "profile": {"size": 1}, "settings": {"a": value}},
        ):
            with pytest.raises(ValidationError, match="finite number|no NaN and no Infinity"):
                values.ValuesInputs(**arguments)

    @pytest.mark.parametrize(
        "value", [True, False, "1", None, 1j, [1], Bool_()], ids=lambda value: type(value).__name__
    )
    def test_neither_is_what_is_no_number(self, values: ModuleType, value: object) -> None:
        with pytest.raises(ValidationError, match="Input should be a number"):
            values.ValuesInputs(num=value, profile={"size": 1})

    def test_a_flag_of_numpy_is_a_flag(self, values: ModuleType) -> None:
        inputs = values.ValuesInputs(num=1, flag=Bool_(), profile={"size": 1}, settings={"a": Bool_()})
        assert (inputs.to_wire()["flag"], inputs.to_wire()["settings"]) == (True, {"a": True})
        with pytest.raises(ValidationError, match="valid boolean"):
            values.ValuesInputs(num=1, flag=1, profile={"size": 1})

    def test_those_of_numpy_itself(self, values: ModuleType) -> None:
        numpy = pytest.importorskip("numpy")
        assert same(sent(values, numpy.int64(3)), 3) and same(sent(values, numpy.uint8(255)), 255)
        assert same(sent(values, numpy.float64(1.5)), 1.5) and same(sent(values, numpy.float32(0.5)), 0.5)
        assert values.ValuesInputs(num=1, flag=numpy.bool_(True), profile={"size": 1}).flag is True
        for value in (numpy.float32("nan"), numpy.bool_(True), numpy.array([1, 2]), numpy.complex64(1)):
            with pytest.raises(ValidationError):
                values.ValuesInputs(num=value, profile={"size": 1})

    def test_they_come_over_the_wire(self, values: ModuleType) -> None:
        with Server({"POST /v1/workflows/run": as_json({"workflow_run_id": "r", "data": DONE})}) as server:
            client = values.ValuesClient(base_url=server.url, api_key="app-x", user="u")
            with client:
                client.run(num=Decimal("0.1"), profile={"size": Fraction(1, 2)})
        assert server.requests[0].json["inputs"] == {"num": 0.1, "profile": {"size": 0.5}}


class TestObjectsWithASchema:
    @pytest.mark.parametrize("profile", [{}, {"note": "x"}, {"size": None}, {"size": "1"}])
    def test_a_required_one_has_its_required_members(self, values: ModuleType, profile: dict[str, Any]) -> None:
        with pytest.raises(ValidationError, match=r"profile\.size"):
            values.ValuesInputs(num=1, profile=profile)
        with pytest.raises(ValidationError, match=r"profile\.size"):
            values.ValuesInputs.model_validate_json(json.dumps({"num": 1, "profile": profile}))

    def test_one_that_is_not_required_may_be_empty(self, values: ModuleType) -> None:
        assert values.ValuesInputs(num=1, profile={"size": 1}, second={}).to_wire()["second"] == {}
        with pytest.raises(ValidationError, match=r"second\.size"):
            values.ValuesInputs(num=1, profile={"size": 1}, second={"other": 1})
