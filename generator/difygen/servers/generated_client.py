"""The generated clients of apps, made and imported without a file; what their exceptions say, in sentences.

What a terminal calls is what a program would call."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from itertools import count
from textwrap import indent
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from difygen.codegen.names import name_variables
from difygen.codegen.package import generate
from difygen.config import Options
from difygen.console import DefinitionProblem, one_line, printable
from difygen.model import App, AppKind
from difygen.record import replace

if TYPE_CHECKING:
    from difygen.diagnostics import Diagnostic


SHARED_KEY = "DIFY_API_KEY"
_numbers = count()


@dataclass(frozen=True, slots=True)
class GeneratedClient:
    """The classes of a generated module, and the wire names of its inputs by their Python names."""

    package: ModuleType
    kind: AppKind
    client: type[Any]
    async_client: type[Any]
    inputs: type[Any]
    outputs: type[Any]
    key_variables: tuple[str, ...]
    wire_names: Mapping[str, str]

    @property
    def failures(self) -> tuple[type[Exception], ...]:
        """What a call may raise that is no bug: wrong inputs, the client's exceptions, files that went away."""
        errors = import_module(f"{self.package.__name__}._runtime")
        return (ValidationError, errors.DifyError, OSError)

    def arguments(self, values: Mapping[str, object]) -> dict[str, object]:
        """Return values by wire name as keyword arguments of the methods that start the app."""
        python_names = {wire: name for name, wire in self.wire_names.items()}
        return {python_names[wire]: value for wire, value in values.items()}

    def start(self, client: Any) -> Callable[..., Any]:
        """Return the method of a client that starts the app and waits for its end."""
        method: Callable[..., Any] = getattr(client, self.kind.verbs[0])
        return method

    def stream(self, client: Any) -> Callable[..., Any]:
        """Return the method of a client that starts the app and gives its events."""
        method: Callable[..., Any] = getattr(client, self.kind.verbs[1])
        return method

    def stop(self, client: Any, task_id: str | None, name: str = "") -> str:
        """Ask the server to stop a task, and say how that went; `name` is the id that people know the task by."""
        word = self.kind.call
        if not task_id:
            return f"The server had not told the {word}'s id yet: it may go on on the server."
        what = f"The {word} {name}".rstrip()
        try:
            client.stop(task_id)
        except KeyboardInterrupt:
            return f"{what} may go on on the server."
        except self.failures as error:
            return f"{what} could not be stopped on the server: {one_line(str(error))}"
        return f"{what} was stopped on the server."


@contextmanager
def generated(workflow: App, name: str, options: Options) -> Iterator[GeneratedClient]:
    """Generate the client of an app that is called `name`, and import it; it lives as long as the block.

    Raises:
        DefinitionProblem: The definition is wrong.
    """
    with generated_package({name: workflow}, options) as load:
        yield load(name)


@contextmanager
def generated_package(apps: Mapping[str, App], options: Options) -> Iterator[Callable[[str], GeneratedClient]]:
    """Generate one package for apps, by what they are called, and give a function that imports the client of one.

    What it gives lives as long as the block.

    Raises:
        DefinitionProblem: A definition is wrong.
    """
    names = {app.source: name for name, app in apps.items()}
    made = generate([*apps.values()], replace(options, names=names, emit="both", single_file=False, runtime=None))
    _refuse(made.diagnostics)
    package = f"difygen_call_{next(_numbers)}"
    modules = GeneratedModules(package, made.files)
    sys.meta_path.append(modules)
    try:
        yield lambda name: _load(import_module(package), import_module(f"{package}.{name}"), apps[name].kind)
    finally:
        sys.meta_path.remove(modules)
        for module in [each for each in sys.modules if each == package or each.startswith(f"{package}.")]:
            del sys.modules[module]


class GeneratedModules(MetaPathFinder, InspectLoader):
    """Imports a package from the texts of its files: a process that is killed leaves nothing on the disk."""

    def __init__(self, package: str, files: Mapping[str, str]) -> None:
        paths = {name: name.removesuffix(".py").removesuffix("/__init__") for name in files if name.endswith(".py")}
        self._texts = {
            package if path == "__init__" else f"{package}.{path.replace('/', '.')}": files[name]
            for name, path in paths.items()
        }
        self._packages = {package} | {each.rpartition(".")[0] for each in self._texts}

    def find_spec(self, fullname: str, path: object, target: object = None) -> ModuleSpec | None:
        """Return how one of the modules is imported; None for any other."""
        return spec_from_loader(fullname, self) if fullname in self._texts else None

    def get_source(self, fullname: str) -> str:
        """Return the text of a module."""
        return self._texts[fullname]

    def is_package(self, fullname: str) -> bool:
        """Check whether a module has modules of its own."""
        return fullname in self._packages


def key_variables_of(workflow: App, name: str, options: Options) -> tuple[str, ...]:
    """Return the environment variables that the client of an app that is called `name` reads its key from."""
    checked = name_variables(workflow, options, name)
    _refuse(checked.problems)
    return (checked.key_variable, SHARED_KEY)


