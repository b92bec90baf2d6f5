#!/usr/bin/python3 -IS
"""A broken agent, for the checkers to catch: it deletes the messages that a broker holds before it starts it.

Everything else is as it should be: the brokers form their cluster again, the queues are there, users can log in.
Pacemaker sees nothing wrong, and neither does a client that only publishes.
"""

import shutil
import sys

sys.path.insert(0, __file__.rpartition("/resource.d/")[0] + "/lib")

import quorate
from quorate.agents.rabbitmq import RabbitMQ
from quorate.lib.dispatch import run

MESSAGES = ("msg_stores", "quorum")
"""The folders of classic and of quorum queues."""


class ForgetfulRabbitMQ(RabbitMQ):
    def launch(self) -> None:
        for folder in MESSAGES:
            shutil.rmtree(f"{self.data_path()}/{folder}", ignore_errors=True)
        super().launch()


if __name__ == "__main__":
    sys.exit(run(ForgetfulRabbitMQ, sys.argv[1:], quorate.__version__))
