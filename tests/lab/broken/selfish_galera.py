#!/usr/bin/python3 -IS
"""A broken agent, for the checkers to catch: every start founds a cluster of its own, whoever else runs.

Each node then takes writes, and answers as a synced member of a primary component: its own. Pacemaker sees nothing
wrong, and neither does a client that reads where it has written.
"""

import sys

sys.path.insert(0, __file__.rpartition("/resource.d/")[0] + "/lib")

import quorate
from quorate.agents.galera import Galera, _start_at
from quorate.lib.dispatch import run


class SelfishGalera(Galera):
    def launch(self) -> None:
        mine = self._position()
        self._mark_safe()
        self.spawn(self._command("--wsrep-cluster-address=gcomm://", "--wsrep-new-cluster", *_start_at(mine)))
        self.await_answer(self.deadline)
        self.found_running()


if __name__ == "__main__":
    sys.exit(run(SelfishGalera, sys.argv[1:], quorate.__version__))
