"""`difygen call` on a terminal asks the forms of a run that waits for people, and goes on with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from difygen.testing import mock_dify
from support import CHAT_LAB
from support.terminal import on_terminal, piped

APP = CHAT_LAB / "hitl_webapp.yml"
FIELDS = """\
        - type: select
          output_variable_name: colour
          option_source: {type: constant, selector: [], value: [red, green]}
        - type: file-list
          output_variable_name: scans
          allowed_file_types: [document]
          allowed_file_upload_methods: [local_file]
          number_limits: 2
"""


@pytest.mark.parametrize("more", [(), ("--blocking",)], ids=["streaming", "blocking"])
def test_the_form_of_a_run_is_asked_for_and_the_run_goes_on(more: tuple[str, ...]) -> None:
    keys = [("comment (Enter for 'as it is'): ", b"fine\n"), ("your choice (number or text): ", b"nonsense\n")]
    keys.append(("There is no choice 'nonsense'.\r\nyour choice (number or text): ", b"1\n"))
    with mock_dify(APP) as dify:
        ended = on_terminal("call", str(APP), "topic=tea", *more, env=dify.environment, press=keys)
        (run,) = dify.runs
    assert ended.code == 0, ended.text
    assert "Please look at **tea**." in ended.text
    assert "[comment]" in ended.text
    assert "(waits for an answer until " in ended.text
    assert "1. Approve" in ended.text
    assert "verdict: approve" in ended.text
    assert "comment: fine" in ended.text
    assert run.status == "succeeded"


def test_wrong_answers_are_asked_for_again_and_files_are_uploaded(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "a.png").write_text("a")
    app = tmp_path / "app.yml"
    head, mark, tail = APP.read_text("utf-8").partition("        selected: false\n        timeout: 36\n")
    assert mark, "the export looks another way now"
    app.write_text(f"{head}{FIELDS}{mark}{tail}", "utf-8")
    scans = "scans (path or URL; Enter ends the list): "
    keys = [
        ("comment (", b"\n"),
        ("2. green", b""),
        ("colour (number or text): ", b"pink\n"),
        ("takes one of 'red', 'green', not 'pink'", b"2\n"),
        (scans, f"{tmp_path}/a.png\n".encode()),
        (scans, b"\n"),
        ("is an image file, which is not taken here", b""),
        (scans, f"{tmp_path}/a.txt\n".encode()),
        (scans, b"\n"),
        ("your choice (number or text): ", b"Reject\n"),
    ]
    with mock_dify(app) as dify:
        ended = on_terminal("call", str(app), "topic=tea", env=dify.environment, press=keys)
        (run,) = dify.runs
    assert run.status == "succeeded", ended.text
    assert ended.code == 0


@pytest.mark.parametrize("option", ["--json", "--events"])
def test_programs_are_not_asked(option: str) -> None:
    with mock_dify(APP) as dify:
        ended = on_terminal("call", str(APP), "topic=tea", option, env=dify.environment)
    assert ended.code == 1
    assert "your choice" not in ended.text
    assert "submit_form()" in " ".join(ended.text.split())


@pytest.mark.parametrize(("key", "code"), [(b"\x04", 1), (b"\x03", 130)], ids=["end of input", "Ctrl-C"])
def test_a_form_can_be_left(key: bytes, code: int) -> None:
    with mock_dify(APP) as dify:
        ended = on_terminal(
            "call", str(APP), "topic=tea", env=dify.environment, press=[("comment (Enter for 'as it is'): ", key)]
        )
    assert ended.code == code
    assert "The form was not filled in: the run waits for it on the server." in ended.text


def test_off_a_terminal_it_is_said_how_to_answer() -> None:
    with mock_dify(APP) as dify:
        ended = piped("call", str(APP), "topic=tea", env=dify.environment)
    assert ended.code == 1
    assert "or call it on a terminal, which asks for it" in ended.err
