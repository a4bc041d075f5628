"""The runtime that generated clients carry, imported from the templates, so that its rules need no second copy here."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from difygen.render.printing import templates_folder

_RUNTIME = "difygen_shipped_runtime"


def runtime_module(name: str) -> ModuleType:
    """A module of the runtime, by its name."""
    if _RUNTIME not in sys.modules:
        folder = Path(templates_folder(), "runtime")
        spec = spec_from_file_location(_RUNTIME, folder / "__init__.py", submodule_search_locations=[str(folder)])
        if spec is None or spec.loader is None:
            raise ModuleNotFoundError(f"the runtime is not in {folder}")
        sys.modules[_RUNTIME] = module = module_from_spec(spec)
        spec.loader.exec_module(module)
    return import_module(f"{_RUNTIME}.{name}")
