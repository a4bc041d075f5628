"""Lays out the flow of an app: steps in ranks from above to below, connections between them, containers around theirs.

The usual way of drawing directed graphs in layers: ranks by the longest path, orders by the mean of the neighbours,
places as near to these as the order allows. Everything is decided by the definition alone, so that drawings are stable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from difygen.codegen.describe import wrap
from difygen.documents.pages.page import Box, Drawing, Line
from difygen.parser.dsl.graph import CONTAINER_STARTS, Graph, Step
from difygen.parser.dsl.node_types import branches_of
from difygen.record import replace
from difygen.wording import one_line, shorten, width

MAX_STEPS = 300
"""More than this nobody reads as a picture."""
MAX_DEPTH = 4
"""Containers within containers that are drawn."""
MAX_TITLE = 120
"""Characters of a title that a drawing has; its table has all of them."""
TITLE_COLUMNS = 19
TITLE_LINES = 2
COLUMN = 7.2
"""Pixels of a column of text."""

_WIDTH = 178.0
_HEAD = 46.0
LINE_HEIGHT = 17.0
_GAP = 20.0
_RANK_GAP = 48.0
PAD = 18.0
_BEND = 20.0
_LABEL_COLUMNS = 22
_SWEEPS = 8

_ROLES: Mapping[str, str] = {
    type_: role
    for role, types in {
        "edge": ("start", "end", "answer", "trigger-webhook", "trigger-schedule", "trigger-plugin"),
        "model": ("llm", "agent", "question-classifier", "parameter-extractor"),
        "code": ("code", "template-transform", "variable-aggregator", "variable-assigner", "assigner", "list-operator"),
        "data": ("knowledge-retrieval", "document-extractor", "datasource", "knowledge-index"),
        "flow": ("if-else",),
        "group": ("iteration", "loop"),
        "human": ("human-input",),
    }.items()
    for type_ in types
}


class _Place(NamedTuple):
    """What takes room in a rank: a box, or a bend of the connection with that number."""

    name: str
    bend: int = -1


def draw(graph: Graph) -> Drawing | None:
    """Return the drawing of a graph; None where there is nothing to draw, or more than can be read."""
    return _level(graph, None, 0) if len(graph.steps) <= MAX_STEPS else None


def _level(graph: Graph, parent: str | None, depth: int) -> Drawing | None:
    """Return the drawing of the workflow itself, or of the inside of a container."""
    steps = {id_: step for id_, step in graph.level(parent)[0].items() if step.type not in CONTAINER_STARTS}
    if not steps or depth > MAX_DEPTH:
        return None
    boxes = {id_: _box(graph, step, depth) for id_, step in steps.items()}
    lines = _connections(graph, parent, steps)
    ranks = _ranks(list(steps), lines)
    return _drawing(boxes, lines, ranks)


def _box(graph: Graph, step: Step, depth: int) -> Box:
    """Return a step's box, at no place yet."""
    title = shorten(one_line(step.title), MAX_TITLE) or step.type
    height = _HEAD + LINE_HEIGHT * (len(title_lines(title)) - 1)
    inside = _level(graph, step.id, depth + 1)
    size = (_WIDTH, height)
    if inside is not None:
        size = (max(_WIDTH, inside.width + 2 * PAD), height + inside.height + PAD)
    return Box(step.id, title, one_line(step.type), _ROLES.get(step.type, "call"), 0.0, 0.0, *size, inside)


def title_lines(title: str) -> list[str]:
    """Return a title as it stands in its box: on a few lines, cut where it is longer."""
    lines = [_cut(line, TITLE_COLUMNS) for line in wrap(title, TITLE_COLUMNS)]
    if len(lines) > TITLE_LINES:
        lines = [*lines[: TITLE_LINES - 1], _cut(f"{lines[TITLE_LINES - 1]}…", TITLE_COLUMNS)]
    return lines


def _cut(text: str, columns: int) -> str:
    while width(text) > columns:
        text = f"{text.removesuffix('…')[:-1]}…"
    return text


