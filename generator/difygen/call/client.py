"""The generated client of a workflow, made in a temporary folder and imported: what a terminal calls is what a program would call."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import TYPE_CHECKING, Any

from difygen.call.problems import DefinitionProblem
from difygen.model import App

if TYPE_CHECKING:
    from difygen.diagnostics import Diagnostic
    from difygen.plan.workflow import Options

SHARED_KEY = "DIFY_API_KEY"
_numbers = count()


@dataclass(frozen=True, slots=True)
class Generated:
    """The classes of a generated module, and the wire names of its inputs by their Python names."""

    package: ModuleType
    client: type[Any]
    async_client: type[Any]
    inputs: type[Any]
    outputs: type[Any]
    key_variables: tuple[str, ...]
    wire_names: Mapping[str, str]

    @property
    def failures(self) -> tuple[type[Exception], ...]:
        """What a call may raise that is no bug: inputs that do not fit, the client's own exceptions, files that went away."""
        from pydantic import ValidationError

        errors = import_module(f"{self.package.__name__}._runtime._errors")
        return (ValidationError, errors.DifyError, OSError)

    def arguments(self, values: Mapping[str, object]) -> dict[str, object]:
        """Values by wire name as keyword arguments of `run` and `stream`."""
        python_names = {wire: name for name, wire in self.wire_names.items()}
        return {python_names[wire]: value for wire, value in values.items()}


@contextmanager
def generated(workflow: App, options: Options | None = None) -> Iterator[Generated]:
    """Generate the client of one workflow and import it; it lives as long as the block."""
    package = f"difygen_call_{next(_numbers)}"
    with TemporaryDirectory(prefix="difygen-") as folder:
        module_name = _write(workflow, options, Path(folder) / package)
        sys.path.insert(0, folder)
        try:
            yield _load(import_module(package), import_module(f"{package}.{module_name}"))
        finally:
            sys.path.remove(folder)
            for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
                del sys.modules[name]


def key_variables_of(workflow: App, options: Options | None = None) -> tuple[str, ...]:
    """The environment variables that the workflow's client reads its key from."""
    from difygen.generate import module_names
    from difygen.plan.names import check_options
    from difygen.plan.workflow import Options, plan_workflow

    chosen = options or Options()
    (name,), problems = module_names([(workflow.source, workflow.name)], chosen)
    problems = (*problems, *plan_workflow(workflow, chosen, name).diagnostics)
    _refuse(problems)
    return (check_options(workflow, chosen, name).key_variable, SHARED_KEY)


def _refuse(diagnostics: tuple[Diagnostic, ...]) -> None:
    errors = [str(diagnostic) for diagnostic in diagnostics if diagnostic.severity == "error"]
    if errors:
        raise DefinitionProblem(*errors)


def _write(workflow: App, options: Options | None, folder: Path) -> str:
    """Write the package; the name of the workflow's module in it."""
    from dataclasses import replace

    from difygen.generate import generate
    from difygen.plan.workflow import Options

    chosen = replace(options or Options(), emit="both", single_file=False)
    result = generate([workflow], chosen)
    _refuse(result.diagnostics)
    for path, text in result.files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8", newline="\n")
    return next(
        path[:-3] for path in result.files if path.endswith(".py") and "/" not in path and path != "__init__.py"
    )


def _load(package: ModuleType, module: ModuleType) -> Generated:
    runtime = import_module(f"{package.__name__}._runtime")
    client = _subclass(module, runtime.WorkflowClient)
    inputs = getattr(module, f"{client.__name__.removesuffix('Client')}Inputs")
    wire_names = {name: str(field.serialization_alias or name) for name, field in inputs.model_fields.items()}
    return Generated(
        package=package,
        client=client,
        async_client=_subclass(module, runtime.AsyncWorkflowClient),
        inputs=inputs,
        outputs=client._workflow.outputs,
        key_variables=tuple(client._workflow.api_key_variables),
        wire_names=wire_names,
    )


def _subclass(module: ModuleType, base: type[Any]) -> type[Any]:
    """The module's own class of that kind."""
    for value in vars(module).values():
        if isinstance(value, type) and issubclass(value, base) and value.__module__ == module.__name__:
            return value
    raise LookupError(f"{module.__name__} has no {base.__name__}")
