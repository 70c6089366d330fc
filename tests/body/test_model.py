from __future__ import annotations

import os
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from reference import lbs

from dinar.body import anatomy
from dinar.body.model import Body, BodyModel
from dinar.body.normals import vertex_normals
from dinar.errors import InputError


@pytest.fixture(scope="module")
def model() -> BodyModel:
    return BodyModel.open()


def random_body(model: BodyModel, batch: int = 1, seed: int = 0) -> Body:
    g = torch.Generator().manual_seed(seed)
    neutral = model.neutral(batch)
    low, high = model.expression_range
    return Body(
        torch.randn(neutral.shape.shape, generator=g),
        0.3 * torch.randn(neutral.pose.shape, generator=g),
        low + (high - low) * torch.rand(neutral.expression.shape, generator=g),
        torch.randn(batch, 3, generator=g),
    )


def tiny_model(seed: int = 0, dtype: torch.dtype = torch.float64) -> BodyModel:
    """Six joints, twenty vertices, every term present."""
    g = torch.Generator().manual_seed(seed)
    v, j, s, e = 20, 6, 3, 2
    weights = torch.rand(v, j, generator=g)
    return BodyModel(
        name="tiny",
        template=torch.randn(v, 3, generator=g),
        shape_basis=0.1 * torch.randn(s, v, 3, generator=g),
        expression_index=torch.tensor([1, 5, 7]),
        expression_basis=0.1 * torch.randn(e, 3, 3, generator=g),
        joint_template=torch.randn(j, 3, generator=g),
        joint_shape_basis=0.1 * torch.randn(s, j, 3, generator=g),
        joint_expression_basis=torch.zeros(e, j, 3),
        skin_weights=weights / weights.sum(1, keepdim=True),
        faces=torch.tensor([[0, 1, 2]]),
        parents=[-1, 0, 1, 0, 3, 1],
        joint_names=list("abcdef"),
        expression_names=["x", "y"],
        expression_range=(0.0, 1.0),
        humanoid={"hips": "a"},
        landmarks={"tip": (7,), "middle": ("b", 3)},
        pose_basis=0.1 * torch.randn(9 * (j - 1), v, 3, generator=g),
    ).to(dtype)


def by_reference(model: BodyModel, body: Body) -> tuple[np.ndarray, np.ndarray]:
    expression_basis = torch.zeros(len(model.expression_names), *model.template.shape).to(model.template)
    expression_basis[:, model.expression_index] = model.expression_basis
    return lbs.skin(
        model.template.numpy(), model.shape_basis.numpy(), expression_basis.numpy(), model.joint_template.numpy(),
        model.joint_shape_basis.numpy(), model.joint_expression_basis.numpy(),
        None if model.pose_basis is None else model.pose_basis.numpy(), model.skin_weights.numpy(), model.parents,
        *(getattr(body, f.name)[0].double().numpy() for f in fields(body)),
    )  # fmt: skip


def test_forward_equals_slow_skinning_to_the_last_digits_in_float64():
    model = tiny_model()
    body = random_body(model)
    body = Body(*(getattr(body, f.name).double() for f in fields(body)))
    mesh = model(body)
    vertices, joints = by_reference(model, body)
    np.testing.assert_allclose(mesh.vertices[0].numpy(), vertices, atol=1e-12)
    np.testing.assert_allclose(mesh.joints[0].numpy(), joints, atol=1e-12)


def test_open_body_equals_slow_skinning(model):
    few = model.only_landmarks()
    body = random_body(model)
    vertices, joints = by_reference(few, body)
    mesh = few(body)
    np.testing.assert_allclose(mesh.vertices[0].numpy(), vertices, atol=2e-5)   # float32 over a chain of 14 joints
    np.testing.assert_allclose(mesh.joints[0].numpy(), joints, atol=2e-5)


