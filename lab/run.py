"""Runs one scenario against a lab: load, fault, healing, recovery, final reads, audits, verdicts.

Whatever happens on the way, the fault is healed and what was recorded is kept and judged: Ctrl-C, a node that never
comes back and an engine that restarts all end in a report.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import docker.errors

from quorate.lab import audit, collect, events, history, record, whole, workloads
from quorate.lab.checker import UNKNOWN, Checker, Verdict, judge, worst
from quorate.lab.checkers.audits import Audits
from quorate.lab.checkers.availability import ENOUGH, Availability
from quorate.lab.checkers.recovery import Recovery
from quorate.lab.cluster import Lab
from quorate.lab.fault import NotInjected
from quorate.lab.history import History, HistoryLog, read_history
from quorate.lab.interrupt import Interrupted, Interrupts, interrupts
from quorate.lab.progress import Progress
from quorate.lab.recorder import Recorder
from quorate.lab.scenario import Scenario
from quorate.lab.workload import Pace, Place, Workload
from quorate.lib.problem import Failed, Problem

CIB_BEFORE = "cib-before.xml"
"""The file in a scenario's folder that holds the CIB as it was before anything was broken."""
WARM_UP = 60.0
"""Seconds in which every client must have had enough success, before anything is broken."""
FEWEST = 5
BEFORE = 5.0
"""Seconds of undisturbed load ahead of the fault: what "before" means in every figure."""
AFTER = 5.0
"""Seconds of load after the recovery."""
SETTLE, SETTLE_BROKEN = 60.0, 15.0
"""Seconds that each final read is tried for: in a cluster that is whole, and in one that is not."""


@dataclass(frozen=True)
class Outcome:
    """A scenario that ran: its *verdicts*, and the one that counts. *trouble* is what cut it short, if anything.

    *remade* is why the lab was made anew before it; empty when it was not.
    """

    scenario: Scenario
    seed: int
    folder: Path
    history: History
    verdicts: tuple[Verdict, ...]
    trouble: str = ""
    interrupted: bool = False
    remade: str = ""

    @property
    def value(self) -> str:
        """invalid as soon as a checker found a broken promise; unknown when the run was cut short."""
        return worst([*(verdict.value for verdict in self.verdicts), *([UNKNOWN] if self.trouble else [])])

    @property
    def expected(self) -> bool:
        return self.value == self.scenario.expect


@dataclass
class _Run:
    lab: Lab
    scenario: Scenario
    seed: int
    log: HistoryLog
    progress: Progress
    interrupts: Interrupts
    cib_before: str = ""
    recorders: list[Recorder] = field(default_factory=list)
    broken: bool = False
    """The injection has begun: what the clients have done since is worth the final reads."""
    hurt: bool = False
    """The fault was seen to have happened."""

    def go(self, loads: Sequence[Workload]) -> None:
        """The whole run. Raises :class:`Failed` with what cut it short; the fault is healed in any case."""
        places = [Place(node, self.lab.address(node)) for node in self.lab.nodes]
        with self.progress.step("preparing tables, queues and users"):
            for load in loads:
                load.prepare(self.lab)
        self.recorders = [Recorder(self.log, load, places, self.scenario.paces.get(load.name)) for load in loads]
        failure: Failed | None = None
        try:
            with self.progress.step("load before the fault"):
                for recorder in self.recorders:
                    recorder.start()
                self._warm_up()
                time.sleep(BEFORE)
            self._break()
            with self.progress.step("load after the recovery"):
                time.sleep(AFTER)
        except NotInjected:
            raise
        except Failed as caught:
            # What is lost can be told even of a cluster that did not become whole, if it still answers.
            failure = caught
        finally:
            with ThreadPoolExecutor(max(1, len(self.recorders))) as pool:
                list(pool.map(lambda recorder: recorder.stop(), self.recorders))
        if self.broken:
            self._settle(SETTLE if failure is None else SETTLE_BROKEN)
        if failure is not None:
            raise failure

    def _settle(self, patience: float) -> None:
        self.log.mark(history.FINAL)
        with self.progress.step("final reads"):
            for recorder in self.recorders:
                if not recorder.settle(patience):
                    self.log.mark(history.TROUBLE, seen=f"{recorder.workload.name}: a final read was never answered")
        with self.progress.step("audits of the cluster"):
            for finding in audit.audit(self.lab, self.cib_before):
                self.log.mark(history.AUDIT, name=finding.name, value=finding.value, seen=finding.seen)

    def _warm_up(self) -> None:
        until = time.monotonic() + WARM_UP
        while cold := [recorder for recorder in self.recorders if recorder.good < enough(recorder.pace)]:
            if time.monotonic() > until:
                why = cold[0].last_error or "no operation ended"
                raise Failed(f"the load {cold[0].workload.name} has too little success to begin: {why}")
            time.sleep(0.2)

    def _break(self) -> None:
        scenario = self.scenario
        chance = random.Random(self.seed)
        with self.progress.step(f"fault: {scenario.fault.about}"), ExitStack() as fault:
            self.log.mark(history.FAULT, fault=scenario.fault.name)
            self.broken = True
            try:
                # A half-made fault could not be healed, and half a healing is none.
                with self.interrupts.held():
                    injected = fault.enter_context(scenario.fault.inject(self.lab, chance))
                    facts = dict(injected.facts)
                    self.log.mark(history.INJECTED, nodes=list(injected.nodes), words=injected.words, facts=facts)
                    self.hurt = True
                self.progress.detail(injected.words)
                self.interrupts.check()
                time.sleep(scenario.hold)
                if scenario.hold:
                    self.log.mark(history.HEALING)
            finally:
                with self.interrupts.held():
                    fault.close()
                    if self.hurt:
                        self.log.mark(history.HEALED)
        self.interrupts.check()
        with self.progress.step("waiting until the cluster is whole"):
            self._recover(scenario.recovery, self.progress.detail)

    def _recover(self, patience: float, tell: Callable[[str], None]) -> None:
        until = time.monotonic() + patience
        while missing := whole.wanting(self.lab):
            tell(missing[0])
            if time.monotonic() > until:
                # An engine that is gone hides the cluster: then nobody knows, and this raises.
                self.lab.client.ping()
                seen = f"the cluster is not whole {patience:.0f} s after the fault: {'; '.join(missing)}"
                self.log.mark(history.GAVE_UP, seen=seen)
                raise Failed(seen)
            time.sleep(whole.LOOK)
        self.log.mark(history.RECOVERED)


