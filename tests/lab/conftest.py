"""A lab, up and healthy, for every test of this folder.

It is the default one, unless QUORATE_LAB (its name) and QUORATE_SUBNET (its /24) say otherwise.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from quorate.lab import apt, bringup, engine, layout, paths, whole
from quorate.lab.cluster import Lab, open_lab
from quorate.lab.health import under_way

NAME = os.environ.get("QUORATE_LAB") or layout.DEFAULT_NAME
SUBNET = os.environ.get("QUORATE_SUBNET") or None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here needs the lab."""
    for item in items:
        if "tests/lab/" in str(item.path):
            item.add_marker(pytest.mark.lab)


def bring_up() -> Lab:
    """The lab, made if it is not there."""
    opened = open_lab(NAME, engine.connect(), paths.DEFAULT_TOPOLOGY, SUBNET)
    bringup.up(opened, apt.DEFAULT_RELEASE, layout.topology_text(paths.DEFAULT_TOPOLOGY, SUBNET))
    return opened


@pytest.fixture(scope="session")
def shared_lab() -> Lab:
    """The lab; use ``lab``, which makes sure that it is still healthy."""
    return bring_up()


@pytest.fixture
def lab(shared_lab: Lab) -> Lab:
    """The lab, whole at the beginning of the test whatever the one before did.

    Pacemaker alone would not say: of what was killed or frozen it knows only after its next monitor, 10 s later.
    """
    shared_lab.wait_healthy(180)
    whole.wait_whole(shared_lab)
    return shared_lab


@pytest.fixture
def maintenance(lab: Lab) -> Iterator[Lab]:
    """The lab in maintenance mode, with no monitor under way; afterwards every service is made to run again, by
    Pacemaker."""
    first = lab.nodes[0]
    lab.exec(first, ["crm_attribute", "--name", "maintenance-mode", "--update", "true"])
    try:
        await_rest(lab)
        yield lab
    finally:
        lab.exec(first, ["crm_attribute", "--name", "maintenance-mode", "--delete"])
        # Pacemaker looks at what is really there instead of believing what it knew.
        lab.exec(first, ["crm_resource", "--refresh"], timeout=60, check=False)
        lab.wait_healthy(240)
        whole.wait_whole(lab)


def await_rest(lab: Lab, patience: float = 60.0) -> None:
    """Until the last operation of Pacemaker has ended and its monitors are cancelled, as maintenance mode does."""
    until = time.monotonic() + patience
    while busy := under_way(lab.cib()):
        assert time.monotonic() < until, f"still under way after {patience:.0f} s of maintenance: {', '.join(busy)}"
        time.sleep(0.5)
