"""What a traceback that shows variables would give away."""

from __future__ import annotations

from collections.abc import Callable
from traceback import walk_tb

from _pytest._io.saferepr import saferepr


def variables(error: BaseException, is_own: Callable[[str], bool]) -> str:
    """The variables of all frames that an exception and its causes went through, but those of a test's own files."""
    text = [repr(error)]
    link: BaseException | None = error
    while link is not None:
        frames = [frame for frame, _ in walk_tb(link.__traceback__) if not is_own(frame.f_code.co_filename)]
        text += [saferepr(value, maxsize=10_000) for frame in frames for value in frame.f_locals.values()]
        link = link.__cause__ or link.__context__
    return "\n".join(text)
