"""Black, for those who want another line length than its own. Nobody else imports it.

What difygen lays out is as black leaves it at its default length, so that there is nothing to do then.
"""

from __future__ import annotations

from difygen.diagnostics import Diagnostic, Location
from difygen.layout import LINE_LENGTH


def missing_black(line_length: int, source: str) -> tuple[Diagnostic, ...]:
    """A finding, if a line length needs black and black is not installed."""
    if line_length == LINE_LENGTH:
        return ()
    try:
        import black  # noqa: F401
    except ImportError:
        message = f"A line length of {line_length} needs black, which is not installed."
        return (Diagnostic("error", "black-missing", message, Location(source), "Run: pip install black"),)
    return ()


def formatted(text: str, line_length: int) -> str:
    """A module's text at a line length."""
    if line_length == LINE_LENGTH:
        return text
    import black

    return black.format_str(text, mode=black.Mode(line_length=line_length))
