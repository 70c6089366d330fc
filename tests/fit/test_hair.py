"""Hair and hats found in label maps: how thick they are, where they end, and that skin lies under them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from dinar.body.layers import RISE, Layer, wearing
from dinar.body.model import BodyModel
from dinar.body.uv import PARTS, part_labels
from dinar.camera import Camera, framing
from dinar.dressing import dressed
from dinar.fit import hair, outline, shell
from dinar.fit.look import Look
from dinar.fit.shell import AT_LEAST, BARE, CAP, COLUMNS
from dinar.parts import BodyPart
from dinar.raster.rasterize import rasterize

SIZE = (720, 480)


@pytest.fixture(scope="module")
def model() -> BodyModel:
    return BodyModel.open()


def seen(model: BodyModel, azimuth: float = 0.0, part: BodyPart = BodyPart.HAIR) -> tuple[Tensor, Camera]:
    """Label map and camera of a standing person, whose layer is of that part; the trunk is in a shirt."""
    with torch.no_grad():
        vertices = model(model.neutral()).vertices
    camera = framing(vertices[0], azimuth, 0.0, SIZE)
    face = rasterize(camera.project(vertices), model.faces, SIZE).face[0].long()
    layer, of = model.layer[model.faces[:, 0]], part_labels(model)
    labels = torch.full((len(model.faces),), int(BodyPart.SKIN), dtype=torch.uint8)
    labels[of == PARTS.index("torso")] = int(BodyPart.UPPER)
    labels[of == PARTS.index("head")] = int(BodyPart.FACE_SKIN)
    labels[layer == 1] = int(part)
    return torch.where(face >= 0, labels[face.clamp(min=0)], torch.zeros((), dtype=torch.uint8)), camera


def worn(strength: float) -> Tensor:
    """Coefficients of hair: the first component is how much of it there is."""
    coefficients = torch.zeros(len(Layer.load("hair").basis))
    coefficients[0] = strength * _longer()
    return coefficients


def _longer() -> float:
    """The sign with which the first component adds hair."""
    layer = Layer.load("hair")
    along = (layer.basis[0] * layer.outwards).sum()
    return 1.0 if along > 0 else -1.0


def look(model: BodyModel, coefficients: Tensor, azimuth: float = 0.0) -> Look:
    parts, camera = seen(wearing(model, {"hair": coefficients}), azimuth)
    return Look(parts, model.neutral(), camera)


def off(found: hair.Found, true: Tensor) -> float:
    """Millimetres by which hair is off where there is some, on the back half of the shell."""
    layer = Layer.load("hair")
    was, fitted = (layer.height(one).clamp(min=0) for one in (true, found.coefficients))
    behind = (layer.outwards[:, 2] < 0) & (was > RISE)
    return float((was - fitted)[behind].abs().mean()) * 1e3


@pytest.mark.parametrize("strength", [0.0, 1.0])
def test_hair_behind_follows_from_what_is_seen_in_front(model: BodyModel, strength: float) -> None:
    true = worn(strength)
    found = hair.fit(model, [look(model, true)])
    layer = Layer.load("hair")
    height = layer.height(true)
    none = float(height[(layer.outwards[:, 2] < 0) & (height > RISE)].mean()) * 1e3
    assert found is not None and found.worn
    assert off(found, true) < min(12.0, 0.5 * none)


def test_more_hair_is_fitted_to_more_hair(model: BodyModel) -> None:
    layer = Layer.load("hair")
    some, more = (hair.fit(model, [look(model, worn(k))]) for k in (0.0, 1.5))
    assert some is not None and more is not None
    heights = [layer.height(one.coefficients).clamp(min=0).sum() for one in (some, more)]
    assert heights[1] > 1.15 * heights[0]


def test_the_same_photo_tells_the_same_hair(model: BodyModel) -> None:
    one = look(model, worn(0.5))
    first, second = hair.fit(model, [one]), hair.fit(model, [one])
    assert first is not None and second is not None and torch.equal(first.coefficients, second.coefficients)


def cropped(model: BodyModel, rows: float = 0.25) -> tuple[Tensor, Camera]:
    """Label map and camera of a head whose upper rows are painted like hair, none beside the naked body."""
    parts, camera = seen(model)
    face = parts == int(BodyPart.FACE_SKIN)
    there = face.any(1).nonzero()[:, 0]
    end = there[0] + int(rows * (there[-1] - there[0]))
    parts[face & (torch.arange(len(parts))[:, None] < end)] = int(BodyPart.HAIR)
    return parts, camera


def test_cropped_hair_is_thin(model: BodyModel) -> None:
    parts, camera = cropped(model)
    found = hair.fit(model, [Look(parts, model.neutral(), camera)])
    assert found is not None and found.worn
    assert float(found.height.max()) < 0.03
    assert float(found.height[found.height > RISE].median()) < 0.012


def test_hair_of_a_head_that_is_fitted_too_high_ends_where_it_is_seen(model: BodyModel) -> None:
    """Landmarks of a face tell where a head is, and not how high it is: here it is 2 cm lower than the mean."""
    parts, camera = cropped(model, 0.35)
    lower = int((parts > 0).any(1).nonzero()[0]) + 7
    parts[:lower] = int(BodyPart.BACKGROUND)
    photo = SimpleNamespace(parts=parts, mask=(parts > 0).float()[None])
    found = dressed(model, [photo], [SimpleNamespace(body=model.neutral(), camera=camera)])
    with torch.no_grad():
        vertices = found(found.neutral()).vertices
    face = rasterize(camera.project(vertices), found.faces, SIZE).face[0].long()
    rows = (face >= 0).any(1).nonzero()[:, 0]
    assert lower - 5 <= int(rows[0]) <= lower + 2          # and not 8 above
    first = face[int(rows[0]) : int(rows[0]) + 4]
    of_hair = found.layer[found.faces[first[first >= 0], 0]] == 1
    assert of_hair.float().mean() > 0.9                       # the scalp went with it


def test_cropped_hair_goes_down_to_the_nape_where_nobody_sees_it(model: BodyModel) -> None:
    parts, camera = cropped(model)
    found = hair.fit(model, [Look(parts, model.neutral(), camera)])
    layer = Layer.load("hair")
    below = model.rest(model.neutral().shape)[1][0, model.humanoid["leftEye"], 1] - layer.inner[:, 1]
    flat = layer.outwards[:, [0, 2]] / layer.outwards[:, [0, 2]].norm(dim=1, keepdim=True).clamp(min=1e-6)
    assert found is not None
    assert (found.height[(flat[:, 1] < -0.8) & (below < 0.03)] > RISE).all()       # as far as the ears
    assert (found.height[(flat[:, 1] < -0.8) & (below > 0.09)] < RISE).all()
    assert (found.height[(flat[:, 1] > 0.3) & (below > 0.03)] < RISE).all()        # no beard


def test_hair_that_the_picture_s_edge_cuts_off_goes_on(model: BodyModel) -> None:
    whole = look(model, worn(0.0))
    hairs = (whole.parts == int(BodyPart.HAIR)).any(1).nonzero()[:, 0]
    beyond = torch.arange(len(whole.parts))[:, None] < hairs[0] + 0.2 * (hairs[-1] - hairs[0])
    heights = []
    for label in (BodyPart.UNKNOWN, BodyPart.BACKGROUND):
        parts = whole.parts.masked_fill(beyond, int(label))
        found = hair.fit(model, [Look(parts, whole.body, whole.camera)])
        assert found is not None and found.worn
        heights.append(found.height)
    untold, bare = heights
    inner = Layer.load("hair").inner
    crown = inner[:, 1] > inner[:, 1].amax() - 0.03
    assert float(untold[crown].min()) > RISE and float(bare[crown].mean()) < float(untold[crown].mean())


def test_a_few_hairs_are_not_worn(model: BodyModel) -> None:
    parts, camera = cropped(model, rows=0.08)
    found = hair.fit(model, [Look(parts, model.neutral(), camera)])
    assert found is not None and not found.worn


def painted(model: BodyModel, part: BodyPart, low: float, high: float, left: float, right: float) -> Look:
    """A head in cropped hair, and a patch of a part on it: from its top down in heads, aside in heads' widths."""
    parts, camera = cropped(model)
    head = (parts == int(BodyPart.FACE_SKIN)) | (parts == int(BodyPart.HAIR))
    rows, columns = head.any(1).nonzero()[:, 0], head.any(0).nonzero()[:, 0]
    tall, wide, middle = rows[-1] - rows[0], columns[-1] - columns[0], (columns[0] + columns[-1]) / 2
    y, x = torch.meshgrid(torch.arange(SIZE[0]), torch.arange(SIZE[1]), indexing="ij")
    down, aside = (y - rows[0]) / tall, (x - middle) / wide
    parts[(down > low) & (down < high) & (aside > left) & (aside < right)] = int(part)
    return Look(parts, model.neutral(), camera)


