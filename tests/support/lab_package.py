"""The clients that difygen generates from the exports of the apps that were recorded, over the runtime of the tests."""

from pathlib import Path
from types import ModuleType
from typing import Any

from difygen.config import Options
from difygen.naming import class_name

from support import CHAT_LAB, LAB
from support.packages import files_of, workflow_from, workflow_of, write

LAB_PACKAGE = "lab_clients"
NAMES = {"chatflow": "chatflow_app", "chat_failing": "chat_failing_app", "chat_files": "chat_files_app"}
"""Apps whose own names give names that others have."""
NO_IO = "name: no_io\noutputs: {}\n"
"""The one app whose export was not kept: it takes nothing, and gives nothing."""


def write_lab(folder: Path) -> Path:
    """Write the package into a folder."""
    exports = {path.stem: workflow_of(path) for lab in (LAB, CHAT_LAB) for path in sorted(lab.glob("*.yml"))}
    names = {app.source: NAMES.get(name, name) for name, app in exports.items()}
    files = files_of([*exports.values(), workflow_from(NO_IO)], Options(names=names, runtime="runtime"))
    return write(folder / LAB_PACKAGE, files)


def kinds_of(lab: ModuleType, app: str) -> tuple[Any, Any]:
    """The blocking and the async client of an app, by the name that its recordings have for it."""
    name = class_name(NAMES.get(app, app))
    return getattr(lab, f"{name}Client"), getattr(lab, f"Async{name}Client")


def inputs_of(lab: ModuleType, app: str) -> Any:
    """The inputs of an app."""
    return getattr(lab, f"{class_name(NAMES.get(app, app))}Inputs")
