"""A person as one mesh with one texture, as other programs show people."""

from __future__ import annotations

import copy
from dataclasses import replace

import torch
from torch import Tensor

from dinar.avatar.avatar import Avatar, Wear
from dinar.body.model import Body
from dinar.errors import InputError
from dinar.export import bake, mouth, simplify, snapshots
from dinar.export.figure import Figure, check_texture_size
from dinar.progress import Progress
from dinar.texture.neural_texture import NeuralTexture


def figure(
    avatar: Avatar,
    *,
    texture: Wear | None,
    outline: bool | None,
    triangles: int | None,
    colours: Tensor | None,
    texture_size: int | None,
    progress: Progress | None,
) -> Figure:
    """`Avatar.figure`, which says what each of these is."""
    if texture_size is not None:
        check_texture_size(texture_size)
    if triangles is not None:
        simplify.check_triangles(triangles)
    neural = avatar.renderer is not None
    if not neural and (texture == "baked" or outline):
        raise InputError("this avatar is drawn by the plain renderer, which has nothing to bake; export it plain")
    coloured = colours is None and neural and texture != "plain"
    outlined = neural and outline is not False
    person = avatar.to("cpu")
    figure = Figure(person.model, person.layout, person.shape, person.painted if colours is None else colours.cpu())
    if coloured or outlined:
        photos = [
            (Body(person.shape[None], shot.pose[None], shot.expression[None], shot.translation[None]), shot.camera)
            for shot in person.shots
        ]
        seen = snapshots.around(person.model, person.shape, avatar.render, photos, progress=progress)
        size = texture_size or bake.SIZE
        figure = bake.bake(
            figure, person.texture, seen, size=size, outlined=outlined, coloured=coloured, progress=progress
        )
    if colours is None:
        figure = mouth.with_mouth(figure, person.texture.filled)
    return figure if triangles is None else simplify.simplified(figure, triangles)


def wearing(avatar: Avatar, figure: Figure) -> Avatar:
    """The person as other programs show a figure of them: its mesh in its colours, drawn by the plain renderer."""
    model, layout = copy.deepcopy(figure.model), replace(figure.layout, faces=figure.mesh.uv_faces)
    model.faces = figure.mesh.faces
    colours = figure.extended()
    all_of_it = torch.ones(1, 1, *colours.shape[1:])
    texture = NeuralTexture(None, colours[None], all_of_it, all_of_it, all_of_it)
    return replace(
        avatar, texture=texture, painted=colours, shape=figure.shape, model=model, layout=layout, weights=None,
        renderer=None,
    )  # fmt: skip
