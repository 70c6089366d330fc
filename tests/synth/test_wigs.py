from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from dinar.body.model import BodyModel
from dinar.errors import InputError
from dinar.synth.wigs import FILE, Wigs, arms_hang, fitted, follows, lies_on_shoulders, lifted


@pytest.fixture(scope="module")
def model():
    return BodyModel.open(helpers=True)


@pytest.fixture
def folder(tmp_path, model):
    """Two styles: the scalp's own vertices moved out by a centimetre, and a strip down the back."""
    template = model.template.numpy()
    used = np.unique(model.faces.numpy())
    scalp = template[used][template[used][:, 1] > 0.74] * 1.0
    out = scalp - np.float32([0, 0.72, 0.03])
    scalp += 0.01 * out / np.linalg.norm(out, axis=1, keepdims=True)
    y = np.linspace(0.8, 0.1, 141)
    strip = np.concatenate([np.stack([np.full_like(y, x), y, np.full_like(y, -0.12)], axis=1) for x in (-0.02, 0.02)])
    first = np.arange(140)
    faces = np.concatenate([np.stack([first, first + 1, first + 141], axis=1), [[0, 1, 2]]])
    arrays = {}
    for name, vertices, triangles in (("bob_s1", scalp, np.array([[0, 1, 2], [2, 1, 3]])), ("hime_s2", strip, faces)):
        arrays[f"{name}.vertices"] = np.rint(vertices * 10_000).astype(np.int16)
        arrays[f"{name}.uv"] = np.rint(vertices[:, :2] * 1_000).astype(np.int16)
        arrays[f"{name}.faces"] = np.diff(triangles.astype(np.uint16), axis=0, prepend=np.uint16(0))
    np.savez_compressed(
        tmp_path / FILE, names=["bob_s1", "hime_s2"], presets=["bob", "hime"],
        frizz=np.float16([[0.5, 0], [0, 1]]), **arrays,
    )  # fmt: skip
    return tmp_path


def test_reads_what_was_packed(folder):
    wigs = Wigs(folder)
    assert len(wigs) == 2 and "bob_s1" in wigs and "bob" not in wigs
    wig = wigs.get("hime_s2")
    assert (wig.preset, wig.wave, wig.curl) == ("hime", 0, 1)
    assert wig.faces[:2].tolist() == [[0, 1, 141], [1, 2, 142]] and wig.faces[-1].tolist() == [0, 1, 2]
    assert np.allclose(wig.vertices[0], [-0.02, 0.8, -0.12], atol=1e-4)
    with pytest.raises(InputError, match="no hair named beard"):
        wigs.get("beard")


def test_a_folder_without_hair_has_none(tmp_path):
    assert len(Wigs(tmp_path)) == 0


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 nothing"])
def test_damaged_files_are_told(tmp_path, content):
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        Wigs(tmp_path)


def test_pickles_are_not_read(tmp_path):
    np.savez(tmp_path / FILE, names=np.array([{}], object), presets=["bob"], frizz=np.zeros((1, 2)))
    with pytest.raises(InputError, match="damaged"):
        Wigs(tmp_path)


def test_arrays_that_do_not_go_together_are_told(folder):
    with np.load(folder / FILE) as data:
        arrays = dict(data)
    arrays["bob_s1.faces"] = np.full_like(arrays["bob_s1.faces"], 60_000)
    np.savez(folder / FILE, **arrays)
    with pytest.raises(InputError, match="do not go together"):
        Wigs(folder).get("bob_s1")


def test_hair_keeps_its_distance_from_the_scalp_on_every_head(folder, model):
    wig = Wigs(folder).get("bob_s1")
    template = model.template.numpy()
    skin = np.unique(model.faces.numpy())
    generator = torch.Generator().manual_seed(1)
    for _ in range(3):
        body = model.rest(torch.randn(1, len(model.shape_basis), generator=generator))[0][0].numpy()
        hair = fitted(wig, model, body)
        assert np.abs(hair - wig.vertices).max() > 0.02  # another head altogether
        distance, _ = cKDTree(body[skin]).query(hair)
        before, _ = cKDTree(template[skin]).query(wig.vertices)
        assert np.abs(distance - before).mean() < 0.002 and np.abs(distance - before).max() < 0.008
    assert np.abs(fitted(wig, model, template) - wig.vertices).max() < 1e-6


def test_the_head_takes_its_hair_along_and_the_back_keeps_what_lies_on_it(folder, model):
    wig = Wigs(folder).get("hime_s2")
    index, weight = follows(wig, model)
    assert np.allclose(weight.sum(1), 1) and weight.min() >= 0
    pose = torch.zeros(1, len(model.joint_names), 3)
    pose[0, model.joint_names.index("neck01")] = torch.tensor([0.0, 0.5, 0.0])
    transforms = model(replace(model.neutral(), pose=pose)).transforms[0, :, :3].numpy()
    mix = (weight[..., None] * model.skin_weights.numpy()[index]).sum(1)
    posed = np.einsum("nj,jab,nb->na", mix, transforms, np.pad(wig.vertices, ((0, 0), (0, 1)), constant_values=1))
    moved = np.linalg.norm(posed - wig.vertices, axis=1)
    y = wig.vertices[:, 1]
    assert moved[y > 0.7].min() > 0.03
    assert moved[y < 0.45].max() < 1e-3
    assert np.abs(np.diff(moved[:141])).max() < 0.02  # no break between


def test_hair_is_laid_upon_clothes(folder):
    wig = Wigs(folder).get("hime_s2")
    y, x = np.mgrid[-0.1:0.55:0.01, -0.2:0.2:0.01]
    behind = np.stack([x.ravel(), y.ravel(), np.full(x.size, -0.14)], axis=1).astype(np.float32)
    front = behind * np.float32([1, 1, -1])
    axis = np.float32([0, 0.6, 0])
    hair = lifted(wig, wig.vertices, np.concatenate([behind, front]), axis, 0.5)
    low = wig.vertices[:, 1] < 0.5
    assert hair[low, 2].max() < -0.145
    assert np.abs(hair - wig.vertices)[wig.vertices[:, 1] > 0.56].max() < 1e-6


def test_long_hair_is_told_from_short(folder, model):
    wigs, shape = Wigs(folder), torch.zeros(1, len(model.shape_basis))
    assert lies_on_shoulders(wigs.get("hime_s2").vertices, model, shape)
    assert not lies_on_shoulders(wigs.get("bob_s1").vertices, model, shape)
    assert not lies_on_shoulders(np.zeros((0, 3), np.float32), model, shape)


def test_arms_that_hang_are_told_from_raised_ones(model):
    shape = torch.zeros(1, len(model.shape_basis))
    pose = np.zeros((len(model.joint_names), 3), np.float32)
    assert arms_hang(model, shape, pose)
    pose[model.joint_names.index("upperarm01.R")] = np.radians([0, 0, -60])
    assert not arms_hang(model, shape, pose)


def test_women_and_men_of_all_tones_find_hair(folder):
    wigs, rng = Wigs(folder), np.random.default_rng(0)
    names = [wigs.random(rng, True, 0.3) for _ in range(100)]
    assert set(names) == {"bob_s1", "hime_s2"}
    assert names.count("bob_s1") > names.count("hime_s2")  # as STYLES has it
