"""Files with credentials: 0640 is the widest mode."""

from __future__ import annotations

from pathlib import Path

import pytest

from quorate.lib.host import RealHost
from quorate.lib.rc import ERR_PERM, OcfError
from quorate.lib.secret_file import refuse_open


@pytest.mark.parametrize("mode", [0o640, 0o600, 0o440, 0o400, 0o000])
def test_narrow_modes_are_taken(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "secret"
    path.touch()
    path.chmod(mode)
    refuse_open(RealHost(), str(path), "config")


@pytest.mark.parametrize("mode", [0o644, 0o641, 0o660, 0o650, 0o642, 0o740, 0o777, 0o604])
def test_wider_modes_are_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "secret"
    path.write_text("connection = mysql://u:sesame@h/d")
    path.chmod(mode)
    with pytest.raises(OcfError) as refused:
        refuse_open(RealHost(), str(path), "config")
    assert refused.value.rc == ERR_PERM
    assert f"{mode:04o}" in refused.value.reason
    assert str(path) in refused.value.reason
    assert "parameter config" in refused.value.reason
    assert "sesame" not in refused.value.reason


def test_a_missing_file_is_not_this_check_s_business(tmp_path: Path) -> None:
    refuse_open(RealHost(), str(tmp_path / "absent"), "config")