def test_gradients_in_float64():
    model = tiny_model()

    def vertices(shape, pose, expression, translation):
        return model(Body(shape, pose, expression, translation)).vertices

    body = random_body(model, 2)
    parameters = [getattr(body, f.name).double().requires_grad_() for f in fields(body)]
    assert torch.autograd.gradcheck(vertices, parameters)


def test_gradient_is_finite_at_rest(model):
    body = model.neutral()
    pose = body.pose.requires_grad_()
    model(replace(body, pose=pose)).vertices.square().sum().backward()
    assert torch.isfinite(pose.grad).all() and pose.grad.abs().sum() > 0


def test_batches_equal_single_bodies_and_broadcast(model):
    body = random_body(model, 3)
    together = model(body)
    for i in range(3):
        alone = model(body[i : i + 1])
        torch.testing.assert_close(together.vertices[i], alone.vertices[0], atol=1e-5, rtol=0)
    shared = replace(body, shape=body.shape[:1], expression=body.expression[:1])
    assert len(shared) == 3 and model(shared).vertices.shape == together.vertices.shape
    torch.testing.assert_close(model(shared).vertices[0], together.vertices[0], atol=1e-5, rtol=0)


def test_open_body_is_a_person_in_our_axes(model):
    mesh = model(model.neutral())
    extent = mesh.vertices[0].amax(0) - mesh.vertices[0].amin(0)
    assert 1.4 < extent[1] < 2.0
    points = dict(zip(model.landmark_names, model.landmarks(mesh)[0], strict=True))
    assert points["nose"][1] > points["left_hip"][1] > points["left_knee"][1] > points["left_heel"][1]
    assert points["nose"][2] > points["left_ear"][2] and points["left_foot_index"][2] > points["left_heel"][2]
    for name, point in points.items():
        if name.startswith("left"):
            assert point[0] > 0
            mirrored = points[name.replace("left", "right")] * torch.tensor([-1.0, 1.0, 1.0])
            assert (point - mirrored).norm() < 5e-3


def test_faces_look_outwards(model):
    vertices = model(model.neutral()).vertices
    a, b, c = (vertices[0, model.faces[:, k]] for k in range(3))
    volume = (a * torch.linalg.cross(b, c)).sum() / 6
    assert 0.03 < volume < 0.12    # cubic metres
    torch.testing.assert_close(vertex_normals(vertices, model.faces).norm(dim=-1), torch.ones(1, len(vertices[0])))


def test_tables_are_complete(model):
    assert set(anatomy.OPEN_HUMANOID) == set(anatomy.SMPLX_HUMANOID) - {"jaw"}
    assert len(model.expression_names) == 52 and "jawOpen" in model.expression_names
    assert all(parent < child for child, parent in enumerate(model.parents))
    assert set(anatomy.SMPLX_LANDMARKS) <= set(anatomy.OPEN_LANDMARKS)
    torch.testing.assert_close(model.skin_weights.sum(1), torch.ones(len(model.template)))


def test_a_moved_surface_follows_the_same_bones(model):
    offsets = torch.zeros_like(model.template)
    offsets[100] = torch.tensor([0.0, 0.03, 0.0])
    moved = model.moved(offsets).moved(offsets)
    assert moved.offsets[100, 1] == pytest.approx(0.06) and model.offsets.abs().max() == 0
    body = model.neutral()
    pose = body.pose.clone()
    pose[0, :, 2] = 0.1
    body = replace(body, pose=pose)
    before, after = model(body), moved(body)
    assert torch.equal(before.joints, after.joints)
    way = (after.vertices - before.vertices)[0].norm(dim=1)
    assert way[100] == pytest.approx(0.06, abs=1e-3) and way.sum() == way[100]


def test_each_expression_moves_the_face_and_nothing_else(model):
    rest = model(model.neutral()).vertices[0]
    body = model.neutral(52)
    moved = (model(replace(body, expression=torch.eye(52))).vertices - rest).norm(dim=-1)
    assert (moved.amax(1) > 5e-4).all()
    assert (moved[:, rest[:, 1] < 0.4].amax() == 0).all()


