"""What the agents' cheap actions cost: CPU of the whole process, as multiples of a bare interpreter start.

Every command is run in turn with the bare start, in the same container of a running lab, against the real running
services: a ratio is of two figures that were taken side by side.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from quorate.agents.registry import AGENTS
from quorate.lab.cluster import Lab
from quorate.lab.progress import Progress
from quorate.lib.problem import Failed

OURS = "/usr/lib/ocf/resource.d/quorate"
THEIRS = "/usr/lib/ocf/resource.d/heartbeat"
BARE = ("/usr/bin/python3", "-I", "-S", "-c", "pass")
RUNS, FEW_RUNS = 40, 5
META_DATA_LIMIT, MONITOR_LIMIT = 3.0, 2.0

# Runs on the node. CPU is what the kernel accounts to the finished child and to its children that it waited for.
_MEASURE = """
import json, os, resource, sys
work = json.load(sys.stdin)
def cpu(argv, env):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    pid = os.fork()
    if not pid:
        null = os.open("/dev/null", os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        os.execve(argv[0], argv, env)
    _, status = os.waitpid(pid, 0)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return used * 1000, os.waitstatus_to_exitcode(status)
bare, argv, env = work["bare"], work["argv"], {**os.environ, **work["env"]}
cpu(bare, env), cpu(argv, env)
pairs = [(cpu(argv, env), cpu(bare, env)) for _ in range(work["runs"])]
middle = lambda values: sorted(values)[len(values) // 2]
print(json.dumps({
    "rc": pairs[0][0][1],
    "ms": middle([a[0] for a, b in pairs]),
    "bare": middle([b[0] for a, b in pairs]),
    "ratio": middle([a[0] / b[0] for a, b in pairs]),
}))
"""


@dataclass(frozen=True)
class Cost:
    """*ms* of CPU (median), and the median of the ratios to a bare interpreter start taken beside each run.

    *limit* is what the project promises for this action, 0 where it promises nothing.
    """

    what: str
    ms: float
    bare_ms: float
    ratio: float
    limit: float

    @property
    def kept(self) -> bool:
        return not self.limit or self.ratio <= self.limit


def _measure(lab: Lab, node: str, argv: tuple[str, ...], env: Mapping[str, str], expect: int, runs: int) -> Cost:
    work = json.dumps({"bare": BARE, "argv": argv, "env": dict(env), "runs": runs})
    out = lab.exec(node, ["/usr/bin/python3", "-c", _MEASURE], stdin=work, timeout=300).out
    seen = json.loads(out)
    what = f"{'/'.join(argv[0].split('/')[-2:])} {' '.join(argv[1:])}" if argv != BARE else " ".join(argv)
    if seen["rc"] != expect:
        raise Failed(f"node {node}: {what} ended with {seen['rc']} instead of {expect}: there is nothing to measure")
    return Cost(what, seen["ms"], seen["bare"], seen["ratio"], 0.0)


def _pacemaker(lab: Lab, instance: str, parameters: Mapping[str, str]) -> dict[str, str]:
    """The environment that Pacemaker gives a recurring monitor."""
    return {
        "OCF_ROOT": "/usr/lib/ocf",
        "OCF_RA_VERSION_MAJOR": "1",
        "OCF_RA_VERSION_MINOR": "1",
        "OCF_RESOURCE_INSTANCE": instance,
        "OCF_RESKEY_CRM_meta_timeout": "20000",
        "OCF_RESKEY_CRM_meta_interval": "10000",
        **{f"OCF_RESKEY_{name}": value for name, value in parameters.items()},
    }


def run(lab: Lab, progress: Progress) -> list[Cost]:
    """Every agent's meta-data and shallow monitor, and the other provider's monitors of the same services."""
    with progress.step("waiting until everything is healthy"):
        lab.wait_healthy()
    node = lab.nodes[0]
    peers = " ".join(f"{name}={lab.address(name)}" for name in lab.nodes)
    costs = []
    clones = lab.clones()
    for agent in AGENTS:
        needs_peers = any(parameter.fill == "peers" for parameter in agent.parameters)
        env = _pacemaker(lab, agent.name, {"peers": peers} if needs_peers else {})
        for action, limit in (("meta-data", META_DATA_LIMIT), ("monitor", MONITOR_LIMIT)):
            if action == "monitor" and f"{agent.name}-clone" not in clones:
                continue  # not every lab has every agent, and a monitor of nothing shows nothing
            with progress.step(f"{agent.name} {action}"):
                cost = _measure(lab, node, (f"{OURS}/{agent.name}", action), env, 0, RUNS)
            costs.append(Cost(cost.what, cost.ms, cost.bare_ms, cost.ratio, limit))
    others: tuple[tuple[str, dict[str, str], int], ...] = (
        ("rabbitmq-cluster", {}, 0),
        (
            "galera",
            {
                "wsrep_cluster_address": f"gcomm://{','.join(lab.nodes)}",
                "check_user": "root",
                "pid": "/run/mysqld/mysqld.pid",
                "socket": "/run/mysqld/mysqld.sock",
            },
            8,
        ),
        ("apache", {"configfile": "/etc/apache2/apache2.conf", "statusurl": "http://127.0.0.1/horizon/auth/login/"}, 0),
    )
    for name, parameters, expect in others:
        with progress.step(f"heartbeat:{name} monitor"):
            env = _pacemaker(lab, name, parameters)
            costs.append(_measure(lab, node, (f"{THEIRS}/{name}", "monitor"), env, expect, FEW_RUNS))
    return costs
