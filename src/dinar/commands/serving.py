"""`dinar serve`: avatars for other programs over HTTP."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path
from typing import Annotated

from dinar.commands.options import Device, Json, option
from dinar.commands.values import usable_device, within


def serve(
    folder: Annotated[
        Path | None, option("where avatars are kept (default: until the program ends)", "FOLDER")
    ] = None,
    host: Annotated[str, option("address to serve at (default: this computer alone)", "ADDRESS")] = "127.0.0.1",
    port: Annotated[int, option("port (default: 8766; 0: any that is free)", "N")] = 8766,
    device: Device = "cpu",
    as_json: Json = False,
) -> None:
    """Take photos and give avatars over HTTP, with the parameters that Ready Player Me's addresses had."""
    from dinar.service.server import Server
    from dinar.viewer.door import LOCAL

    within("--port", port, 0, 65535)
    server = Server(folder, host=host, port=port, device=usable_device(device))
    print(json.dumps({"url": server.url}) if as_json else f"{server.url} (Ctrl-C ends it)", flush=True)
    if host not in LOCAL:
        print("dinar: everybody who can reach this address can use it", file=sys.stderr)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        print(file=sys.stderr)
    finally:
        server.close()
