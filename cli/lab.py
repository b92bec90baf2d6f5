"""``quorate lab` (skeleton: being written)."""

from __future__ import annotations

import click


@click.group()
def lab() -> None:
    """(skeleton)"""
