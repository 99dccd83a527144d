"""The environment of a report: of any checkout, installed or not."""

import importlib.metadata

import pytest

from ddoq.files import artifacts
from ddoq.processes.world import World
from ddoq.report.environment import environment


def test_it_names_versions_and_hardware():
    found = environment(World(), threads=3)
    assert found["ddoq"] == importlib.metadata.version("ddoq")
    assert (found["device"], found["ranks"], found["threads"]) == ("cpu", 1, 3)


def test_a_checkout_that_is_not_installed_has_a_report_too(monkeypatch: pytest.MonkeyPatch):
    known = importlib.metadata.version

    def version(name: str) -> str:
        if name == "ddoq":
            raise importlib.metadata.PackageNotFoundError(name)
        return known(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    artifacts._version.cache_clear()
    try:
        assert environment(World(), threads=1)["ddoq"] == "absent"
    finally:
        artifacts._version.cache_clear()
