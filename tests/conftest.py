"""Settings that every tier of tests shares."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

# The same examples every time, and no clock: the machine that runs the tests also runs other things.
settings.register_profile(
    "quorate",
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
settings.load_profile("quorate")


@pytest.fixture(autouse=True)
def _no_cluster_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests run on a cluster node too: nothing of its environment may decide a result."""
    for name in list(os.environ):
        if name.startswith(("OCF_", "HA_", "PCMK_")):
            monkeypatch.delenv(name)
