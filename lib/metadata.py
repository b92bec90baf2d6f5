"""The XML that ``meta-data`` prints, rendered from the declaration: OCF 1.1, or 1.0 for tools that know no other."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from quorate.lib.agent import Agent
    from quorate.lib.declare import Parameter

# OCF 1.0's document type lists the actions it knows; the reload of parameters came with 1.1.
ACTIONS_SINCE_1_1 = ("reload-agent",)


def escape(text: str) -> str:
    """*text* as XML character data or a double-quoted attribute value."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def render(agent: type[Agent], version: str, api: str = "1.1") -> str:
    """The metadata document of *agent* for the OCF resource-agent API *api* ("1.1" or "1.0")."""
    old = api == "1.0"
    # No encoding here: crmsh parses the document from a decoded string, and lxml refuses one that names its encoding.
    lines = ['<?xml version="1.0"?>']
    if old:
        lines.append('<!DOCTYPE resource-agent SYSTEM "ra-api-1.dtd">')
    lines += [
        f'<resource-agent name="{escape(agent.name)}" version="{escape(version)}">',
        f"<version>{api}</version>",
        f'<longdesc lang="en">{escape(agent.longdesc)}</longdesc>',
        f'<shortdesc lang="en">{escape(agent.shortdesc)}</shortdesc>',
        "<parameters>",
    ]
    for parameter in agent.parameters:
        lines += _parameter(parameter, old)
    lines += ["</parameters>", "<actions>"]
    for action in agent.actions:
        if old and action.name in ACTIONS_SINCE_1_1:
            continue
        attributes = f'name="{action.name}" timeout="{action.timeout}s"'
        if action.interval is not None:
            attributes += f' interval="{action.interval}s"'
        if action.depth is not None:
            attributes += f' depth="{action.depth}"'
        if action.role:
            attributes += f' role="{action.role}"'
        lines.append(f"<action {attributes}/>")
    lines += ["</actions>", "</resource-agent>", ""]
    return "\n".join(lines)


def _parameter(parameter: Parameter, old: bool) -> list[str]:
    attributes = f'name="{escape(parameter.name)}" required="{int(parameter.required)}"'
    if old:
        attributes += f' unique="{int(bool(parameter.unique_group))}"'
    else:
        if parameter.unique_group:
            attributes += f' unique-group="{escape(parameter.unique_group)}"'
        attributes += f' reloadable="{int(parameter.reloadable)}"'
    # 1.1 has no type for a time; 1.0 has none for a selection.
    kind = parameter.type
    if (kind == "time" and not old) or (kind == "select" and old):
        kind = "string"
    content = f'type="{kind}"'
    if parameter.default is not None:
        content += f' default="{escape(parameter.default)}"'
    options = "".join(f'<option value="{escape(choice)}"/>' for choice in parameter.choices)
    return [
        f"<parameter {attributes}>",
        f'<longdesc lang="en">{escape(parameter.longdesc)}</longdesc>',
        f'<shortdesc lang="en">{escape(parameter.shortdesc)}</shortdesc>',
        f"<content {content}>{options}</content>" if kind == "select" else f"<content {content}/>",
        "</parameter>",
    ]
