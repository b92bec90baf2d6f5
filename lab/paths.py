"""Where the lab keeps its things on this machine, named once."""

from __future__ import annotations

import os
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
"""The checkout (or, for an installed wheel, the folder that holds the package)."""

LAB = Path(__file__).resolve().parent
IMAGE = LAB / "image"
DEFAULT_TOPOLOGY = LAB / "topology.yaml"


def state() -> Path:
    """The folder for everything generated: ``QUORATE_STATE``, else ``.state`` of the checkout, else the user's."""
    if chosen := os.environ.get("QUORATE_STATE"):
        return Path(chosen).absolute()
    if (PROJECT / "pyproject.toml").exists():
        return PROJECT / ".state"
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(home) / "quorate"


def logs() -> Path:
    """The folder of build and run logs; made when missing."""
    folder = state() / "log"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
