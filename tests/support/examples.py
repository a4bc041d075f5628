"""How many examples a property is held to."""

import os

THOROUGH = bool(os.environ.get("THOROUGH"))


def examples(count: int) -> int:
    """Return a third of the count, or all of it with `THOROUGH=1`: every run draws others."""
    return count if THOROUGH else count // 3
