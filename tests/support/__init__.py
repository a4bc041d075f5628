"""What tests share: definitions, projects and packages to make, servers and proxies to talk to, processes to start."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests"
LAB = TESTS / "dsl_lab"
CHAT_LAB = TESTS / "dsl_lab_chat"
NEWEST = TESTS / "cases" / "dsl" / "exported_by_1_17"
"""Exports from a real server."""
GENERATOR = ROOT / "generator"
"""What has to be on the path of a process that imports this checkout's difygen."""