def _refuse(diagnostics: tuple[Diagnostic, ...]) -> None:
    errors = [diagnostic for diagnostic in diagnostics if diagnostic.severity == "error"]
    if errors:
        raise DefinitionProblem(*errors)


def _load(package: ModuleType, module: ModuleType, kind: AppKind) -> GeneratedClient:
    runtime = import_module(f"{package.__name__}._runtime")
    client = _subclass(module, getattr(runtime, kind.client))
    inputs = getattr(module, f"{client.__name__.removesuffix('Client')}Inputs")
    info = client._workflow if kind.has_outputs else client._app
    wire_names = {name: str(field.serialization_alias or name) for name, field in inputs.model_fields.items()}
    return GeneratedClient(
        package=package,
        kind=kind,
        client=client,
        async_client=_subclass(module, getattr(runtime, f"Async{kind.client}")),
        inputs=inputs,
        outputs=info.outputs if kind.has_outputs else runtime.Outputs,
        key_variables=tuple(info.api_key_variables),
        wire_names=wire_names,
    )


def _subclass(module: ModuleType, base: type[Any]) -> type[Any]:
    """Return the module's own class of that kind."""
    for value in vars(module).values():
        if isinstance(value, type) and issubclass(value, base) and value.__module__ == module.__name__:
            return value
    raise LookupError(f"{module.__name__} has no {base.__name__}")


_HOPELESS = frozenset(
    (
        "ConfigurationError",
        "ConnectionFailedError",
        "AuthenticationError",
        "PermissionDeniedError",
        "AppUnavailableError",
        "NotWorkflowAppError",
        "UnexpectedResponseError",
    )
)

_PAUSED = (
    "Fill its form in on Dify's page of the app, with submit_form() and resume() of the generated client, "
    "or call it on a terminal, which asks for it (not with --json or --events)."
)


def sentences(error: Exception, loaded: GeneratedClient) -> list[str]:
    """Say what went wrong: a sentence per input or output for values that do not fit, else what the client says."""
    if is_validation_error(error):
        names = {**loaded.wire_names, **{wire: wire for wire in loaded.wire_names.values()}}
        return about_values(error.errors(include_url=False), names)  # type: ignore[attr-defined]
    if type(error).__name__ == "OutputsError":
        found = ["The outputs do not fit the definition; was the workflow changed, or is this the key of another app?"]
        try:
            loaded.outputs.model_validate(getattr(error, "outputs", {}))
        except ValueError as misfit:  # pydantic's ValidationError is one
            found += about_values(misfit.errors(include_url=False), {})  # type: ignore[attr-defined]
        return found
    text = printable(str(error)).strip() or type(error).__name__
    if type(error).__name__ in ("RunFailedError", "TurnFailedError"):
        what = "The run failed" if type(error).__name__ == "RunFailedError" else "The turn failed"
        return [f"{what}:\n{indent(text, '  ')}" if "\n" in text else _as_sentence(f"{what}: {text}")]
    if type(error).__name__ in ("RunPausedError", "TurnPausedError"):
        return [f"{_as_sentence(text)} {_PAUSED}"]
    first, *rest = text.splitlines()
    return ["\n".join([_as_sentence(first), *rest])]


def is_late(error: Exception) -> bool:
    """Check whether the call took longer than it was given."""
    return type(error).__name__ == "DeadlineExceededError"


def is_validation_error(error: Exception) -> bool:
    """Check whether pydantic refused the inputs, before anything was sent."""
    return type(error).__name__ == "ValidationError" and hasattr(error, "errors")


def is_usage(error: Exception) -> bool:
    """Check whether what the user gave is at fault, so that the exit code is 2."""
    return is_validation_error(error) or type(error).__name__ == "ConfigurationError"


def is_hopeless(error: Exception) -> bool:
    """Check whether every other call would end in the same way."""
    return any(kind.__name__ in _HOPELESS for kind in type(error).__mro__)


def about_values(details: Sequence[Mapping[str, Any]], wire_names: Mapping[str, str]) -> list[str]:
    """Return a sentence for each value that was refused. A type with several members brings a complaint of each."""
    complaints: dict[str, list[str]] = {}
    for detail in details:
        first, *rest = detail.get("loc") or ("",)
        # Texts further on are names of pydantic's types, which say nothing to a user; numbers are places in a list.
        place = wire_names.get(str(first), str(first)) + "".join(f"[{part}]" for part in rest if isinstance(part, int))
        text = str(detail.get("msg") or "it is not valid").rstrip(".")
        complaint = "is required" if detail.get("type") == "missing" else f": {text[:1].lower()}{text[1:]}"
        complaints.setdefault(place, []).append(complaint)
    found = []
    for place, texts in complaints.items():
        first, *others = dict.fromkeys(texts)
        others = [other.removeprefix(": ").removeprefix("input should be ") for other in others]
        found.append(f"{place}{'' if first.startswith(':') else ' '}{', or '.join([first, *others])}.")
    return found


def _as_sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?", ":")) else f"{text}."
