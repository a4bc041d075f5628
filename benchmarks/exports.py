"""Synthetic Dify exports for benchmarks: made from the recorded lab's, all different, as large as asked for."""

from __future__ import annotations

import copy
from functools import cache
from pathlib import Path
from typing import Any

import yaml

LAB = Path(__file__).parents[1] / "tests" / "dsl_lab"
MODELS = ("kitchen_sink.yml", "branching.yml", "llm_two_outputs.yml", "iteration.yml", "concat.yml")


def write_exports(folder: Path, count: int, size: int = 20_000) -> int:
    """Write `count` exports of about `size` bytes each, and return how many bytes that were."""
    folder.mkdir(parents=True)
    total = 0
    for number in range(count):
        data = export(number, size).encode()
        total += len(data)
        (folder / f"flow_{number:04}.yml").write_bytes(data)
    return total


def export(number: int, size: int = 20_000) -> str:
    """An export of about `size` bytes: a lab's workflow under another name, with more steps that lead nowhere."""
    model = _model(MODELS[number % len(MODELS)])
    loaded = copy.deepcopy(model)
    loaded["app"]["name"] = f"flow {number:04}"
    loaded["app"]["description"] = f"The workflow number {number} of a benchmark."
    graph = loaded["workflow"]["graph"]
    text = _dump(loaded)
    step = next(node for node in graph["nodes"] if node["data"]["type"] in ("code", "llm", "template-transform"))
    room = len(_dump([step]).encode()) + 100
    for extra in range(max(0, size - len(text.encode())) // room):
        node = copy.deepcopy(step)
        node["id"] = f"extra{number}x{extra}"
        node["data"]["title"] = f"Step {extra} of {number}"
        graph["nodes"].append(node)
    return _dump(loaded)


@cache
def _model(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.load((LAB / name).read_bytes(), Loader=yaml.CSafeLoader)
    return loaded


def _dump(value: object) -> str:
    return yaml.dump(value, Dumper=yaml.CSafeDumper, allow_unicode=True, sort_keys=False)
