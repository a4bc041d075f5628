"""Settings for all tests."""

import os
import sys

if os.environ.get("HTTP_LIBRARY") == "httpx2":
    # As in a project that has httpx2 only: `import httpx` fails, and the runtime's one import seam takes the other.
    sys.modules["httpx"] = None  # type: ignore[assignment]
