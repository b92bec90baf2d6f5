"""Whether a CIB is good, asked of those who know: Pacemaker's schema and its own ``crm_verify``."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from lxml import etree

from quorate.lib.problem import Failed, Unavailable

SCHEMAS = Path("/usr/share/pacemaker")
PACKAGE = "pacemaker-cli-utils"
TIMEOUT = 120
"""Seconds for crm_verify: it takes a second for a hundred nodes, minutes only beyond a thousand."""


def verify(xml: str, name: str = "the CIB") -> None:
    """Check the whole CIB *xml* against its schema and with crm_verify; *name* is used in complaints.

    Only the configuration is judged, not the state of the cluster that a dumped CIB carries with it.
    Raises :class:`Failed` with their words (crm_verify must print nothing at all), :class:`Unavailable` when
    Pacemaker's tools are not installed.
    """
    try:
        root = etree.fromstring(xml.encode())
    except etree.XMLSyntaxError as error:
        raise Failed(f"{name}: not well-formed XML: {error.msg}") from None
    program = shutil.which("crm_verify")
    if program is None:
        raise Unavailable(f"crm_verify is not installed; install it with: apt-get install {PACKAGE}")
    _schema(root, name)
    _pretend_running(root)
    _crm_verify(program, etree.tostring(root, encoding="unicode"), name)


def _schema(root: etree._Element, name: str) -> None:
    if root.tag != "cib":
        raise Failed(f"{name}: is not a CIB: the root element is <{root.tag!s}>")
    schema = root.get("validate-with", "")
    path = SCHEMAS / f"{schema}.rng"
    if not SCHEMAS.is_dir():
        raise Unavailable(f"pacemaker's schemas are not in {SCHEMAS}; install them with: apt-get install {PACKAGE}")
    if "/" in schema or not path.is_file():
        raise Failed(f"{name}: the installed pacemaker has no schema {schema!r}")
    grammar = etree.RelaxNG(etree.parse(str(path)))
    if not grammar.validate(root):
        error = grammar.error_log[0]
        where = f"{name}:{error.line}" if error.line else name
        raise Failed(f"{where}: not valid under {schema}: {error.message}")


def _pretend_running(root: etree._Element) -> None:
    """Replace the state of the cluster by one in which every node is an online member with quorum.

    Otherwise crm_verify's warnings would be about a node that is down or an action that once failed, not about
    the configuration.
    """
    for old in root.findall("status"):
        root.remove(old)
    status = etree.SubElement(root, "status")
    root.set("have-quorum", "1")
    for node in root.iterfind("configuration/nodes/node"):
        etree.SubElement(
            status,
            "node_state",
            {
                "id": node.get("id", ""),
                "uname": node.get("uname", ""),
                "in_ccm": "true",
                "crmd": "online",
                "join": "member",
                "expected": "member",
            },
        )


def _crm_verify(program: str, xml: str, name: str) -> None:
    with tempfile.TemporaryDirectory(prefix="quorate-verify-") as folder:
        file = Path(folder, "cib.xml")
        file.write_text(xml, encoding="utf-8")
        try:
            done = subprocess.run(
                [program, "-V", "--xml-file", str(file)],
                capture_output=True,
                text=True,
                errors="replace",
                timeout=TIMEOUT,
                check=False,
                cwd=folder,
                env={**os.environ, "LC_ALL": "C"},
            )
        except subprocess.TimeoutExpired:
            raise Failed(f"{name}: crm_verify gave no answer within {TIMEOUT} s") from None
    words = " ".join((done.stdout + done.stderr).split())
    if done.returncode != 0 or words:
        raise Failed(f"{name}: crm_verify says: {words or f'exit code {done.returncode}'}")
