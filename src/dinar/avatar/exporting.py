"""A person as one mesh with one texture, as other programs show people."""

from __future__ import annotations

import copy
from dataclasses import replace

import torch
from torch import Tensor

from dinar.avatar.avatar import Avatar, Wear
from dinar.body.model import Body, BodyModel
from dinar.body.uv import UVLayout
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


def wearing(avatar: Avatar, figure: Figure, *, parts: bool) -> Avatar:
    """`Avatar.wearing`, which says what each of these is."""
    model, layout = copy.deepcopy(figure.model), replace(figure.layout, faces=figure.mesh.uv_faces)
    model.faces = figure.mesh.faces
    colours = figure.extended()
    for part in figure.parts if parts else ():
        layout, colours = _beside(layout, colours, part)
        model = _with_part(model, part)
    all_of_it = torch.ones(1, 1, *colours.shape[1:])
    texture = NeuralTexture(None, colours[None], all_of_it, all_of_it, all_of_it)
    return replace(
        avatar, texture=texture, painted=colours, shape=figure.shape, model=model, layout=layout, weights=None,
        renderer=None,
    )  # fmt: skip


def _with_part(model: BodyModel, part: Figure) -> BodyModel:
    """A body with a part, which has the same shapes, expressions and joints, behind its vertices and triangles."""
    other, more, count = copy.deepcopy(model), part.model, len(model.template)
    for name, dim in (("template", 0), ("offsets", 0), ("layer", 0), ("skin_weights", 0), ("shape_basis", 1)):
        setattr(other, name, torch.cat([getattr(model, name), getattr(more, name)], dim=dim))
    other.expression_basis = torch.cat([model.expression_basis, more.expression_basis], dim=1)
    other.expression_index = torch.cat([model.expression_index, more.expression_index + count])
    other.faces = torch.cat([model.faces, part.mesh.faces + count])
    return other


def _beside(layout: UVLayout, colours: Tensor, part: Figure) -> tuple[UVLayout, Tensor]:
    """One square picture of colours [3, R, R] and a part's, to the right of them, and where both lie in it."""
    old, more = colours.shape[-1], part.extended()
    side = max(old + more.shape[-1], more.shape[-2])
    picture = colours.new_zeros(3, side, side)
    picture[:, :old, :old] = colours
    picture[:, : more.shape[-2], old : old + more.shape[-1]] = more
    own = part.layout.uv * torch.tensor(more.shape[:0:-1]) + torch.tensor([old, 0])
    return replace(
        layout,
        uv=torch.cat([layout.uv * old, own]) / side,
        faces=torch.cat([layout.faces, part.mesh.uv_faces + len(layout.uv)]),
        mirror=torch.cat([layout.mirror, part.layout.mirror + len(layout.mirror)]),
        part_colours=torch.cat([layout.part_colours, part.layout.part_colours]),
    ), picture
