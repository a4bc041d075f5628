"""difygen: typed Python clients for Dify workflows.

`parse` reads a definition, `generate` writes the files of a client; neither touches a file of yours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from difygen.codegen.package import generate
    from difygen.parser import read as parse

__version__ = "0.1.0"
__all__ = ["__version__", "generate", "parse"]


def __getattr__(name: str) -> object:
    """Import what is asked for: `difygen --help` needs none of it."""
    if name == "parse":
        from difygen.parser import read

        return read
    if name == "generate":
        from difygen.codegen.package import generate

        return generate
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
