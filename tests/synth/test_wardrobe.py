from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from dinar.body.model import DATA, BodyModel
from dinar.errors import InputError
from dinar.synth.wardrobe import Wardrobe


@pytest.fixture(scope="module")
def base_index():
    with np.load(DATA / "open.npz") as data:
        return data["base_index"]


@pytest.fixture
def folder(tmp_path, base_index):
    """A wardrobe of one patch of cloth: four vertices, in the file's own words."""
    place = tmp_path / "makehuman_cc0/clothes/patch"
    place.mkdir(parents=True)
    a, b, c = (int(v) for v in base_index[:3])
    (place / "patch.mhclo").write_text(
        f"# words\nname patch\nobj_file patch.obj\nmaterial patch.mhmat\ntag Casual\nx_scale {a} {b} 0.5\n"
        f"y_scale {a} {b} 0.25\nz_scale {a} {b} 1.0\nverts 0\n"
        f"{a} {b} {c} 0.5 0.25 0.25 0 0 0\n{b}\nz_depth 50\n{c} {b} {a} 1.5 -0.5 0 1 2 3\n{a}\n"
        f"delete_verts\n{base_index[7]} {base_index[9]} - {base_index[9] + 2}\n"
    )
    (place / "patch.obj").write_text(
        "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 1 1\nvt 0 1\nf 1/1 2/2 3/3 4/4\n"
    )
    (place / "patch.mhmat").write_text("diffuseTexture patch.png\nnormalmapTexture gone.png\n")
    Image.new("RGB", (8, 8), "red").save(place / "patch.webp")
    return tmp_path


def test_reads_an_asset_and_fits_it(folder, base_index):
    asset = Wardrobe(folder).get("clothes", "patch")
    body = BodyModel.open(helpers=True).template.numpy()
    fitted = asset.fit(body)
    unit = np.abs(body[0] - body[1]) / [0.5, 0.25, 1.0]
    assert np.allclose(fitted[0], 0.5 * body[0] + 0.25 * body[1] + 0.25 * body[2], atol=1e-6)
    assert np.allclose(fitted[1], body[1], atol=1e-6)
    assert np.allclose(fitted[2], 1.5 * body[2] - 0.5 * body[1] + [1, 2, 3] * unit, atol=1e-5)
    assert asset.faces.tolist() == [[0, 1, 2], [0, 2, 3]]
    assert asset.uv[0].tolist() == [0, 1]  # the file's origin is bottom left, ours top left
    assert asset.tags == {"casual"}
    assert set(asset.images) == {"diffuse"}
    hidden = {int(base_index[7]), *range(int(base_index[9]), int(base_index[9]) + 3)}
    assert set(base_index[asset.hidden].tolist()) == hidden & set(base_index.tolist())


def test_an_asset_grows_with_its_body(folder):
    asset = Wardrobe(folder).get("clothes", "patch")
    body = torch.randn(19158, 3, generator=torch.Generator().manual_seed(0)).numpy()
    assert np.allclose(asset.fit(2 * body), 2 * asset.fit(body), atol=1e-4)


@pytest.mark.parametrize("damage", ["v 0 0 0\nf 1 1 1\n", "v zero\n"])
def test_a_damaged_asset_is_named(folder, damage):
    (folder / "makehuman_cc0/clothes/patch/patch.obj").write_text(damage)
    with pytest.raises(InputError, match=r"patch\.mhclo"):
        Wardrobe(folder).get("clothes", "patch")


def test_missing_things_are_named(folder, tmp_path):
    with pytest.raises(InputError, match="no clothes named cape"):
        Wardrobe(folder).get("clothes", "cape")
    with pytest.raises(InputError, match="no MakeHuman assets"):
        Wardrobe(tmp_path / "nothing")
