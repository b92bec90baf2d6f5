"""``quorate agent` (skeleton: being written)."""

from __future__ import annotations

import click


@click.group()
def agent() -> None:
    """(skeleton)"""
