"""UV layouts: a good map of the surface, cut where the paper cuts it; texels, mirror images and part colours."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from dinar.body.model import BodyModel
from dinar.body.normals import vertex_normals
from dinar.body.uv import (
    LAYOUTS,
    PARTS,
    UVLayout,
    head_texture,
    load_layout,
    mirror_map,
    opposite_map,
    part_colours,
    part_labels,
    part_texture,
    part_weights,
    texel_map,
)
from dinar.errors import InputError

SIZE = 256
ENDS = ("head", "left hand", "right hand", "left foot", "right foot")   # where nothing is looked for opposite
LIMB = ("arm", "hand", "thigh", "calf", "foot")


@pytest.fixture(scope="module")
def model() -> BodyModel:
    return BodyModel.open()


@pytest.fixture(scope="module")
def front(model: BodyModel) -> UVLayout:
    return load_layout("front", model)


@pytest.fixture(scope="module")
def labels(model: BodyModel) -> list[str]:
    return [PARTS[k] for k in part_labels(model)]


def edges_of(faces: Tensor) -> Tensor:
    """The sides of each triangle, [F, 3, 2]."""
    return faces[:, [[0, 1], [1, 2], [2, 0]]]


def signed_areas(layout: UVLayout) -> Tensor:
    a, b, c = layout.uv.double()[layout.faces].unbind(1)
    return ((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]) / 2


def areas(model: BodyModel) -> Tensor:
    a, b, c = model.template.double()[model.faces].unbind(1)
    return torch.linalg.cross(b - a, c - a).norm(dim=1) / 2


def islands(layout: UVLayout) -> np.ndarray:
    """Island of each triangle, [F]."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    edges = edges_of(layout.faces).reshape(-1, 2).numpy()
    graph = coo_matrix((np.ones(len(edges)), edges.T), shape=(len(layout.uv),) * 2)
    return np.unique(connected_components(graph, directed=False)[1][layout.faces[:, 0]], return_inverse=True)[1]


def seams(model: BodyModel, layout: UVLayout) -> tuple[Tensor, Tensor]:
    """Edges [N, 2] of the body where the layout is cut, and the triangles [N, 2] on their sides."""
    edges, uv_edges = edges_of(model.faces).reshape(-1, 2), edges_of(layout.faces).reshape(-1, 2).sort(1).values
    key = edges.sort(1).values @ torch.tensor([len(model.template), 1])
    order = key.argsort(stable=True)
    assert (key[order[0::2]] == key[order[1::2]]).all(), "every edge has two triangles"
    cut = (uv_edges[order[0::2]] != uv_edges[order[1::2]]).any(1)
    return edges[order[0::2][cut]], order.view(-1, 2)[cut] // 3


def points(model: BodyModel, count: int) -> tuple[Tensor, Tensor]:
    """Random triangles [N] and barycentric coordinates [N, 3], even over the surface."""
    generator = torch.Generator().manual_seed(0)
    face = torch.multinomial(areas(model), count, replacement=True, generator=generator)
    return face, torch.distributions.Dirichlet(torch.ones(3)).sample((count,))


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_triangle_has_its_place_and_none_is_flipped(name: str, model: BodyModel) -> None:
    layout = load_layout(name, model)
    assert layout.faces.shape == model.faces.shape
    assert layout.uv.min() > 0 and layout.uv.max() < 1
    assert (signed_areas(layout) < 0).all()  # counter-clockwise seen from outside, y down
    # each corner of the layout belongs to one vertex
    owner = torch.full((len(layout.uv),), -1)
    owner[layout.faces] = model.faces
    assert (owner[layout.faces] == model.faces).all() and (owner >= 0).all()


def test_no_point_of_the_texture_belongs_to_two_triangles(front: UVLayout) -> None:
    size = 2048
    count = np.zeros((size, size), np.uint8)
    for corners in front.uv.double()[front.faces].numpy() * size - 0.5:
        low, high = np.ceil(corners.min(0)).astype(int), np.floor(corners.max(0)).astype(int) + 1
        x, y = np.arange(low[0], high[0]), np.arange(low[1], high[1])[:, None]
        a, b, c = corners
        side = [(q[0] - p[0]) * (y - p[1]) - (q[1] - p[1]) * (x - p[0]) for p, q in ((a, b), (b, c), (c, a))]
        count[low[1] : high[1], low[0] : high[0]] += (side[0] < -1e-6) & (side[1] < -1e-6) & (side[2] < -1e-6)
    assert count.max() == 1
    assert (count == 1).mean() > 0.6  # how full the texture is


