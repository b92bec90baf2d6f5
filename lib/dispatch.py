"""From the words Pacemaker calls an agent with to its handler, and back to an exit code and one reason."""

from __future__ import annotations

import os
import sys

from quorate.lib.agent import Agent, Context
from quorate.lib.log import Log
from quorate.lib.params import Params
from quorate.lib.rc import DEGRADED, ERR_ARGS, ERR_GENERIC, ERR_UNIMPLEMENTED, SUCCESS, OcfError, Rc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from quorate.lib.host import Host

PREFIX = "OCF_RESKEY_"
META = "OCF_RESKEY_CRM_meta_"
# These must work on a node that lacks the service, its files or its parameters.
WITHOUT_VALIDATION = ("stop", "monitor", "notify")


def usage(agent: type[Agent]) -> str:
    """The one line that a wrong call is answered with."""
    return f"usage: {agent.name} {{{'|'.join(dict.fromkeys(action.name for action in agent.actions))}}}"


def api_version(environ: dict[str, str]) -> str:
    """Which OCF API the caller speaks.

    Pacemaker says so. ocf-tester does not, and lints against the 1.0 document type; it is the one caller that sets
    an action's timeout without a version. Anybody else reads 1.1.
    """
    minor = environ.get("OCF_RA_VERSION_MINOR", "")
    if minor == "0" or (not minor and f"{META}timeout" in environ):
        return "1.0"
    return "1.1"


def context_from(agent: type[Agent], action: str, environ: dict[str, str], host: Host) -> Context:
    """What *environ* says about this call. Raises OcfError(ERR_ARGS) for numbers that are none."""
    depth_text = environ.get("OCF_CHECK_LEVEL", "") or "0"
    if action not in ("monitor", "validate-all"):
        # Only these have levels; a stop must not fail for a word that does not concern it.
        depth_text = "0"
    if not (depth_text.isascii() and depth_text.isdecimal() and len(depth_text) < 10):
        raise OcfError(ERR_ARGS, f"OCF_CHECK_LEVEL must be a number, not '{depth_text}'")
    depth = int(depth_text)
    timeout = environ.get(f"{META}timeout", "")
    seconds = int(timeout) / 1000 if timeout.isdecimal() and int(timeout) else agent.action_timeout(action, depth)
    instance = environ.get("OCF_RESOURCE_INSTANCE", "") or agent.name
    return Context(
        host,
        Log(f"{agent.name}({instance})", environ),
        # An anonymous clone's instances are 'name:0', 'name:1'; on its node each is just the service.
        instance=instance.partition(":")[0],
        action=action,
        timeout=seconds,
        depth=depth,
        depth_given="OCF_CHECK_LEVEL" in environ,
        probe=action == "monitor" and environ.get(f"{META}interval", "") == "0",
        node=environ.get(f"{META}on_node", ""),
    )


def perform(agent: type[Agent], context: Context, given: dict[str, str]) -> Rc:
    """Run one action; returns its code, or raises what the handler raised."""
    action = context.action
    # OCF 1.1: validate-all at check level 0 judges what can be judged on any host; unset means the whole check.
    parameters_only = action == "validate-all" and context.depth_given and context.depth == 0
    handler = agent(context, Params(agent.parameters, given, lenient=context.probe or action in ("stop", "notify")))
    if action not in WITHOUT_VALIDATION and not parameters_only:
        handler.validate()
    if action == "start":
        handler.start()
    elif action == "stop":
        handler.stop()
    elif action == "monitor":
        return handler.monitor(context.depth)
    elif action == "reload-agent":
        handler.reload()
        handler.reloaded()
    elif action == "notify":
        handler.notify(f"{given.get('CRM_meta_notify_type', '')}-{given.get('CRM_meta_notify_operation', '')}")
    return SUCCESS


def main(agent: type[Agent], argv: list[str], environ: dict[str, str], host: Host, version: str) -> int:
    """Run the action named in *argv*; returns the exit code. Writes metadata to stdout, one reason to stderr."""
    action = argv[0] if len(argv) == 1 else ""
    if action == "meta-data":
        from quorate.lib.metadata import render

        sys.stdout.write(render(agent, version, api_version(environ)))
        return SUCCESS
    if action in ("usage", "help"):
        sys.stdout.write(usage(agent) + "\n")
        return SUCCESS
    if action not in {declared.name for declared in agent.actions}:
        sys.stderr.write(usage(agent) + "\n")
        return ERR_UNIMPLEMENTED
    rc, reason = call(agent, action, environ, host)
    if reason:
        # The one line that Pacemaker shows in crm_mon.
        sys.stderr.write("ocf-exit-reason:" + " ".join(reason.split()) + "\n")
    return rc


def call(agent: type[Agent], action: str, environ: dict[str, str], host: Host) -> tuple[Rc, str]:
    """Run *action* as *environ* (``OCF_RESKEY_*``) says; the code, and the reason where there is one."""
    given = {key[len(PREFIX) :]: value for key, value in environ.items() if key.startswith(PREFIX)}
    log = Log(agent.name, environ)
    try:
        context = context_from(agent, action, environ, host)
        log = context.log
        return perform(agent, context, given), ""
    except OcfError as error:
        (log.warning if error.rc >= DEGRADED else log.error)(f"{action}: {error.reason}")
        return error.rc, error.reason
    except Exception as error:
        import traceback

        log.error(f"{action}: unexpected {type(error).__name__}\n{traceback.format_exc()}")
        what = f"{type(error).__name__}: {error}"
        return ERR_GENERIC, f"internal error in {action}: {what}; the traceback is in the log"


def run(agent: type[Agent], argv: list[str], version: str) -> int:
    """The entry point of the launcher: this process's environment on this machine."""
    from quorate.lib.host import RealHost

    os.environ.setdefault("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
    return main(agent, argv, dict(os.environ), RealHost(), version)
