"""The process around the command line: `difygen`, and `python -m difygen`.

Keeps short runs short, which the targets (a), (c) and (d) of `benchmarks/generator.py` need: without the two tricks
here, a run takes a fifth to a quarter longer.
"""

import atexit
import gc
import os
import sys
from typing import NoReturn


def main() -> None:
    """Run the command line and end the process."""
    gc.set_threshold(100_000)  # what is imported and built is no garbage: looking for some takes 6 to 10 % of every run
    from difygen.cli import root

    try:
        root(prog_name="difygen")
    except OSError as error:
        if error.filename is not None:  # of a file, which is not what a command lets happen
            raise
        os.write(2, f"Error: The output cannot be written: {error.strerror}.\n".encode())
        os._exit(1)
    except SystemExit as end:
        threads = sys.modules.get("threading")  # most runs need none, and not even the module
        if isinstance(end.code, int) and (threads is None or threads.active_count() == 1):
            leave(end.code)
        raise


def leave(code: int) -> NoReturn:
    """End the process as `sys.exit` does, without first taking apart every module: 8 to 18 % of a run."""
    atexit._run_exitfuncs()
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:  # as it is where the shell closed it: `>&-`
                stream.flush()
    except OSError:  # whoever read our output is gone
        code = code or 1
    os._exit(code)


if __name__ == "__main__":
    main()
