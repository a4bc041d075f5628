"""Settings for all tests."""

import os
import sys

import hypothesis

if os.environ.get("HTTP_LIBRARY") == "httpx2":
    # As in a project that has httpx2 only: `import httpx` fails, and the runtime's one import seam takes the other.
    sys.modules["httpx"] = None  # type: ignore[assignment]

# No test fails because a machine is busy.
hypothesis.settings.register_profile("difygen", deadline=None)
hypothesis.settings.load_profile("difygen")
