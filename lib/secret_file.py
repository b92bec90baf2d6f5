"""Files that hold credentials: readable by their owner and group at most."""

from __future__ import annotations

from quorate.lib.rc import ERR_PERM, OcfError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from quorate.lib.host import Host

WIDEST = 0o640


def refuse_open(host: Host, path: str, parameter: str) -> None:
    """Raise OcfError(ERR_PERM) if *path* is readable or writable more widely than 0640."""
    try:
        mode = host.files.mode(path)
    except OSError:
        return
    if mode & ~WIDEST & 0o777:
        raise OcfError(
            ERR_PERM,
            f"{path} holds credentials but its mode is {mode:04o}: 0640 is the widest allowed (parameter {parameter})",
        )
