"""What another process does with a client that was sent to it."""

from typing import Any


def call(client: Any) -> str:
    """Run `concat` with it, and return how that ended."""
    with client:
        status: str = client.run(string="a", num=1, list="list_a").status
    return status
