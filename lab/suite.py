"""Several scenarios one after another on one lab, each beginning with a lab that is whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from quorate.lab import run as runner
from quorate.lab import whole
from quorate.lab.checker import VALID
from quorate.lab.checkers.audits import Audits
from quorate.lab.cluster import Lab
from quorate.lab.progress import Progress
from quorate.lab.run import Outcome
from quorate.lab.scenario import Scenario
from quorate.lib.problem import Problem

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

    A scenario that the lab cannot have is left out when there are several; alone it raises :class:`Problem`. Before
    each, past failures are forgotten and the lab gets its time to be whole. When it is not, or the audits still find
    something, it is made anew by *mend*, so that no scenario suffers for the one before, and the outcome says so. After
    the last one it has to serve, but keeps what the audits found. Ends after an interrupted run.
    """
    progress = progress or Progress()
    left_out = skipped(scenarios, lab)
    if len(scenarios) == 1 and left_out:
        raise Problem("; ".join(f"scenario {name}: {why}" for name, why in left_out.items()))
    keeper = whole.Keeper(lab, mend, progress)
    before, clean, last = "", False, ""
    for scenario in scenarios:
        if scenario.name in left_out:
            continue
        with runner.alone(lab):
            why = keeper.restore(before, audited=clean)
        outcome = runner.run(scenario, lab, folder / scenario.name, seed=seed, progress=progress)
        yield replace(outcome, remade=f"{last}{why}" if why else "")
        if outcome.interrupted:
            return
        before = (outcome.folder / runner.CIB_BEFORE).read_text(encoding="utf-8")
        clean = any(each.checker == Audits().name and each.value == VALID for each in outcome.verdicts)
        last = f"after {scenario.name}: "
    if last:
        with runner.alone(lab):
            keeper.settle()


def skipped(scenarios: Sequence[Scenario], lab: Lab) -> dict[str, str]:
    """Those of *scenarios* that *lab* cannot have, and why."""
    return {scenario.name: why for scenario in scenarios if (why := scenario.fault.available(lab))}


def check_folder(folder: Path) -> None:
    """Raises :class:`Problem` when a report cannot be begun in *folder*."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Problem(f"{folder}: exists already and is not an empty folder: choose another place for the report")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Problem(f"{folder}: the report cannot be written there: {error.strerror or error}") from error
