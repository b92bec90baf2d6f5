"""The starter topology that ``quorate cib init`` prints."""

from __future__ import annotations

from importlib import resources


def starter() -> str:
    """A commented topology that generates as it is."""
    return resources.files(__package__).joinpath("starter.yaml").read_text(encoding="utf-8")
