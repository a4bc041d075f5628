"""The locks of the dependencies fit pyproject.toml, and hold nothing of the machine that wrote them."""

from __future__ import annotations

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from support import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
OWN = PROJECT["project"]["dependencies"]
EXTRAS = PROJECT["project"]["optional-dependencies"]
GROUPS = {
    name: [each for each in group if isinstance(each, str)] for name, group in PROJECT["dependency-groups"].items()
}
ASKED = {
    "test": [*OWN, *EXTRAS["mcp"], *EXTRAS["mock"], *EXTRAS["watch"], *GROUPS["build"], *GROUPS["dev"]],
    "demo": [*OWN, *EXTRAS["mock"], *GROUPS["build"]],
}
PIN = re.compile(r"(?P<name>[a-z0-9-]+)==(?P<version>[^ ]+)(?: ; .+)?(?: \\\n    --hash=sha256:[0-9a-f]{64})+\n")


def pins(level: str) -> dict[str, str]:
    """The version of each package that a lock names. Fails where the lock holds anything else."""
    first, _, text = (ROOT / f"requirements/{level}.txt").read_text("utf-8").partition("lock.py\n")
    assert first.startswith("# ")
    assert PIN.sub("", text) == ""
    return {found["name"]: found["version"] for found in PIN.finditer(text)}


@pytest.mark.parametrize("level", ASKED)
def test_a_lock_holds_an_allowed_version_of_all_that_is_asked_for(level: str) -> None:
    locked = pins(level)
    for requirement in map(Requirement, ASKED[level]):
        version = locked[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), f"{requirement}: {version} is locked (python3 scripts/lock.py)"


def test_the_demo_runs_on_what_is_tested() -> None:
    assert pins("demo").items() <= pins("test").items()