def test_knee_and_elbow_bend_the_right_way(model):
    body = model.neutral()
    pose = body.pose.clone()
    pose[0, model.humanoid["leftLowerLeg"], 0] = 1.0
    points = dict(zip(model.landmark_names, model.landmarks(model(replace(body, pose=pose)))[0], strict=True))
    assert points["left_heel"][2] < points["right_heel"][2] - 0.2


def test_helper_vertices_follow_the_skin():
    full, skin = BodyModel.open(helpers=True), BodyModel.open()
    assert len(full.template) == 19158 and len(skin.template) == 13718
    body = random_body(skin)
    torch.testing.assert_close(full(body).vertices[:, :13718], skin(body).vertices, atol=1e-5, rtol=0)


def smplx_arrays() -> dict[str, np.ndarray]:
    """A made-up file with SMPL-X's keys and shapes."""
    rng = np.random.default_rng(0)
    parents = [-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 15, 15, 15]
    for wrist in (20, 21):
        for first in range(25 + 15 * (wrist - 20), 40 + 15 * (wrist - 20), 3):
            parents += [wrist, first, first + 1]
    weights = rng.random((10475, 55)).astype(np.float32) ** 8
    regressor = np.zeros((55, 10475), np.float32)
    regressor[np.arange(55), rng.integers(0, 10475, 55)] = 1
    return {
        "v_template": rng.normal(size=(10475, 3)).astype(np.float32),
        "shapedirs": rng.normal(size=(10475, 3, 400)).astype(np.float32) * 0.01,
        "posedirs": rng.normal(size=(10475, 3, 486)).astype(np.float32) * 1e-3,
        "J_regressor": regressor,
        "weights": weights / weights.sum(1, keepdims=True),
        "kintree_table": np.stack([np.array(parents), np.arange(55)]).astype(np.uint32),
        "f": rng.integers(0, 10475, (20908, 3)).astype(np.uint32),
    }


def test_smplx_file_is_read(tmp_path):
    np.savez(tmp_path / "SMPLX_NEUTRAL.npz", **smplx_arrays())
    model = BodyModel.smplx(tmp_path / "SMPLX_NEUTRAL.npz")
    assert model.shape_basis.shape == (10, 10475, 3) and len(model.expression_names) == 10
    few = model.only_landmarks()
    body = random_body(model)
    vertices, joints = by_reference(few, body)
    mesh = few(body)
    np.testing.assert_allclose(mesh.vertices[0].numpy(), vertices, atol=1e-4)
    np.testing.assert_allclose(mesh.joints[0].numpy(), joints, atol=1e-4)
    torch.testing.assert_close(few.landmarks(mesh), model.landmarks(model(body)), atol=1e-5, rtol=0)


@pytest.mark.parametrize("damage", ["missing", "truncated", "text", "key", "shape", "pickled", "strings"])
def test_bad_smplx_file_gives_one_clear_error(tmp_path, damage):
    path = tmp_path / "SMPLX_NEUTRAL.npz"
    arrays = smplx_arrays()
    if damage == "key":
        del arrays["posedirs"]
    if damage == "shape":
        arrays["v_template"] = arrays["v_template"][:6890]
    if damage == "pickled":
        arrays["weights"] = np.array([{"a": 1}], dtype=object)
    if damage == "strings":
        arrays["v_template"] = arrays["v_template"].astype(str)
    if damage == "text":
        path.write_text("not an archive")
    elif damage != "missing":
        np.savez(path, **arrays)
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(InputError) as caught:
        BodyModel.smplx(path)
    assert "SMPLX_NEUTRAL.npz" in str(caught.value) and "\n" not in str(caught.value)


