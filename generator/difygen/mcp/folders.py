"""Which files of this machine a model may name: those below folders that the user has named, and no others."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

from difygen.console import UsageProblem
from difygen.tools import ToolError, is_file_url
from difygen.wording import listed


class FileFolders:
    """The folders whose files a model may name; none for URLs alone."""

    def __init__(self, folders: tuple[str, ...] = ()) -> None:
        self._folders = tuple(map(_folder, folders))

    @property
    def description(self) -> str:
        """What a file is, in a schema; empty where it is a URL alone."""
        if not self._folders:
            return ""
        return f"The https URL of the file, or its path in {listed(map(str, self._folders), 'or')}."

    def file(self, label: str, value: object) -> Path | str:
        """Return the URL or the path of a file. Raises `ToolError`, which begins with `label`, for any other."""
        if not isinstance(value, str):
            raise ToolError(f"{label}: the https URL of a file is required{', or its path' if self._folders else ''}.")
        if is_file_url(value):
            return value
        if not self._folders:
            raise ToolError(f"{label}: an https URL is required; this server reads no files.")
        path = unquote(urlsplit(value).path) if value.lower().startswith("file://") else value
        for folder in self._folders:
            with suppress(OSError, ValueError):
                found = Path(os.path.realpath(folder / path, strict=True))  # wherever symbolic links lead
                if found.is_relative_to(folder) and found.is_file():
                    return found
        # Not a word about whether there is such a file elsewhere.
        raise ToolError(f"{label}: there is no such file in {listed(map(str, self._folders), 'or')}.")


def _folder(name: str) -> Path:
    try:
        path = Path(name).resolve(strict=True)
    except (OSError, RuntimeError, ValueError):
        raise UsageProblem(f"--allow-path {name!r} is no folder.") from None
    if not path.is_dir():
        raise UsageProblem(f"--allow-path {name!r} is no folder.")
    return path