def _connections(graph: Graph, parent: str | None, steps: Mapping[str, Step]) -> list[Line]:
    """Return the connections of a level, one for each pair of steps. Those that lead back are known as such."""
    branches = {id_: {each.handle: each.label for each in branches_of(graph, step)} for id_, step in steps.items()}
    labels: dict[tuple[str, str], list[str]] = {}
    for edge in graph.level(parent)[1]:
        if edge.source in steps and edge.target in steps and edge.source != edge.target:
            known = labels.setdefault((edge.source, edge.target), [])
            label = one_line(branches[edge.source].get(edge.handle, ""))
            if label and label not in known:
                known.append(label)
    back = _leading_back(list(steps), list(labels))
    return [
        Line(source, target, (), shorten(", ".join(names), 60), (source, target) in back)
        for (source, target), names in labels.items()
    ]


def _leading_back(names: Sequence[str], pairs: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return the pairs that close a circle, seen from the first names on."""
    after: dict[str, list[str]] = {name: [] for name in names}
    for source, end in pairs:
        after[source].append(end)
    found: set[tuple[str, str]] = set()
    done: set[str] = set()
    open_: set[str] = set()
    for root in names:
        stack = [(root, iter(after[root]))] if root not in done else []
        open_.update(name for name, _ in stack)
        while stack:
            name, targets = stack[-1]
            target = next(targets, None)
            if target is None:
                stack.pop()
                open_.discard(name)
                done.add(name)
            elif target in open_:
                found.add((name, target))
            elif target not in done:
                open_.add(target)
                stack.append((target, iter(after[target])))
    return found


def _ranks(names: Sequence[str], lines: Sequence[Line]) -> dict[str, int]:
    """Return how far below the first each step stands. Those without connections are last, three beside each other."""
    forward = [line for line in lines if not line.is_back]
    waiting = dict.fromkeys(names, 0)
    for line in forward:
        waiting[line.target] += 1
    ranks = dict.fromkeys(names, 0)
    ready = [name for name in names if not waiting[name]]
    for name in ready:  # grows while it is gone through
        for line in forward:
            if line.source == name:
                ranks[line.target] = max(ranks[line.target], ranks[name] + 1)
                waiting[line.target] -= 1
                if not waiting[line.target]:
                    ready.append(line.target)
    connected = {end for line in lines for end in (line.source, line.target)}
    last = max((ranks[name] for name in connected), default=-1)
    alone = [name for name in names if name not in connected]
    return ranks | {name: last + 1 + at // 3 for at, name in enumerate(alone)}


# Places


def _drawing(boxes: Mapping[str, Box], lines: Sequence[Line], ranks: Mapping[str, int]) -> Drawing:
    layers: list[list[_Place]] = [[] for _ in range(max(ranks.values()) + 1)]
    for name, rank in ranks.items():
        layers[rank].append(_Place(name))
    chains = []
    for number, line in enumerate(lines):
        above, below = sorted((line.source, line.target), key=ranks.__getitem__)
        bends = {rank: _Place(f"{line.source}:{rank}", number) for rank in range(ranks[above] + 1, ranks[below])}
        for rank, bend in bends.items():
            layers[rank].append(bend)
        chains.append([_Place(above), *bends.values(), _Place(below)])
    near = _neighbours(chains)
    labels = [min(width(line.label), _LABEL_COLUMNS) * COLUMN for line in lines]
    widths = {
        place: boxes[place.name].width if place.bend < 0 else max(_BEND, labels[place.bend])
        for layer in layers
        for place in layer
    }
    _order(layers, near)
    centers = _centers(layers, near, widths)
    left = min(centers[place] - widths[place] / 2 for place in centers)
    tops = [0.0]
    heights = [max((boxes[each.name].height for each in layer if each.bend < 0), default=0.0) for layer in layers]
    for height in heights:
        tops.append(tops[-1] + height + _RANK_GAP)
    found = {
        name: replace(
            box,
            x=round(centers[_Place(name)] - left - box.width / 2, 1),
            y=round(tops[ranks[name]] + (heights[ranks[name]] - box.height) / 2, 1),
        )
        for name, box in boxes.items()
    }
    drawn = []
    for line, chain in zip(lines, chains, strict=True):
        first, last = found[chain[0].name], found[chain[-1].name]
        points = [(first.x + first.width / 2, first.y + first.height)]
        for at, bend in enumerate(chain[1:-1], ranks[chain[0].name] + 1):
            x = round(centers[bend] - left, 1)
            points += [(x, round(tops[at], 1)), (x, round(tops[at] + heights[at], 1))]
        points.append((last.x + last.width / 2, last.y))
        drawn.append(replace(line, points=tuple(points if line.source == chain[0].name else points[::-1])))
    right = max(centers[place] + widths[place] / 2 for place in centers)
    return Drawing(round(right - left, 1), round(tops[-1] - _RANK_GAP, 1), tuple(found.values()), tuple(drawn))


def _neighbours(chains: Sequence[Sequence[_Place]]) -> dict[_Place, tuple[list[_Place], list[_Place]]]:
    """Return what each place is connected with in the rank above and in the rank below."""
    found: dict[_Place, tuple[list[_Place], list[_Place]]] = {}
    for chain in chains:
        for upper, lower in pairwise(chain):
            found.setdefault(upper, ([], []))[1].append(lower)
            found.setdefault(lower, ([], []))[0].append(upper)
    return found


def _order(layers: list[list[_Place]], near: Mapping[_Place, tuple[list[_Place], list[_Place]]]) -> None:
    """Bring each rank into the order of what it is connected with, so that few connections cross."""
    for sweep in range(_SWEEPS):
        side = sweep % 2
        ranks = range(1, len(layers)) if side == 0 else range(len(layers) - 2, -1, -1)
        for rank in ranks:
            known = {place: at for at, place in enumerate(layers[rank - 1 if side == 0 else rank + 1])}
            here = {place: float(at) for at, place in enumerate(layers[rank])}
            for place in layers[rank]:
                around = [known[each] for each in near.get(place, ((), ()))[side] if each in known]
                if around:
                    here[place] = sum(around) / len(around)
            layers[rank].sort(key=here.__getitem__)


def _centers(
    layers: Sequence[Sequence[_Place]],
    near: Mapping[_Place, tuple[list[_Place], list[_Place]]],
    widths: Mapping[_Place, float],
) -> dict[_Place, float]:
    """Return where the middle of each place is: near the middle of its neighbours, in the order of its rank."""
    centers: dict[_Place, float] = {}
    for layer in layers:
        wanted = [0.0 for _ in layer]
        centers.update(zip(layer, _apart(wanted, [widths[place] for place in layer]), strict=True))
    for sweep in range(_SWEEPS + 1):
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            wanted = []
            for place in layer:
                above, below = near.get(place, ([], []))
                around = [centers[each] for each in (above if sweep % 2 == 0 else below) or [*above, *below]]
                wanted.append(sum(around) / len(around) if around else centers[place])
            centers.update(zip(layer, _apart(wanted, [widths[place] for place in layer]), strict=True))
    return centers


def _apart(wanted: Sequence[float], widths: Sequence[float]) -> list[float]:
    """Return the places nearest to those that are wanted, in their order and without overlaps.

    Least squares with a smallest distance between neighbours: groups that would overlap are pooled at their mean.
    """
    offsets = [0.0]
    for one, other in pairwise(widths):
        offsets.append(offsets[-1] + (one + other) / 2 + _GAP)
    groups: list[tuple[float, int]] = []
    for want, offset in zip(wanted, offsets, strict=True):
        groups.append((want - offset, 1))
        while len(groups) > 1 and groups[-2][0] > groups[-1][0]:
            (last, more), (before, count) = groups.pop(), groups.pop()
            groups.append(((before * count + last * more) / (count + more), count + more))
    pooled = [mean for mean, count in groups for _ in range(count)]
    return [mean + offset for mean, offset in zip(pooled, offsets, strict=True)]