def test_texel_density_varies_within_4x_but_for_the_head(
    model: BodyModel, front: UVLayout, labels: list[str]
) -> None:
    area = areas(model)
    density = signed_areas(front).abs() / area
    head = torch.tensor([name == "head" for name in labels])
    order = density[~head].argsort()
    share = area[~head][order].cumsum(0) / area[~head].sum()
    low, high = (density[~head][order][torch.searchsorted(share, q)] for q in (0.01, 0.99))
    assert high / low < 4
    skin = head & (torch.from_numpy(np.bincount(islands(front)))[torch.from_numpy(islands(front))] > 5000)
    assert signed_areas(front)[skin].abs().sum() / area[skin].sum() > 2.5 * density[~head].median()


def test_gutters_keep_islands_two_texels_apart(front: UVLayout) -> None:
    from scipy.ndimage import distance_transform_cdt

    texels = texel_map(front, 1024)
    island = np.where(texels.covered[0, 0].numpy() > 0, islands(front)[texels.face.numpy()], -1)
    for k in np.unique(island[island >= 0]):
        away = distance_transform_cdt(island != k, metric="chessboard")
        assert away[(island >= 0) & (island != k)].min() >= 2 * 1024 / SIZE


def test_the_back_is_whole(model: BodyModel, front: UVLayout, labels: list[str]) -> None:
    """Seams that look backwards: the collar and a ring above each foot, where clothes end as well; none lengthwise."""
    normals = vertex_normals(model.template[None], model.faces)[0]

    def behind(layout: UVLayout) -> dict[str, float]:
        edges, sides = seams(model, layout)
        length = (model.template[edges[:, 0]] - model.template[edges[:, 1]]).norm(dim=1)
        island = islands(layout)
        seen = (np.bincount(island)[island[sides.numpy()]] > 2000).all(1)  # no eyes, sockets, mouth
        lengths = dict.fromkeys(("torso", "head", "upper arm", "lower arm", "thigh", "calf"), 0.0)
        for k in ((normals[edges].mean(1)[:, 2].numpy() < -0.3) & seen).nonzero()[0]:
            name = labels[sides[k, 0]].removeprefix("left ").removeprefix("right ")
            if name in lengths:
                lengths[name] += float(length[k])
        return lengths

    mine, other = behind(front), behind(load_layout("anny", model))
    assert mine["upper arm"] == mine["thigh"] == 0
    assert mine["torso"] + mine["head"] < 0.2  # the collar
    assert mine["calf"] + mine["lower arm"] < 0.2  # above both feet
    assert sum(mine.values()) < 0.25 * sum(other.values())


def test_texels_lie_where_the_layout_says(model: BodyModel, front: UVLayout) -> None:
    texels = texel_map(front, SIZE)
    uv = texels.interpolate(front.uv, front.faces)[0].permute(1, 2, 0) * SIZE
    y, x = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    centre = torch.stack([x, y], dim=-1) + 0.5
    covered, mask = texels.covered[0, 0] > 0, texels.mask[0, 0] > 0
    assert (uv - centre)[covered].abs().max() < 1e-3
    assert (uv - centre)[mask].abs().max() < 1.34 and (mask | ~covered).all()
    assert (texels.face[~mask] == -1).all() and (texels.barycentric[~mask] == 0).all()
    torch.testing.assert_close(texels.barycentric[mask].sum(-1), torch.ones(int(mask.sum())))


def test_bilinear_sampling_reads_the_surface_only(model: BodyModel, front: UVLayout) -> None:
    """A texture of positions, sampled at random points of the surface, gives those points back."""
    texels = texel_map(front, SIZE)
    position = texels.interpolate(model.template, model.faces)
    face, barycentric = points(model, 20_000)
    uv = (front.uv[front.faces[face]] * barycentric[..., None]).sum(1)
    grid = (uv * 2 - 1)[None, None]
    reads = functional.grid_sample(texels.mask, grid, align_corners=False)[0, 0, 0]
    assert reads.min() > 1 - 1e-5
    there = functional.grid_sample(position, grid, align_corners=False)[0, :, 0].T
    error = (there - (model.template[model.faces[face]] * barycentric[..., None]).sum(1)).norm(dim=1)
    assert error.median() < 0.0005 and error.quantile(0.99) < 0.01  # metres; a texel is some 8 mm


