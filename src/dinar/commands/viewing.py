"""`dinar view`: the page in the browser."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

from dinar.commands.loading import load_avatar
from dinar.commands.options import Device, Json, Positional, option
from dinar.commands.values import usable_device
from dinar.errors import InputError


def view(
    avatar: Annotated[
        Path | None, Positional, option("what `dinar create` made (default: the page asks for a photo)", "AVATAR")
    ] = None,
    host: Annotated[
        str, option("address to serve the page at (default: this computer alone)", "ADDRESS")
    ] = "127.0.0.1",
    port: Annotated[int, option("port of the page (default: 8765; 0: any that is free)", "N")] = 8765,
    browser: Annotated[bool, option("open the page in a browser (default: yes)")] = True,
    device: Device = "cpu",
    as_json: Json = False,
) -> None:
    """Turn, move, pose and save an avatar in the browser; without one drop a photo there."""
    from dinar.terminal import Bars

    with Bars() as progress:
        from dinar.viewer import viewer

        if not 0 <= port <= 65535:
            raise InputError(f"--port {port} is no port; give a number from 0 to 65535")
        where = usable_device(device)
        with progress.stage("load"):
            person = None if avatar is None else load_avatar(avatar, None)
        page = viewer.Viewer(person, "avatar" if avatar is None else avatar.stem, host=host, port=port, device=where)
    print(json.dumps({"url": page.url}) if as_json else f"{page.url} (Ctrl-C ends it)", flush=True)
    if not viewer.is_local(host):
        print("dinar: everybody who can reach this address can use the page", file=sys.stderr)
    viewer.serve(page, browser=browser and not as_json)