def test_a_bun_that_stands_out_is_geometry_and_round(model: BodyModel) -> None:
    """On one side of the head: nothing of it on the other, before or behind."""
    plain = hair.fit(model, [painted(model, BodyPart.HAIR, 0.05, 0.25, 0.0, 0.1)])
    found = hair.fit(model, [painted(model, BodyPart.HAIR, 0.05, 0.25, 0.0, 0.9)])
    assert plain is not None and found is not None
    more, outwards = found.height.clamp(min=0) - plain.height.clamp(min=0), Layer.load("hair").outwards
    aside = outwards[:, 0].abs() > 0.8
    own = outwards[:, 0] > 0.8                                      # the image's right is the person's left
    assert float(more[own].max()) > 0.03
    assert float(more[aside & ~own].abs().max()) < 0.02
    assert float(more[outwards[:, 2] < -0.8].abs().max()) < 0.02


@pytest.mark.parametrize("azimuth", [0.0, 40.0])
def test_hair_is_as_thick_on_the_side_that_no_photo_shows(model: BodyModel, azimuth: float) -> None:
    """Rays beside the outline of hair run on within it, farther than it is thick: no bulge where a photo ends."""
    true = worn(1.0)
    found = hair.fit(model, [look(model, true, azimuth)])
    assert found is not None
    layer = Layer.load("hair")
    crown = torch.arange(len(layer.inner)) < CAP * COLUMNS
    there = crown & (layer.height(true) > AT_LEAST) & (found.height > RISE)
    thicker = (found.height - layer.height(true))[there]
    assert float(thicker.max()) < 0.012 and float(thicker.abs().mean()) < 0.004


