"""`dinar mcp`: tools for assistants, by the Model Context Protocol."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from dinar.commands.options import Device, option
from dinar.commands.values import usable_device
from dinar.errors import InputError


def assist(
    folder: Annotated[
        Path, option("the files that the tools may read and write (default: the current folder)", "FOLDER")
    ] = Path("."),
    device: Device = "cpu",
) -> None:
    """Give assistants tools over stdin and stdout (MCP): create, animate, render, speak, export."""
    try:
        from mcp.server.mcpserver import MCPServer
        from mcp.server.mcpserver.exceptions import ToolError
    except ImportError as missing:
        raise InputError("tools for assistants need mcp: pip install 'dinar[mcp]'") from missing
    import functools

    from dinar.service.workshop import Workshop

    if not folder.is_dir():
        raise InputError(f"{folder} is no folder")
    server = MCPServer("dinar", instructions="One photo of a person in, an animatable full-body avatar out.")

    def told(tool):
        @functools.wraps(tool)
        def called(*arguments, **options):
            try:
                return tool(*arguments, **options)
            except InputError as error:
                raise ToolError(str(error)) from error

        return called

    for tool in Workshop(folder, device=usable_device(device)).tools:
        server.tool()(told(tool))
    server.run("stdio")
