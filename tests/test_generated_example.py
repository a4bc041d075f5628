"""`generated_example/` is what `python3 scripts/example.py` writes.

When this fails: run that, and read the difference.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from difygen.testing import mock_dify
from support import ROOT
from support.packages import imported
from support.processes import importing

EXAMPLE = ROOT / "generated_example"


def tree(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def test_the_example_is_what_the_specs_give(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "specs", tmp_path / "specs")
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    subprocess.run([sys.executable, "scripts/example.py"], check=True, cwd=tmp_path, env=importing())
    assert tree(tmp_path / "generated_example") == tree(EXAMPLE)


def test_the_example_imports() -> None:
    with imported(ROOT, "generated_example") as package:
        assert all(getattr(package, name) is not None for name in package.__all__)
        assert package.run_concat.__doc__.startswith("Run `concat`")


def test_a_turn_of_the_chatflow_and_of_the_chatbot_of_the_example() -> None:
    specs = ROOT / "specs"
    with imported(ROOT, "generated_example") as package:
        with (
            mock_dify(specs / "order_desk.yml", handler=lambda inputs: f"{inputs['order']} is on its way.") as dify,
            package.OrderDeskClient(base_url=dify.base_url, api_key=dify.api_key, user="ada") as client,
        ):
            conversation = client.conversation(order="A-17")
            assert conversation.send("Where is it?").answer == "A-17 is on its way."
            with conversation.stream("And the box?", files=[("box.png", b"\x89PNG")]) as stream:
                assert "".join(stream.text()) == "A-17 is on its way."
            assert [message.query for message in conversation.messages()] == ["Where is it?", "And the box?"]
            variables = conversation.variables()
            assert (variables.language, variables.customer) == ("en", {})
        with (
            mock_dify(specs / "product_guide.yaml", handler=lambda inputs: inputs["category"]) as dify,
            package.ProductGuideClient(base_url=dify.base_url, api_key=dify.api_key, user="ada") as client,
        ):
            turn = client.chat("Something bright, please.", category="lamps", budget=40)
            assert (turn.status, turn.answer) == ("succeeded", "lamps")


def test_a_chatflow_of_the_example_answers_as_its_spec_says() -> None:
    with (
        imported(ROOT, "generated_example") as package,
        mock_dify(ROOT / "specs" / "returns_desk.yml") as dify,
        package.ReturnsDeskClient(base_url=dify.base_url, api_key=dify.api_key, user="ada") as client,
    ):
        conversation = client.conversation(order="A-17")
        assert conversation.send("When do I get my money?").answer == "Two days after it has arrived."
        assert conversation.send("How do I send it back?").answer == "Print the label and bring it to a shop."
        variables = conversation.variables()
        assert (variables.language, variables.open_questions) == ("en", [])
