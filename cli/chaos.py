"""``quorate chaos``: break a real cluster, and say what its clients saw and what was lost."""

from __future__ import annotations

import time
from pathlib import Path

import click
from rich.console import Console

from quorate.cli import chaos_report
from quorate.cli.lab import NAME
from quorate.lab import apt, bringup, engine, faults, layout, overhead, paths, record, scenarios, suite, workloads
from quorate.lab.cluster import Lab, open_lab
from quorate.lab.interrupt import terminable
from quorate.lab.progress import ConsoleProgress
from quorate.lab.report import compare as comparison
from quorate.lab.report import write as reports
from quorate.lab.report.markdown import MARKDOWN, markdown
from quorate.lab.report.model import put, read_report
from quorate.lab.scenario import Scenario


@click.group()
def chaos() -> None:
    """Break a real cluster, and say what its clients saw and what was lost.

    \b
    Examples:
      quorate chaos list
      quorate chaos run kill-galera --report out/
      quorate chaos run all --report out/
      quorate chaos compare out/a out/b
    """


@chaos.command(name="list")
def list_() -> None:
    """List scenarios, faults and workloads, a line each."""
    loads = [kind() for kind in workloads.WORKLOADS]
    chaos_report.listing(
        Console(),
        {
            "Scenarios": [(each.name, each.about) for each in scenarios.SCENARIOS],
            "Faults": [(each.name, each.about) for each in faults.FAULTS],
            "Workloads": [(each.name, each.about) for each in loads],
        },
    )


@chaos.command(name="run")
@NAME
@click.argument("names", nargs=-1, required=True, metavar="SCENARIO...|all|subset")
@click.option(
    "--report", type=click.Path(path_type=Path), default=None, help="The report's folder.  [default: chaos-DATE-TIME]"
)
@click.option("--seed", type=int, default=None, help="Replay: the same seed chooses the same nodes.")
@click.option(
    "--topology",
    type=click.Path(path_type=Path),
    default=None,
    help="What the lab is brought up with when it is not up.  [default: the one that comes with the lab]",
)
@click.option("--subnet", default=None, metavar="CIDR", help="Move the nodes' addresses to this /24.")
@click.option("--release", default=apt.DEFAULT_RELEASE, show_default=True, help="The Debian release of the nodes.")
def run_(
    name: str,
    names: tuple[str, ...],
    report: Path | None,
    seed: int | None,
    topology: Path | None,
    subnet: str | None,
    release: int,
) -> int:
    """Run scenarios against the lab, which is brought up when it is not.

    Ends with 1 when a scenario's verdict is not the one that it expects, with 130 when interrupted; the report is
    written in any case.

    \b
    Examples:
      quorate chaos run kill-rabbitmq power-off --report out/
      quorate chaos run all --report out/ --seed 7
      quorate chaos run all --name rival --subnet 172.30.80.0/24 --topology lab/topologies/heartbeat.yaml
    """
    wanted = scenarios.select(names)
    folder = report or Path(time.strftime("chaos-%Y%m%d-%H%M%S"))
    suite.check_folder(folder)
    console = Console()
    progress = ConsoleProgress(console)
    lab = _lab(name, topology, subnet, release, progress)
    left_out = suite.skipped(wanted, lab) if len(wanted) > 1 else {}
    for scenario, why in left_out.items():
        console.print(f"left out: {scenario}: {why}", highlight=False)
    runs = [scenario for scenario in wanted if scenario.name not in left_out]
    console.print(f"{len(runs)} scenarios, about {suite.estimate(runs) / 60:.0f} minutes; report in {folder}/")
    return _run(lab, runs, folder, seed, release, console, progress)


def _run(
    lab: Lab,
    runs: list[Scenario],
    folder: Path,
    seed: int | None,
    release: int,
    console: Console,
    progress: ConsoleProgress,
) -> int:
    def anew() -> None:
        text = record.topology_file(lab.name).read_text(encoding="utf-8")
        bringup.down(lab.name, lab.client)
        bringup.up(lab, release, text)

    interrupted = False
    with terminable(), reports.Book(folder, lab) as book:
        for number, outcome in enumerate(suite.run_all(runs, lab, folder, seed=seed, progress=progress, mend=anew), 1):
            chaos_report.one(console, outcome, number, len(runs))
            book.add(outcome)
            interrupted = outcome.interrupted
    chaos_report.summary(console, book.entries)
    console.print(f"report: {folder / reports.PAGE}", highlight=False)
    if interrupted:
        return 130
    return 0 if all(entry.expected for entry in book.entries) else 1


def _lab(name: str, topology: Path | None, subnet: str | None, release: int, progress: ConsoleProgress) -> Lab:
    """The lab, up and provisioned; what it remembers of its topology counts unless one is given."""
    apt.suite_of(release)
    kept = record.topology_file(name)
    source = topology or (kept if kept.exists() and subnet is None else paths.DEFAULT_TOPOLOGY)
    text = layout.topology_text(source, subnet)
    lab = open_lab(name, engine.connect(), source, subnet)
    bringup.up(lab, release, text, progress)
    return lab


@chaos.command()
@NAME
@click.option("--workload", default="sql-set", show_default=True, help="The load that is measured.")
def bench(name: str, workload: str) -> int:
    """Measure what recording takes of a workload's throughput. Ends with 1 when it is more than 5 %.

    \b
    Example:
      quorate chaos bench --workload queue-mirrored
    """
    seen = overhead.measure(open_lab(name, engine.connect()), workloads.make(workload))
    click.echo(
        f"{seen.workload}: recording takes {seen.share:.1%} of the throughput (standard error {seen.error:.1%}); "
        f"{sum(seen.recorded) / len(seen.recorded):.0f} operations/s with it, "
        f"{sum(seen.bare) / len(seen.bare):.0f} without"
    )
    return 0 if seen.kept else 1


@chaos.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--markdown",
    "file",
    is_flag=False,
    flag_value="",
    default=None,
    metavar="[FILE]",
    help="Instead of the page, the table of all scenarios in Markdown.  [default: report.md in FOLDER; - is stdout]",
)
def report(folder: Path, file: str | None) -> None:
    """Make the page of FOLDER anew from its report.json and histories: also that of a run that was cut short.

    \b
    Examples:
      quorate chaos report out/
      quorate chaos report out/ --markdown -
      quorate chaos report out/ --markdown docs/measured.md
    """
    if file is None:
        reports.rebuild(folder)
        click.echo(f"{folder / reports.PAGE}")
        return
    text = markdown(read_report(folder))
    if file == "-":
        click.echo(text, nl=False)
        return
    click.echo(f"{put(Path(file) if file else folder / MARKDOWN, text)}")


@chaos.command()
@click.argument("first", type=click.Path(path_type=Path))
@click.argument("second", type=click.Path(path_type=Path))
@click.option("--html", type=click.Path(path_type=Path), default=None, help="Also as a page of its own.")
def compare(first: Path, second: Path, html: Path | None) -> None:
    """Put two reports side by side: the same scenarios on two sets of agents, or before and after a change.

    \b
    Example:
      quorate chaos compare out/ours out/theirs --html side-by-side.html
    """
    both = comparison.compare(first, second)
    chaos_report.comparison(Console(), both)
    if html is not None:
        comparison.write_page(html, both)
        click.echo(f"{html}")