def test_mirror_map_shows_the_other_side_and_undoes_itself(model: BodyModel, front: UVLayout) -> None:
    size = 512
    texels = texel_map(front, size)
    mirrored = mirror_map(front, model.faces, texels)
    covered = texels.covered[0, 0] > 0
    assert torch.isnan(mirrored).any(-1).eq(texels.mask[0, 0] == 0).all()
    grid = (mirrored * 2 - 1).nan_to_num(-9)[None]
    # the mirrored place, looked up to the nearest texel, leads back to within that texel
    back = functional.grid_sample(mirrored.nan_to_num(-9).permute(2, 0, 1)[None], grid, "nearest", align_corners=False)
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    here = (torch.stack([x, y], dim=-1) + 0.5) / size
    assert ((back[0].permute(1, 2, 0) - here)[covered] * size).abs().max() < 1
    position = texels.interpolate(model.template, model.faces)
    there = functional.grid_sample(position, grid, "nearest", align_corners=False)[0].permute(1, 2, 0)
    error = (there * torch.tensor([-1.0, 1, 1]) - position[0].permute(1, 2, 0)).norm(dim=-1)[covered]
    assert error.quantile(0.99) < 0.005


def test_mirrored_vertices_are_an_involution(model: BodyModel, front: UVLayout) -> None:
    assert (front.mirror[front.mirror] == torch.arange(len(model.template))).all()
    flipped = model.template[front.mirror] * torch.tensor([-1.0, 1, 1])
    assert (flipped - model.template).abs().max() < 0.002  # the mean person is not quite symmetric


def test_triangles_without_mirror_image_are_an_error(model: BodyModel, front: UVLayout) -> None:
    one_sided = model.faces[model.template[model.faces].mean(1)[:, 0] > 0.1]
    with pytest.raises(ValueError, match="mirror"):
        mirror_map(front, one_sided, texel_map(front, 8))


def test_part_colours_fade_along_the_surface(model: BodyModel, front: UVLayout) -> None:
    torch.testing.assert_close(front.part_colours, part_colours(model))
    assert front.part_colours.min() >= 0 and front.part_colours.max() <= 1
    edges = edges_of(model.faces).reshape(-1, 2)
    step = (front.part_colours[edges[:, 0]] - front.part_colours[edges[:, 1]]).abs().amax(1)
    length = (model.template[edges[:, 0]] - model.template[edges[:, 1]]).norm(dim=1)
    assert (step / length).max() < 12  # a full change of colour takes 8 cm or more
    # drawn at 400 pixels a metre that is below 8 levels of 255 a pixel: no edge for Canny


def test_part_colours_differ_from_part_to_part(model: BodyModel, front: UVLayout) -> None:
    weights = part_weights(model)
    torch.testing.assert_close(weights.sum(1), torch.ones(len(weights)))
    colour = {name: front.part_colours[weights[:, k] > 0.95].mean(0) for k, name in enumerate(PARTS)}
    for a, b in itertools.combinations(PARTS, 2):
        assert (colour[a] - colour[b]).abs().max() > 0.35, (a, b)


def test_labels_are_on_the_right_side(model: BodyModel, labels: list[str]) -> None:
    centre = model.template[model.faces].mean(1)
    assert set(labels) == set(PARTS)
    for name, (x, y, _) in zip(labels, centre.tolist(), strict=True):
        if name.startswith("left"):
            assert x > -0.01
        elif name.startswith("right"):
            assert x < 0.01
        elif name == "head":
            assert y > 0.55


def test_part_texture_has_the_colours_of_the_vertices(model: BodyModel, front: UVLayout) -> None:
    texture = part_texture(front, model.faces, SIZE)
    assert texture.shape == (1, 3, SIZE, SIZE)
    face, barycentric = points(model, 2000)
    uv = (front.uv[front.faces[face]] * barycentric[..., None]).sum(1)
    seen = functional.grid_sample(texture, (uv * 2 - 1)[None, None], align_corners=False)[0, :, 0].T
    want = (front.part_colours[model.faces[face]] * barycentric[..., None]).sum(1)
    assert (seen - want).abs().max() < 0.1


