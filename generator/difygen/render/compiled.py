"""The templates as plain Python. Written by `python -m difygen.render.compile`: change the templates instead."""

from collections.abc import Mapping
from typing import Any

from difygen.code import trusted


def bundle(context: Mapping[str, Any]) -> str:
    """bundle.py.jinja"""
    out: list[str] = []
    write = out.append
    write(trusted(context["docstring"]))
    write("\n\n")
    write(trusted(context["imports"]))
    write("\n\n")
    write(trusted(context["exports"]))
    write("\n")
    for section in context["sections"]:
        write("\n\n")
        write(trusted(section))
        write("\n")
    return "".join(out)


def init(context: Mapping[str, Any]) -> str:
    """init.py.jinja"""
    out: list[str] = []
    write = out.append
    write(trusted(context["docstring"]))
    write("\n\n# What tools take for true by its name; `typing`, which has it too, takes time to import.\n")
    write("TYPE_CHECKING: bool = False\nif TYPE_CHECKING:\n")
    for statement in context["imports"]:
        write("    ")
        write(trusted(statement))
        write("\n")
    write("\n")
    write(trusted(context["runtime"]))
    write("\n")
    if context["modules"]:
        write("_NAMES = {\n")
        for module in context["modules"]:
            write("    ")
            write(trusted(module.key))
            write(': """\n')
            for line in module.names:
                write("        ")
                write(trusted(line))
                write("\n")
            write('    """,\n')
        write("}\n")
    else:
        write("_NAMES = {}\n")
    write("_HOMES = {name: module for module, names in _NAMES.items() for name in names.split()}\n")
    write("\nif not TYPE_CHECKING:\n\n    def __getattr__(name: str) -> object:\n")
    write("        from importlib import import_module\n\n")
    write('        if f".{name}" in (_RUNTIME, *_NAMES):\n')
    write('            return import_module(f".{name}", __name__)\n')
    write("        home = import_module(_HOMES.get(name, _RUNTIME), __name__)\n")
    write('        if name == "__all__":\n')
    write("            value = sorted([*home.__all__, *_HOMES])\n")
    write("        elif name in _HOMES or name in home.__all__:\n")
    write("            value = getattr(home, name)\n        else:\n")
    write('            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")\n')
    write("        globals()[name] = value\n        return value\n\n")
    write('    def __dir__() -> list[str]:\n        return __getattr__("__all__")\n')
    return "".join(out)


def module(context: Mapping[str, Any]) -> str:
    """module.py.jinja"""
    out: list[str] = []
    write = out.append
    write(trusted(context["docstring"]))
    write("\n\n")
    write(trusted(context["imports"]))
    write("\n\n")
    write(trusted(context["exports"]))
    write("\n")
    write(trusted(context["body"]))
    write("\n")
    return "".join(out)


def workflow(context: Mapping[str, Any]) -> str:
    """workflow.py.jinja"""
    out: list[str] = []
    write = out.append
    for constant in context["workflow"].constants:
        write("\n")
        write(trusted(constant))
        write("\n")
    for model in context["workflow"].models:
        write("\n\n")
        write(trusted(model.head))
        write("\n    ")
        write(trusted(model.docstring))
        write("\n")
        for field in model.fields:
            if field.gap:
                write("\n")
            write("    ")
            write(trusted(field.declaration))
            write("\n")
            if field.docstring:
                write("    ")
                write(trusted(field.docstring))
                write("\n")
    if context["workflow"].nodes:
        write("\n\nclass ")
        write(trusted(context["workflow"].nodes.name))
        write("(WorkflowNode):\n    ")
        write(trusted(context["workflow"].nodes.docstring))
        write("\n\n")
        for member in context["workflow"].nodes.members:
            write("    ")
            write(trusted(member))
            write("\n")
    write("\n\n")
    write(trusted(context["workflow"].info))
    write("\n")
    for client in context["workflow"].clients:
        write("\n\n")
        write(trusted(client.head))
        write("\n    ")
        write(trusted(client.docstring))
        write("\n\n    _workflow = ")
        write(trusted(context["workflow"].info_name))
        write("\n")
        for method in client.methods:
            write("\n    ")
            write(trusted(method.head))
            write("\n        self,\n        *,\n")
            for parameter in method.parameters:
                write("        ")
                write(trusted(parameter))
                write("\n")
            write("    ) -> ")
            write(trusted(method.returns))
            write(":\n        ")
            write(trusted(method.docstring))
            write("\n        ")
            write(trusted(method.body))
            write("\n")
    write("\n\n")
    for function in context["workflow"].functions:
        write(trusted(function))
        write("\n")
    return "".join(out)