def test_equals_anny_where_installed(model):
    anny = pytest.importorskip("anny", reason="anny is not installed (only tools/build_body.py needs it)")
    if "ANNY_CACHE_DIR" not in os.environ:
        pytest.skip("set ANNY_CACHE_DIR to let anny write its cache")
    full = BodyModel.open(helpers=True)
    theirs = anny.Anny(topology="makehuman", rig="anny", phenotypes="all", local_changes="default",
                       facial_actions="all", skinning_method="lbs", pose_parameterization="world-orient")  # fmt: skip
    theirs = theirs.to(torch.float32)
    phenotype = {name: torch.tensor([0.5]) for name in theirs.phenotype_labels}
    phenotype |= {"gender": torch.zeros(1), "age": torch.tensor([0.7])}
    data = np.load(anny_data(), allow_pickle=False)
    z_up = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])   # ours -> anny's axes
    identity = torch.eye(4).expand(1, theirs.bone_count, 4, 4)
    out = theirs(pose_parameters=identity, phenotype_kwargs=phenotype)
    order = data["base_index"].astype(np.int64)
    rest = out["rest_vertices"][0, order] @ z_up
    joints = out["rest_bone_heads"][0] @ z_up
    basis = torch.cat([full.shape_basis[:, :13718].flatten(1), full.joint_shape_basis.flatten(1)], dim=1)
    target = torch.cat([(rest[:13718] - full.template[:13718]).flatten(), (joints - full.joint_template).flatten()])
    shape = torch.linalg.lstsq(basis.T.double(), target[:, None].double()).solution.T.float()
    vertices, ours = full.rest(shape)
    assert (vertices[0, :13718] - rest[:13718]).norm(dim=1).mean() < 2e-3
    assert (ours[0] - joints).norm(dim=1).mean() < 2e-3

    mesh = full(replace(random_body(full), shape=shape, expression=torch.zeros(1, 52)))
    posed = torch.eye(4).repeat(1, theirs.bone_count, 1, 1)
    posed[:, :, :3, :3] = z_up @ mesh.transforms[:, :, :3, :3] @ z_up.T @ out["rest_bone_poses"][:, :, :3, :3]
    posed[:, 0, :3, 3] = mesh.joints[:, 0] @ z_up.T
    out = theirs(pose_parameters=posed, phenotype_kwargs=phenotype)
    assert (out["vertices"][0, order[:13718]] @ z_up - mesh.vertices[0, :13718]).norm(dim=1).mean() < 3e-3


def anny_data() -> str:
    from dinar.body.model import DATA

    return str(DATA / "open.npz")


@pytest.mark.parametrize("kind", ["open", "tiny"])
def test_a_body_of_one_shape_and_expression(model: BodyModel, kind: str) -> None:
    model = model if kind == "open" else tiny_model(dtype=torch.float32)
    body = random_body(model, 3)
    few = model.only_posed(body.shape[0], body.expression[0])
    bare = replace(body, shape=body.shape[:, :0], expression=body.expression[:, :0])
    whole = model(replace(body, shape=body.shape[:1].expand(3, -1), expression=body.expression[:1].expand(3, -1)))
    posed = few(bare)
    assert torch.allclose(posed.vertices, whole.vertices, atol=1e-6)
    assert torch.allclose(posed.joints, whole.joints, atol=1e-6)
    assert len(model.shape_basis) == body.shape.shape[1]      # the model itself stays


def test_what_hangs_on_joints() -> None:
    model = BodyModel.open()
    hand = model.below([model.humanoid["leftHand"]])
    assert {model.humanoid[bone] for bone in ("leftHand", "leftThumbDistal", "leftLittleProximal")} <= set(hand)
    assert hand == sorted(hand) and model.humanoid["leftLowerArm"] not in hand
    assert model.below([model.humanoid["head"], model.humanoid["leftHand"]]) == sorted(
        {*hand, *model.below([model.humanoid["head"]])}
    )
    assert model.below([0]) == list(range(len(model.parents)))
