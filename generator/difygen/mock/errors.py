"""The refusals of Dify's Service API: status, code and message of each, as seen on 1.12.1. Knows no HTTP library."""

from __future__ import annotations

INTERNAL_ERROR = (
    "The server encountered an internal error and was unable to complete your request. "
    "Either the server is overloaded or there is an error in the application."
)
NOT_UNDERSTOOD = "The browser (or proxy) sent a request that this server could not understand."
WRONG_MODE = "Please check if your app mode matches the right API route."
NOT_FOUND_PAGE = (
    "<!doctype html>\n<html lang=en>\n<title>404 Not Found</title>\n<h1>Not Found</h1>\n"
    "<p>The requested URL was not found on the server. "
    "If you entered the URL manually please check your spelling and try again.</p>\n"
)


class RefusedError(Exception):
    """An answer that is not a success: becomes Dify's JSON envelope."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message

    def body(self) -> dict[str, object]:
        """The envelope. An unhandled exception of the real server has its keys in another order (seen on 1.12.1)."""
        if self.code == "unknown":
            return {"message": self.message, "code": self.code, "status": self.status}
        return {"code": self.code, "message": self.message, "status": self.status}


def invalid_param(message: str) -> RefusedError:
    """A field, an input or a file that the server does not take."""
    return RefusedError(400, "invalid_param", message)


def bad_request(message: str = NOT_UNDERSTOOD) -> RefusedError:
    """A body that is not JSON, or a path that cannot be meant."""
    return RefusedError(400, "bad_request", message)


def unauthorized(message: str) -> RefusedError:
    """A missing, malformed or unknown key."""
    return RefusedError(401, "unauthorized", message)


def not_found(message: str) -> RefusedError:
    """A run, a workflow version or a form that does not exist, or not for this caller."""
    return RefusedError(404, "not_found", message)


def unhandled() -> RefusedError:
    """What the real server answers where its own code breaks before the endpoint's."""
    return RefusedError(500, "unknown", "Internal Server Error")


def internal() -> RefusedError:
    """What the real server answers where its own code breaks inside the endpoint."""
    return RefusedError(500, "internal_server_error", INTERNAL_ERROR)
