"""The command as users start it: a process, on a terminal of its own or with pipes."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from support import GENERATOR

_PATIENCE = 120.0
_STEERING = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07|\r")


@dataclass(frozen=True)
class Ended:
    """A process that ended. On a terminal, all that it showed is in `out`, and `text` is that without colours and
    cursor moves.
    """

    code: int
    out: str
    err: str = ""

    @property
    def text(self) -> str:
        return _STEERING.sub("", self.out)


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a process: ours, without any setting of Dify's, of a proxy or of another terminal."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith(("DIFY_", "HTTP", "ALL_PROXY", "COLUMNS", "LINES"))
    }
    fixed = {"PYTHONPATH": str(GENERATOR), "TERM": "xterm-256color", "NO_PROXY": "*", "PYTHONWARNINGS": "error"}
    return {**kept, **fixed, **(extra or {})}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "difygen", *arguments]


def piped(
    *arguments: str, env: Mapping[str, str], stdin: str = "", interrupt_when: str = "", cwd: Path | None = None
) -> Ended:
    """Run with pipes in the place of a terminal. Ctrl-C is pressed once standard error holds `interrupt_when`."""
    with subprocess.Popen(
        command(*arguments),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(env),
        cwd=cwd,
        text=True,
        encoding="utf-8",
    ) as process:
        seen = ""
        if interrupt_when:
            assert process.stderr is not None
            while interrupt_when not in seen:
                line = process.stderr.readline()
                assert line, f"ended before {interrupt_when!r}: {seen}"
                seen += line
            process.send_signal(signal.SIGINT)
        out, err = process.communicate(stdin, timeout=_PATIENCE)
    return Ended(process.returncode, out, seen + err)


def redirected(arguments: Sequence[str], *, env: Mapping[str, str], redirection: str) -> Ended:
    """Run by a shell that does `redirection` to the command: `>/dev/full`, `| head -1`. The exit code is the
    command's.
    """
    script = f'{{ "$@"; echo "code $?" >&3; }} 3>&2 {redirection}'
    ended = subprocess.run(
        ["sh", "-c", script, "sh", *command(*arguments)],
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=environment(env),
        text=True,
        encoding="utf-8",
        timeout=_PATIENCE,
    )
    err, _, code = ended.stderr.rpartition("code ")
    return Ended(int(code), ended.stdout, err)


def on_terminal(
    *arguments: str,
    env: Mapping[str, str],
    press: Sequence[tuple[str | Callable[[], bool], bytes]] = (),
    columns: int = 110,
    rows: int = 30,
    kind: str = "xterm-256color",
) -> Ended:
    """Run on a terminal of its own. Each of `press` is (a text that must be shown first or a condition, keys that
    are pressed then).
    """
    outer, inner = pty.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-c", _LEADER, *command(*arguments)],
        stdin=inner,
        stdout=inner,
        stderr=inner,
        env=environment(env) | {"TERM": kind},
        start_new_session=True,
    )
    os.close(inner)
    try:
        shown = _converse(outer, list(press))
        code = process.wait(timeout=_PATIENCE)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(outer)
    return Ended(code, shown.decode(errors="replace"))


# Makes the terminal the controlling one, so that Ctrl-C reaches the process as a signal.
_LEADER = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"


def _converse(outer: int, press: list[tuple[str | Callable[[], bool], bytes]]) -> bytes:
    shown = b""
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        if press and _is_time(press[0][0], shown):
            os.write(outer, press.pop(0)[1])
        readable, _, _ = select.select([outer], [], [], 0.05)
        if not readable:
            continue
        try:
            data = os.read(outer, 65536)
        except OSError:  # Linux says so when the other side has closed
            return shown
        if not data:
            return shown
        shown += data
    raise AssertionError(f"still running after {_PATIENCE:g} s: {shown[-2000:]!r}")


def _is_time(when: str | Callable[[], bool], shown: bytes) -> bool:
    return when.encode() in shown if isinstance(when, str) else when()
