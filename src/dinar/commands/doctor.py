"""`dinar doctor`: what is installed, and getting ready."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from dinar.commands.options import Json, option

if TYPE_CHECKING:
    from dinar.store import Store


def examine(
    fetch: Annotated[
        Literal["nothing", "needed", "all"], option("download missing model files: those that are needed, or all")
    ] = "nothing",
    warm: Annotated[
        bool,
        tyro.conf.FlagCreatePairsOff,
        option("get ready for the first photo: download what is needed, compile what is slow"),
    ] = False,
    as_json: Json = False,
) -> None:
    """Say what is installed: versions, device, model files and their licences."""
    from dinar import doctor
    from dinar.store import Store

    store = Store()
    if warm:
        _get_ready(store, optional=fetch == "all")
    elif fetch != "nothing":
        doctor.fetch(store, optional=fetch == "all")
    found = doctor.examine(store)
    print(json.dumps(found.as_dict()) if as_json else found.as_text())


def _get_ready(store: Store, *, optional: bool) -> None:
    """Does what the first photo, the first photo that comes alive and the first smaller mesh would wait for."""
    from dinar.terminal import Bars

    with Bars() as progress:
        import torch

        from dinar import doctor
        from dinar.avatar import open_body
        from dinar.body.uv import load_layout
        from dinar.export.figure import Figure
        from dinar.export.simplify import simplified
        from dinar.networks.appearance import shipped
        from dinar.scene import background
        from dinar.texture.warming import warm_up

        model = open_body()
        layout = load_layout("front", model)
        hole = torch.zeros(1, 64, 64)
        hole[:, 28:36, 28:36] = 1
        figure = Figure(model, layout, torch.zeros(len(model.shape_basis)), torch.zeros(3, 16, 16))
        steps = (
            lambda: doctor.fetch(store, optional=optional),
            lambda: warm_up(model, layout, shipped().renderer),
            lambda: background.fill(torch.rand(3, 64, 64), hole),
            lambda: simplified(figure, len(model.faces) - 2),
        )
        for step in progress.track(steps, len(steps), "get ready"):
            step()
