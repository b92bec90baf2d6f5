"""The errors that reach a person at the command line: one sentence that names the place, and an exit code.

Libraries raise these; only the command line prints them and exits. The agents' own failures are
:class:`quorate.lib.rc.OcfError`.
"""

from __future__ import annotations


class Problem(Exception):
    """Bad input: an unknown key, a wrong type, a missing file, a bad flag. Exit code 2."""

    exit_code = 2


class Failed(Problem):
    """The input was good, but what was asked did not succeed (a check said no, a step failed). Exit code 1."""

    exit_code = 1


class Unavailable(Problem):
    """Something the machine must have is missing or refuses: an engine, a program, a permission. Exit code 3."""

    exit_code = 3