def test_layouts_of_other_names_or_for_other_bodies_are_refused(model: BodyModel) -> None:
    with pytest.raises(InputError, match="no UV layout is called back"):
        load_layout("back", model)
    import copy

    other = copy.copy(model)
    other._buffers = dict(model._buffers) | {"faces": model.faces[:100]}
    with pytest.raises(InputError, match="does not fit"):
        load_layout("front", other)


def test_the_head_s_texels_are_those_of_its_triangles(model: BodyModel, front: UVLayout, labels: list[str]) -> None:
    texels = texel_map(front, SIZE)
    head, face = head_texture(texels, model)[0, 0], texels.face
    there = torch.tensor([label == "head" for label in labels])[face.clamp(min=0).long()] & (face >= 0)
    assert head.min() >= 0 and head.max() <= 1 and not head[face < 0].any()
    assert torch.equal(head[there] > 0.4, torch.ones(int(there.sum()), dtype=torch.bool))
    assert (head[~there] > 0.5).float().mean() < 0.01 and (head[there] > 0.95).float().mean() > 0.7


def test_what_lies_opposite_is_straight_before_or_behind(model: BodyModel, front: UVLayout, labels: list[str]) -> None:
    texels = texel_map(front, SIZE)
    found = opposite_map(front, model, texels)
    rest = model.rest(model.neutral().shape)[0][0]
    place = texels.interpolate(rest, model.faces)                                     # [1, 3, S, S]
    there = functional.grid_sample(place, (found.uv * 2 - 1)[None].nan_to_num(-9), align_corners=False)[0]
    limbs = torch.from_numpy(~np.isin(np.array(labels)[texels.face.clamp(min=0).long().numpy()], ENDS))
    counts = limbs & found.uv.isfinite().all(-1)
    off = (there - place[0])[:2, counts].norm(dim=0)
    assert counts.sum() > 0.4 * (texels.face >= 0).sum() and off.quantile(0.95) < 0.015
    apart = (there - place[0])[2, counts]
    back = vertex_normals(rest[None], model.faces)
    behind = texels.interpolate(back[0], model.faces)[0, 2, counts] < -0.5
    assert (apart[behind] > 0).float().mean() > 0.99                                  # the front for the back
    assert found.uv[texels.face < 0].isnan().all()


def test_what_lies_beside_is_as_far_inside_the_outline(model: BodyModel, front: UVLayout, labels: list[str]) -> None:
    texels = texel_map(front, SIZE)
    found = opposite_map(front, model, texels)
    rest = model.rest(model.neutral().shape)[0]
    normal = vertex_normals(rest, model.faces)
    place = texels.interpolate(torch.cat([rest, normal], dim=-1)[0], model.faces)
    there = functional.grid_sample(place, (found.beside * 2 - 1)[None].nan_to_num(-9), align_corners=False)[0]
    limbs = torch.from_numpy(~np.isin(np.array(labels)[texels.face.clamp(min=0).long().numpy()], ENDS))
    place, counts = place[0], found.beside.isfinite().all(-1) & limbs
    assert not counts[texels.face < 0].any() and counts.sum() > 0.1 * (texels.face >= 0).sum()
    assert (there - place)[1, counts].abs().quantile(0.95) < 0.01                     # at the same height
    same = place[5] * there[5] > 0
    assert same[counts & (place[5].abs() > 0.2)].float().mean() > 0.95                # and on the same side
    calves = torch.tensor(["calf" in label for label in labels])[texels.face.clamp(min=0).long()] & counts
    assert place[5, calves].abs().median() < 0.45 < 0.55 < there[5, calves].abs().median()   # which is seen better
    middle = texels.interpolate(rest[0], model.faces)[0, 0].abs() < 0.02
    assert (counts & middle & (place[1] > 1.0)).sum() < 0.02 * counts.sum()


def test_weights_of_parts_are_those_of_the_body_that_is_asked_for(model: BodyModel) -> None:
    first = part_weights(model)
    first[:] = -1                                              # the caller's own
    again = part_weights(model)
    assert (again >= 0).all() and torch.allclose(again.sum(1), torch.ones(len(again)), atol=1e-5)
    larger = model.moved(model.template)
    assert not torch.equal(part_weights(larger), again)        # parts fade over fewer of its vertices
    assert torch.equal(part_weights(model), again)
