"""Start orders as a graph: for each name, the names it starts after."""

from __future__ import annotations

from collections.abc import Collection, Mapping

Edges = Mapping[str, tuple[str, ...]]

DEFAULT: Edges = {
    "keystone": ("galera", "rabbitmq"),
    "nova-api": ("keystone",),
    "dashboard": ("nova-api",),
}
"""What starts after what when the topology does not say."""


def reach(edges: Edges, name: str, present: Collection[str]) -> set[str]:
    """The nearest names in *present* that *name* starts after, looking through those that are not present.

    Without nova-api, the dashboard follows keystone. *edges* must have no cycle.
    """
    found: set[str] = set()
    pending = list(edges.get(name, ()))
    while pending:
        other = pending.pop()
        if other in present:
            found.add(other)
        else:
            pending.extend(edges.get(other, ()))
    return found


def cycle(edges: Edges) -> tuple[str, ...]:
    """The names of one cycle, each followed by what it starts after; empty when there is none."""
    done: set[str] = set()

    def walk(name: str, trail: tuple[str, ...]) -> tuple[str, ...]:
        if name in trail:
            return trail[trail.index(name) :]
        if name not in done:
            for other in edges.get(name, ()):
                found = walk(other, (*trail, name))
                if found:
                    return found
            done.add(name)
        return ()

    for name in edges:
        found = walk(name, ())
        if found:
            return found
    return ()
