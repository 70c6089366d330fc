"""What swings in a VRM: chains of joints for skirts and long hair."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from export.engines import opened, packages, until
from export.glb_reader import Scene

from dinar.avatar import open_body
from dinar.body.layers import RISE, Layer, wearing
from dinar.body.uv import load_layout
from dinar.export import gltf, springs, vrm
from dinar.export.figure import Figure
from dinar.export.licence import Licence

if TYPE_CHECKING:
    from playwright.sync_api import Browser

LICENCE = Licence("Ann", ("Ann",))


def dressed(**layers: torch.Tensor) -> Figure:
    model = wearing(open_body(), layers)
    grey = torch.full((3, 64, 64), 0.5)
    return Figure(model, load_layout("clothed", model), torch.zeros(len(model.shape_basis)), grey)


@pytest.fixture(scope="module")
def skirt() -> Figure:
    return dressed(skirt=torch.zeros(len(Layer.load("skirt").basis)))


@pytest.mark.parametrize("version", [1, 0])
def test_a_skirt_hangs_on_eight_chains(skirt: Figure, tmp_path: Path, version: int) -> None:
    path = tmp_path / "a.vrm"
    vrm.write(path, skirt, LICENCE, version=version)
    scene = Scene.read(path)
    nodes, extensions = scene.tree["nodes"], scene.tree["extensions"]
    hips = gltf.FIRST_JOINT_NODE + skirt.model.humanoid["hips"]
    if version:
        found = extensions["VRMC_springBone"]
        chains = [[joint["node"] for joint in spring["joints"]] for spring in found["springs"]]
        assert len(found["colliders"]) == 4 and "VRMC_springBone" in scene.tree["extensionsUsed"]
    else:
        (group,) = extensions["VRM"]["secondaryAnimation"]["boneGroups"]
        chains = [springs_below(nodes, bone) for bone in group["bones"]]
        bodies = extensions["VRM"]["secondaryAnimation"]["colliderGroups"]
        assert [len(body["colliders"]) for body in bodies] == [1, 1, 4, 4]
    assert len(chains) == 8 and all(len(chain) == 4 for chain in chains)
    for chain in chains:
        assert chain[0] in nodes[hips]["children"]
        assert all(below in nodes[above]["children"] for above, below in pairwise(chain))
        assert all(nodes[node]["name"].startswith("Skirt") for node in chain)


def springs_below(nodes: list[dict], node: int) -> list[int]:
    """A joint and the only children of each."""
    found = [node]
    while children := nodes[found[-1]].get("children"):
        found += children
    return found


def test_cloth_goes_with_its_chain_and_the_body_does_not(skirt: Figure, tmp_path: Path) -> None:
    """The front chain turned forward: cloth in front rises at the hem, that behind and the waist stay."""
    from dinar.export.profiles import Profile
    from dinar.export.skinned import rig, skinned

    profile = Profile(rest="t")
    chains = springs.hanging(skirt)
    first = len(skirt.model.parents)
    mesh = skinned(skirt, profile)
    cloth = mesh.part("Skirt", (skirt.model.layer.numpy() == 1)[mesh.body_vertex])
    held = springs.bound(cloth, chains, first, 4)
    assert np.allclose(held.weight.sum(1), 1, atol=1e-6) and held.joint.max() < first + 4 * len(chains)
    y = cloth.vertices[:, 1]
    by_chain = np.where(held.joint >= first, held.weight, 0).sum(1)
    assert by_chain[y > y.max() - 0.05].max() == 0 and by_chain[y < y.min() + 0.2].min() > 0.95
    joints = springs.with_chains(rig(skirt, profile), chains)
    assert joints.parents[first] == skirt.model.humanoid["hips"] and len(joints.names) == first + 32
    front = next(k for k, chain in enumerate(chains) if chain.degrees == 0)
    of_front = np.where(np.isin(held.joint, first + 4 * front + np.arange(4)), held.weight, 0).sum(1)
    away = cloth.vertices - cloth.vertices.mean(0)
    assert of_front[(away[:, 2] < 0)].max() == 0
    assert of_front[(y < y.min() + 0.2) & (np.abs(away[:, 0]) < 0.02) & (away[:, 2] > 0)].min() > 0.7
    body = mesh.part("Body", (skirt.model.layer.numpy() == 0)[mesh.body_vertex])
    assert springs.bound(body, chains, first, 4) is body


def test_short_hair_has_no_chains_and_long_hair_five() -> None:
    hair = Layer.load("hair")
    generator = torch.Generator().manual_seed(0)
    found = {}
    for _ in range(60):
        coefficients = torch.randn(len(hair.basis), generator=generator)
        low = float(hair.at(coefficients)[hair.height(coefficients) > RISE, 1].min())
        found[low] = coefficients
    head = float(open_body().rest(torch.zeros(1, 100))[1][0, open_body().humanoid["head"], 1])
    long, short = found[min(found)], found[max(found)]
    assert min(found) < head - 0.15 and max(found) > head - 0.05
    assert springs.hanging(dressed(hair=short)) == ()
    chains = springs.hanging(dressed(hair=long))
    assert 3 <= len(chains) <= 5 and all(chain.layer == "hair" for chain in chains)
    assert all((np.diff(chain.places[:, 1]) < 0).all() for chain in chains)


SHAKEN = """<!doctype html><script type="importmap">{"imports": {"three": "/npm/three/build/three.module.js",
  "three/addons/": "/npm/three/examples/jsm/", "@pixiv/three-vrm": "/npm/@pixiv/three-vrm/lib/three-vrm.module.js"}}