def test_the_brim_of_a_hat_goes_round_the_head(model: BodyModel) -> None:
    plain = hair.fit(model, [painted(model, BodyPart.HEADWEAR, -0.05, 0.25, -0.52, 0.52)])
    look = painted(model, BodyPart.HEADWEAR, -0.05, 0.25, -0.52, 0.52)
    brim = painted(model, BodyPart.HEADWEAR, 0.18, 0.25, -1.1, 1.1).parts == int(BodyPart.HEADWEAR)
    look.parts[brim] = int(BodyPart.HEADWEAR)
    found = hair.fit(model, [look])
    assert plain is not None and found is not None
    outwards = Layer.load("hair").outwards
    for way in ((1.0, 0.0), (-1.0, 0.0), (0.0, -1.0)):              # both sides and behind
        there = (outwards[:, 0] * way[0] + outwards[:, 2] * way[1]) > 0.8
        assert float((found.height - plain.height.clamp(min=0))[there].max()) > 0.02
        assert float(found.height[there].max()) > 0.035


def test_hair_ends_where_it_is_seen_to_end(model: BodyModel) -> None:
    parts, camera = cropped(model, rows=0.3)
    found = hair.fit(model, [Look(parts, model.neutral(), camera)])
    assert found is not None
    drawn, _ = seen(hair.shaped(wearing(model, {"hair": found.coefficients}), found.height, torch.zeros(100)))
    first, second = parts == int(BodyPart.HAIR), drawn == int(BodyPart.HAIR)
    assert float((first & second).sum() / (first | second).sum()) > 0.85


def test_who_shows_no_hair_has_none(model: BodyModel) -> None:
    parts, camera = seen(model)
    assert hair.fit(model, [Look(parts, model.neutral(), camera)]) is None


def test_hair_does_not_lie_before_a_face_that_is_seen(model: BodyModel) -> None:
    true = worn(0.5)
    one = look(model, true)
    found = hair.fit(model, [one])
    assert found is not None
    drawn = hair.shaped(wearing(model, {"hair": found.coefficients}), found.height, torch.zeros(100))
    parts, _ = seen(drawn)
    face = one.parts == int(BodyPart.FACE_SKIN)
    assert float((parts[face] == int(BodyPart.HAIR)).float().mean()) < 0.1


def test_skin_lies_under_hair(model: BodyModel) -> None:
    coefficients = worn(0.5)
    dressed = wearing(model, {"hair": coefficients})
    shape = torch.zeros(100)
    moved = hair.tucked(dressed, shape)
    shift = (moved.offsets - dressed.offsets).norm(dim=1)
    head = model.skin_weights[:, model.below([model.humanoid["head"]])].sum(1) > 0.5
    assert shift.max() <= hair.DRAWN_BACK + 1e-6 and shift[dressed.layer == 1].max() == 0
    assert shift[: len(head)][head].max() > 0.005 and shift[: len(head)][~head].max() == 0       # ears
    naked = hair.tucked(model, shape)
    assert naked is model