def enough(pace: Pace) -> int:
    """Successful operations that a load of this *pace* must have before the fault: what it does in a few seconds.

    A login every 1.5 s that had to succeed twenty times would make every run half a minute longer.
    """
    return max(FEWEST, min(ENOUGH, round(pace.rate * BEFORE))) if pace.rate else ENOUGH


def alone(lab: Lab) -> AbstractContextManager[None]:
    """Nobody else runs anything against *lab* within; raises :class:`Failed` when somebody does.

    Two runs at once would take each other's tables and objects for leftovers of an earlier one.
    """
    return record.locked(lab.name, "chaos.lock", "being hurt")


def run(
    scenario: Scenario, lab: Lab, folder: Path, *, seed: int | None = None, progress: Progress | None = None
) -> Outcome:
    """Run *scenario* against *lab*, which must be whole; everything it leaves goes into *folder*.

    Raises :class:`Problem` and changes nothing when the lab cannot have this scenario.
    """
    progress = progress or Progress()
    seed = random.SystemRandom().randrange(2**31) if seed is None else seed
    why = scenario.fault.available(lab)
    if why:
        raise Problem(f"scenario {scenario.name}: {why}")
    loads = [workloads.make(name) for name in scenario.workloads]
    with alone(lab):
        return _run(scenario, lab, folder, seed, loads, progress)


def _run(
    scenario: Scenario, lab: Lab, folder: Path, seed: int, loads: Sequence[Workload], progress: Progress
) -> Outcome:
    folder.mkdir(parents=True, exist_ok=True)
    with progress.step("waiting until the lab is whole"):
        whole.wait_whole(lab)
    cib = lab.cib()
    (folder / CIB_BEFORE).write_text(cib, encoding="utf-8")
    noted = collect.note_logs(lab)
    header = {
        "scenario": scenario.name,
        "seed": seed,
        "fault": scenario.fault.name,
        "workloads": list(scenario.workloads),
        "enough": {load.name: enough(scenario.paces.get(load.name) or load.pace) for load in loads},
        "nodes": list(lab.nodes),
        "lab": lab.name,
    }
    trouble, interrupted, began = "", False, time.time()
    path = folder / "history.jsonl"
    with interrupts() as caught, HistoryLog(path, header) as log:
        try:
            _Run(lab, scenario, seed, log, progress, caught, cib).go(loads)
        except Interrupted as signal:
            trouble, interrupted = f"interrupted by {signal}", True
        except (Failed, OSError, docker.errors.DockerException) as failure:
            trouble = str(failure)
        except Exception as error:  # a fault of the harness, which must not cost what was recorded
            trouble = f"the run itself failed: {type(error).__name__}: {error}"
        if trouble:
            log.mark(history.TROUBLE, seen=trouble)
        with caught.held():
            _look_back(lab, log, folder, noted, began, progress)
        log.mark(history.END)
    seen = read_history(path)
    verdicts = tuple(judge(checker, seen) for checker in checkers(scenario, loads))
    return Outcome(scenario, seed, folder, seen, verdicts, trouble, interrupted)


def _look_back(
    lab: Lab,
    log: HistoryLog,
    folder: Path,
    noted: Mapping[str, Mapping[str, int]],
    began: float,
    progress: Progress,
) -> None:
    """What the cluster's own logs say of the run, and what it left: kept also when the run was cut short."""
    with progress.step("collecting logs"):
        try:
            for event in events.cluster_events(lab, began):
                log.mark(history.EVENT, at=log.at_wall(event.wall), kind=event.kind, node=event.node, text=event.text)
            (folder / "cib-after.xml").write_text(lab.cib(), encoding="utf-8")
        except (Failed, OSError, docker.errors.DockerException) as failure:
            log.mark(history.TROUBLE, seen=f"the cluster could not be asked afterwards: {failure}")
        for trouble in collect.collect_run(lab, folder, noted, began):
            log.mark(history.TROUBLE, seen=trouble)


def checkers(scenario: Scenario, loads: Sequence[Workload]) -> tuple[Checker, ...]:
    """Everything that judges a run: recovery and audits, then what each load promises, then its availability."""
    return (
        Recovery(),
        Audits(),
        *(checker for load in loads for checker in load.checkers()),
        *(Availability(load.name) for load in loads),
    )