</script><script type="module">
import * as THREE from "three";
import { GLTFLoader } from "three/addons/loaders/GLTFLoader.js";
import { VRMLoaderPlugin } from "@pixiv/three-vrm";
const loader = new GLTFLoader();
loader.register((parser) => new VRMLoaderPlugin(parser));
const gltf = await loader.loadAsync("/file/a.vrm");
const vrm = gltf.userData.vrm, step = 1 / 60;
const swinging = [...vrm.springBoneManager.joints].filter((joint) => joint.child);      // 0.x counts the ends as well
const places = () => swinging.map((joint) => {
  const [above, below] = [joint.bone, joint.child].map((one) => one.getWorldPosition(new THREE.Vector3()));
  return below.sub(above).toArray();
});
const run = (steps, each) => {
  for (let k = 0; k < steps; k++) { each?.(k * step); vrm.update(step); vrm.scene.updateMatrixWorld(true); }
};
run(120);
const still = places();
const thigh = vrm.humanoid.getNormalizedBoneNode("leftUpperLeg"), hips = vrm.humanoid.getNormalizedBoneNode("hips");
let most = 0;
run(60, (time) => {
  hips.rotation.y = Math.sin(8 * time);
  places().forEach((way, k) => { most = Math.max(most, Math.hypot(...way.map((x, i) => x - still[k][i]))); });
});
hips.rotation.y = 0;
run(180);
const again = places();
thigh.rotation.x = vrm.meta.metaVersion === "0" ? 1 : -1;
run(120);
const lifted = places();
window.found = { joints: still.length, names: swinging.map((joint) => joint.bone.name),
  still, most, again, lifted };
</script>"""


@pytest.mark.parametrize("version", [1, 0])
def test_three_vrm_swings_the_skirt(skirt: Figure, tmp_path: Path, browser: Browser, version: int) -> None:
    """Hips that turn to and fro carry it along, it comes to rest again, and a thigh that rises pushes its front."""
    folder = packages("@pixiv/three-vrm", tmp_path)
    vrm.write(tmp_path / "a.vrm", skirt, LICENCE, version=version)
    page = opened(browser, SHAKEN, {"npm": folder, "file": tmp_path})
    try:
        until(page, "window.found")
        found = page.evaluate("window.found")
    finally:
        page.close()
    assert found["joints"] == 24 and {name.split("_")[0] for name in found["names"]} == {
        f"Skirt{degrees:03d}" for degrees in range(0, 360, 45)}  # fmt: skip
    still, again, lifted = (np.array(found[name]) for name in ("still", "again", "lifted"))
    assert found["most"] > 0.02                                             # metres, of a bone of 18 cm
    assert np.abs(again - still).max() < 0.02
    pushed = {name: np.linalg.norm(way) for name, way in zip(found["names"], lifted - again, strict=True)}
    assert max(size for name, size in pushed.items() if name.startswith("Skirt045")) > 0.03
    assert max(size for name, size in pushed.items() if name.startswith("Skirt180")) < 0.02


def test_thighs_are_as_thick_as_legs(skirt: Figure) -> None:
    found = springs.bumps(skirt)
    assert len(found) == 4 and all(0.05 < bump.radius < 0.13 for bump in found)
    thighs = [bump for bump in found if not np.array_equal(*bump.ends)]
    assert len(thighs) == 2 and all(bump.ends[0, 1] > bump.ends[1, 1] + 0.2 for bump in thighs)


def test_a_body_without_layers_has_no_springs(tmp_path: Path) -> None:
    model = open_body()
    bare = Figure(model, load_layout("front", model), torch.zeros(len(model.shape_basis)), torch.full((3, 64, 64), 0.5))
    vrm.write(tmp_path / "a.vrm", bare, LICENCE)
    assert "VRMC_springBone" not in Scene.read(tmp_path / "a.vrm").tree["extensions"]