def test_the_outline_moves_hair_and_not_the_scalp_under_it(model: BodyModel) -> None:
    dressed = wearing(model, {"hair": worn(0.5)})
    parts, camera = seen(dressed)

    class Seen:
        mask = (parts > 0).float()[None]
        body = model.neutral()

    Seen.camera = camera
    moved = outline.fit(dressed, torch.zeros(100), [Seen]).norm(dim=1)
    own = len(model.template)
    head = model.skin_weights[:, model.below([model.humanoid["head"]])].sum(1) > 0.99
    assert moved[:own][head].max() < 1e-4


def test_hair_ends_in_a_smooth_line_where_no_photo_shows_it() -> None:
    """Worn to row 20 on one half of the head and to row 23 on the other: no step of three rows is left."""
    rows, columns = np.indices((40, shell.COLUMNS))
    worn = rows <= np.where((columns > 10) & (columns < 40), 23, 20)
    height = np.where(worn, 0.02, shell.DEEP)
    rounded = shell._rounded(np.append(height.ravel(), 0.02), np.append(worn.ravel(), True))[:-1].reshape(40, -1)
    last = (rounded > 0).sum(0) - 1                           # the last row above the skin, and where it goes under
    above, below = (np.take_along_axis(rounded, (last + k)[None], 0)[0] for k in (0, 1))
    ends = last + above / (above - below)
    assert np.abs(np.diff(ends)).max() < 0.8
    assert ends[25] > 23 and ends[55] < 21.5
    assert (rounded[:17] == 0.02).all() and (rounded[27:] == shell.DEEP).all()


def test_narrow_bands_of_skin_in_the_hair_are_closed() -> None:
    height = torch.full((CAP + 4, COLUMNS), AT_LEAST)
    height[6:9] = BARE                                       # between hair
    height[CAP - 4 :, :8] = BARE                             # a forehead: nothing is below it
    closed = shell._closed(torch.cat([height.flatten(), height[0, :1]]))
    grid = closed[:-1].view_as(height)
    assert (grid[:9] == AT_LEAST).all() and (grid[CAP - 4 :, :8] == BARE).all()
    height[5:10] = BARE                                      # wider than BAND
    assert torch.equal(shell._closed(torch.cat([height.flatten(), height[0, :1]]))[:-1], height.flatten())


@pytest.mark.parametrize(("rows", "short"), [(21, True), (30, False)], ids=["short", "long"])
def test_a_short_cut_grows_thicker_from_the_nape_and_long_hair_does_not(rows: int, short: bool) -> None:
    layer = Layer.load("hair")
    ahead = layer.outwards[:, 2] / layer.outwards[:, [0, 2]].norm(dim=1).clamp(min=1e-6)
    grid = torch.full((len(ahead) // COLUMNS, COLUMNS), shell.DEEP)
    grid[:rows] = 0.03
    height = torch.cat([grid.flatten(), grid[0, :1]])
    behind, front = int(ahead[:COLUMNS].argmin()), int(ahead[:COLUMNS].argmax())
    unseen = torch.zeros(len(height), dtype=torch.bool)
    tapered = shell._tapered(height, unseen, ahead)[:-1].view_as(grid)
    assert torch.equal(tapered[:, front], grid[:, front]) and torch.equal(tapered[: shell.TOP], grid[: shell.TOP])
    if not short:
        assert torch.equal(tapered, grid)
        return
    nape = tapered[:rows, behind]
    assert abs(float(nape[-1]) - AT_LEAST) < 1e-6 and (nape.diff() <= 0).all() and float(nape[CAP]) < 0.03
    assert torch.equal(shell._tapered(height, ~unseen, ahead), height), "what is seen stays"


def test_hair_that_is_buried_lies_within_the_neck_whatever_the_shape(model: BodyModel) -> None:
    layer = Layer.load("hair")
    dressed = wearing(model, {"hair": torch.zeros(len(layer.basis))})
    height = torch.full((len(layer.inner),), -shell.BURIED)
    height[: CAP * COLUMNS] = 0.02
    for shape in (torch.zeros(100), torch.randn(100, generator=torch.Generator().manual_seed(0))):
        shaped = hair.shaped(dressed, height, shape)
        vertices, joints = (part[0] for part in shaped.rest(shape[None]))
        lies = vertices[shaped.layer == 1][CAP * COLUMNS : -1]
        assert float((lies - joints[model.humanoid["neck"]]).norm(dim=1).max()) < 1e-4
        crown = (shaped.template - dressed.template)[shaped.layer == 1][:COLUMNS].norm(dim=1)
        assert float(crown.max()) < 0.1, "what is worn moves on its ray"
