"""``quorate cib` (skeleton: being written)."""

from __future__ import annotations

import click


@click.group()
def cib() -> None:
    """(skeleton)"""
