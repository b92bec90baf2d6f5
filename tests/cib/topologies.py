"""Topologies and simulations that the tests of cib/ share."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import yaml

LAB = """\
cluster:
  name: quorate
  options: {dc-deadtime: 2s}
nodes:
  - {name: n1, address: 172.30.77.11}
  - {name: n2, address: 172.30.77.12}
  - {name: n3, address: 172.30.77.13}
fencing:
  - name: power
    agent: fence_ipmilan
    nodes: [n1, n2, n3]
    parameters: {ip: 10.0.0.1, passwd_script: /etc/quorate/power}
services:
  galera: {}
  rabbitmq: {}
  keystone: {}
  nova-api: {}
  dashboard: {}
"""

VIP = """\
extra:
  resources: |
    <primitive id="vip" class="ocf" provider="heartbeat" type="IPaddr2">
      <instance_attributes id="vip-instance_attributes">
        <nvpair id="vip-instance_attributes-ip" name="ip" value="172.30.77.10"/>
      </instance_attributes>
    </primitive>
  constraints: |
    <rsc_colocation id="vip-with-keystone" score="INFINITY" rsc="vip" with-rsc="keystone-clone"/>
    <rsc_location id="vip-prefers-n1" rsc="vip" node="n1" score="10"/>
"""

SERVICES = ("galera", "rabbitmq", "keystone", "nova-api", "dashboard")
WATCHED = LAB + "  sentinel: {}\n"


def changed(**keys: object) -> str:
    """LAB with top-level keys replaced; None removes one."""
    document = yaml.safe_load(LAB)
    for key, value in keys.items():
        if value is None:
            document.pop(key, None)
        else:
            document[key] = value
    return yaml.safe_dump(document, sort_keys=False)


class Simulation:
    """Offline runs of Pacemaker's scheduler on one CIB."""

    def __init__(self, folder: Path, cib: str) -> None:
        self._folder = folder
        self._count = 0
        self._cib = self._save(cib)

    def _save(self, text: str) -> Path:
        self._count += 1
        path = self._folder / f"cib-{self._count}.xml"
        path.write_text(text)
        return path

    def run(self, *arguments: str) -> str:
        """One run of crm_simulate; what it leads to is the input of the next. Returns what it printed."""
        after = self._folder / f"cib-{self._count + 1}.xml"
        self._count += 1
        done = subprocess.run(
            ["crm_simulate", "-S", "-x", str(self._cib), "-O", str(after), *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        self._cib = after
        return done.stdout

    def held(self) -> str:
        """The CIB, state included, after the last run."""
        return self._cib.read_text()

    def start_all(self) -> None:
        """Bring three nodes up and let the cluster settle with every instance started."""
        self.run("--quorum=true", "-u", "n1", "-u", "n2", "-u", "n3")
        settled = self.run()
        assert not actions(settled), settled
        for name in SERVICES:
            assert started(settled, name) == {"n1", "n2", "n3"}, settled


def actions(output: str) -> set[tuple[str, str, str]]:
    """What was done to resources: (resource, action, node), monitors left out."""
    found = re.findall(r"\* Resource action: (\S+)\s+(start|stop|promote|demote|notify)\S* on (\S+)", output)
    return {(resource.partition(":")[0], action, node) for resource, action, node in found}


def started(output: str, service: str) -> set[str]:
    """The nodes on which a clone is started at the end of a run."""
    final = output.rpartition("Revised Cluster Status")[2] or output
    match = re.search(rf"{re.escape(service)}-clone \[\S+\]:\n\s+\* Started: \[ ([^\]]*) \]", final)
    return set(match[1].split()) if match else set()
