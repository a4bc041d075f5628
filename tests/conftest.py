"""Settings for all tests.

`HTTP_LIBRARY=httpx2 pytest tests/test_faults.py tests/test_connections.py tests/test_leaving.py` proves the runtime in a
project that has httpx2 and no httpx: `import httpx` fails, and the runtime's one import seam takes the other.
"""

import os
import sys

if os.environ.get("HTTP_LIBRARY") == "httpx2":
    sys.modules["httpx"] = None  # type: ignore[assignment]
