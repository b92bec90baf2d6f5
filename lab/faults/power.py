"""The power of nodes: cut, frozen, reset, or a proper reboot; of one, of two, of all, at once or one after another."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from quorate.lab.fault import Injected, NotInjected
from quorate.lab.faults import mending
from quorate.lib.problem import Failed

if TYPE_CHECKING:
    from quorate.lab.cluster import Lab

KINDS = {
    "power-off": "the plug of {nodes} is pulled{apart}; fencing may give the power back, healing does",
    "pause": "{nodes} frozen with everything in memory{apart}",
    "reset": "the reset button of {nodes} is pressed{apart}",
    "reboot": "{nodes} shut down in good order and started again{apart}",
}
_SEEN = 10.0
"""Seconds in which a node has to be seen without power, or frozen."""
_SHUT_DOWN = 180
"""Seconds that a node gets to stop its services and end in good order."""


@dataclass(frozen=True)
class Power:
    """*kind* (of :data:`KINDS`) to *count* nodes: at once, or one *apart* seconds after the other."""

    kind: str
    count: int = 1
    apart: float = 0.0

    @property
    def name(self) -> str:
        return f"{self.kind}{mending.suffix(self.count)}{'-staggered' if self.apart else ''}"

    @property
    def about(self) -> str:
        apart = f", {self.apart:.0f} s apart" if self.apart else ""
        return KINDS[self.kind].format(nodes=mending.words(self.count), apart=apart)

    def available(self, lab: Lab) -> str:
        return mending.too_few(lab, self.count)

    @contextmanager
    def inject(self, lab: Lab, chance: random.Random) -> Iterator[Injected]:
        nodes = list(mending.choose(lab, chance, self.count))
        chance.shuffle(nodes)
        healing = [partial(step, lab, node) for node in nodes for step in (mending.unfreeze, mending.power_on_if_off)]
        with mending.healed_by(*healing):
            with ThreadPoolExecutor(len(nodes)) as pool:
                seen = list(pool.map(lambda turn: self._hit(lab, turn[1], turn[0] * self.apart), enumerate(nodes)))
            said = dict(zip(nodes, seen, strict=True))
            yield Injected(tuple(nodes), "; ".join(f"{node}: {what}" for node, what in said.items()), {"seen": said})

    def _hit(self, lab: Lab, node: str, delay: float) -> str:
        """Do it to *node* in *delay* seconds; what was seen."""
        time.sleep(delay)
        before = mending.boot(lab, node)
        if before[0] != "running" and not self.apart:
            raise NotInjected(f"node {node}: it is {before[0]} already, it cannot be hurt")
        try:
            return self._do(lab, node, before)
        except mending.ENGINE_ERRORS as error:
            raise NotInjected(f"node {node}: {self.kind}: the engine did not do it: {error}") from error

    def _do(self, lab: Lab, node: str, before: tuple[str, str]) -> str:
        container = lab.container(node)

        def off() -> bool:
            now = mending.boot(lab, node)
            return now[0] not in ("running", "paused") or now[1] != before[1]

        if self.kind == "pause":
            container.pause()
            mending.await_seen(f"node {node} frozen", lambda: mending.boot(lab, node)[0] == "paused" or off(), _SEEN)
            return "frozen"
        if self.kind == "reboot":
            begun = time.monotonic()
            container.stop(timeout=_SHUT_DOWN)
            took = time.monotonic() - begun
            container.reload()
            if took > _SHUT_DOWN or container.attrs["State"]["ExitCode"] == 137:
                raise NotInjected(f"node {node}: it did not shut down in good order within {_SHUT_DOWN} s")
            lab.power_on(node)
            return f"shut down in {took:.1f} s, and on again"
        lab.power_off(node)
        mending.await_seen(f"node {node} without power", off, _SEEN)
        if self.kind == "reset":
            try:
                lab.power_on(node)
            except Failed as failure:
                raise NotInjected(str(failure)) from failure
            mending.await_seen(f"node {node} on again", lambda: mending.boot(lab, node)[0] == "running", _SEEN)
            return "reset"
        return "without power"