RUNTIME_NAMES: tuple[str, ...] = (
    "APIError",
    "AgentLog",
    "Annotation",
    "AnnotationJob",
    "AnswerTooLargeError",
    "AppInfo",
    "AppParameters",
    "AppSite",
    "AppUnavailableError",
    "AsyncRunLogs",
    "AsyncRunStream",
    "AsyncWorkflowClient",
    "AuthenticationError",
    "BadRequestError",
    "Checkbox",
    "ClosedError",
    "ConfigurationError",
    "ConnectTimeoutError",
    "ConnectionFailedError",
    "ConnectionLostError",
    "ConversationMismatchError",
    "ConversationNotFoundError",
    "ConversationVariable",
    "DeadlineExceededError",
    "DifyError",
    "DifyTimeoutError",
    "ErrorEvent",
    "Event",
    "Feedback",
    "File",
    "FileInput",
    "FileRules",
    "FileTooLargeError",
    "Form",
    "FormAction",
    "FormClosedError",
    "FormInput",
    "HumanInputFormFilled",
    "HumanInputFormTimeout",
    "HumanInputRequired",
    "IdleTimeoutError",
    "InputVariable",
    "Inputs",
    "InvalidParamError",
    "IterationCompleted",
    "IterationNext",
    "IterationStarted",
    "JsonObject",
    "LogEntry",
    "LogPage",
    "LoggedRun",
    "LoopCompleted",
    "LoopNext",
    "LoopStarted",
    "NodeEvent",
    "NodeFinished",
    "NodeRetry",
    "NodeStarted",
    "NotFoundError",
    "NotWorkflowAppError",
    "Number",
    "Outputs",
    "OutputsError",
    "ParallelBranchFinished",
    "ParallelBranchStarted",
    "PermissionDeniedError",
    "Ping",
    "ProviderError",
    "RateLimitError",
    "ReasoningChunk",
    "ResponseMode",
    "Run",
    "RunError",
    "RunFailedError",
    "RunLogs",
    "RunOptions",
    "RunPausedError",
    "RunStoppedError",
    "RunStream",
    "SchemaChecked",
    "ServerError",
    "StoredConversation",
    "StoredForm",
    "StoredMessage",
    "StoredThought",
    "StreamDecodeError",
    "StreamError",
    "StreamEvent",
    "StreamInterruptedError",
    "StreamOptions",
    "Text",
    "TextChunk",
    "TextReplace",
    "TooManyRequestsError",
    "TtsMessage",
    "TtsMessageEnd",
    "UnexpectedResponseError",
    "UnknownEvent",
    "UnsupportedFileTypeError",
    "UploadedFile",
    "VariableError",
    "Variables",
    "WorkflowClient",
    "WorkflowFinished",
    "WorkflowInfo",
    "WorkflowNode",
    "WorkflowPaused",
    "WorkflowStarted",
    "as_function",
)
"""What the runtime exports."""

TAKEN_NAMES: tuple[str, ...] = (
    "AsyncClient",
    "AsyncWorkflowClient",
    "WorkflowClient",
    "WorkflowNode",
    "run_call",
    "run_detail",
    "run_id_of",
    "run_now",
    "run_to_end",
)
"""What stands at the top of the runtime's modules, and so of a single file."""
