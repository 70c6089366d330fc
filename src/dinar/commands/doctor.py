"""`dinar doctor`: what is installed."""

from __future__ import annotations

import json
from typing import Annotated, Literal

from dinar.commands.options import Json, option


def examine(
    fetch: Annotated[
        Literal["nothing", "needed", "all"], option("download missing model files: those that are needed, or all")
    ] = "nothing",
    as_json: Json = False,
) -> None:
    """Say what is installed: versions, device, model files and their licences."""
    from dinar import doctor
    from dinar.store import Store

    store = Store()
    if fetch != "nothing":
        doctor.fetch(store, optional=fetch == "all")
    found = doctor.examine(store)
    print(json.dumps(found.as_dict()) if as_json else found.as_text())
