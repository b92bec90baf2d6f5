"""The default lab, up and healthy, for every test of this folder."""

from __future__ import annotations

import pytest

from quorate.lab import apt, bringup, engine, layout, paths
from quorate.lab.cluster import Lab, open_lab


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here needs the lab."""
    for item in items:
        if "tests/lab/" in str(item.path):
            item.add_marker(pytest.mark.lab)


def bring_up() -> Lab:
    """The default lab, made if it is not there."""
    opened = open_lab(layout.DEFAULT_NAME, engine.connect(), paths.DEFAULT_TOPOLOGY)
    bringup.up(opened, apt.DEFAULT_RELEASE, layout.topology_text(paths.DEFAULT_TOPOLOGY))
    return opened


@pytest.fixture(scope="session")
def shared_lab() -> Lab:
    """The default lab; use ``lab``, which makes sure that it is still healthy."""
    return bring_up()


@pytest.fixture
def lab(shared_lab: Lab) -> Lab:
    """The default lab, healthy at the beginning of the test whatever the one before did."""
    shared_lab.wait_healthy(180)
    return shared_lab
