"""Several scenarios one after another on one lab, each beginning with a lab that is whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import docker.errors

from quorate.lab import run as runner
from quorate.lab.cluster import Lab
from quorate.lab.progress import Progress
from quorate.lab.run import Outcome
from quorate.lab.scenario import Scenario
from quorate.lib.problem import Failed, Problem

OVERHEAD = 40.0
"""Seconds that a scenario takes beside its fault and the recovery: preparation, load, final reads, audits, logs."""
TYPICAL_RECOVERY = 20.0


def estimate(scenarios: Sequence[Scenario]) -> float:
    """About how many seconds *scenarios* take."""
    return sum(OVERHEAD + scenario.hold + TYPICAL_RECOVERY for scenario in scenarios)


def run_all(
    scenarios: Sequence[Scenario],
    lab: Lab,
    folder: Path,
    *,
    seed: int | None = None,
    progress: Progress | None = None,
    mend: Callable[[], None] | None = None,
) -> Iterator[Outcome]:
    """Run *scenarios*, each into its own folder below *folder*, and yield each outcome when it is there.

    A scenario that the lab cannot have is left out when there are several; alone it raises :class:`Problem`. Between
    two, what the cluster remembers of failures is forgotten. A lab that one of them left broken is made anew by
    *mend*, so that the next one does not suffer for it. Ends after an interrupted run.
    """
    progress = progress or Progress()
    for scenario in scenarios:
        if len(scenarios) > 1 and scenario.fault.available(lab):
            continue
        outcome = runner.run(scenario, lab, folder / scenario.name, seed=seed, progress=progress)
        whole = _tidy(lab)
        yield outcome
        if outcome.interrupted:
            return
        if not whole:
            if mend is None:
                raise Failed(f"the lab {lab.name!r} is not whole after {scenario.name}")
            with progress.step(f"making the lab anew: {scenario.name} left it broken"):
                mend()


def skipped(scenarios: Sequence[Scenario], lab: Lab) -> dict[str, str]:
    """Those of *scenarios* that *lab* cannot have, and why."""
    return {scenario.name: why for scenario in scenarios if (why := scenario.fault.available(lab))}


def _tidy(lab: Lab) -> bool:
    """Forget past failures; whether the lab is whole afterwards."""
    try:
        lab.cleanup()
        runner.wait_whole(lab)
    except (Failed, OSError, docker.errors.DockerException):
        return False
    return True


def check_folder(folder: Path) -> None:
    """Raises :class:`Problem` when a report cannot be begun in *folder*."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Problem(f"{folder}: exists already and is not an empty folder: choose another place for the report")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Problem(f"{folder}: the report cannot be written there: {error.strerror or error}") from error
