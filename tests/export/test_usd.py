"""USDZ files read back by OpenUSD itself, and judged by its validators."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pxr", reason="needs usd-core: pip install 'dinar[usd]'")

from pxr import Gf, Usd, UsdGeom, UsdShade, UsdSkel, UsdValidation, Vt

from dinar.avatar import Avatar
from dinar.errors import InputError
from dinar.export import usd
from dinar.export.figure import Figure
from dinar.export.profiles import Profile
from dinar.export.simplify import simplified
from dinar.export.skinned import skinned
from dinar.motion import retarget
from dinar.motion.motion import Motion


@pytest.fixture(scope="module")
def figure(avatar: Avatar) -> Figure:
    return Figure(avatar.model, avatar.layout, avatar.shape, avatar.painted)


@pytest.fixture(scope="module")
def clips() -> dict[str, Motion]:
    """One named as USD names nothing; another with a frame rate of its own."""
    return {"2 walk": Motion.load("walk").clipped(0, 0.4), "2.walk": Motion.load("wave").clipped(1, 1.6).resampled(15)}


@pytest.fixture(scope="module", params=[4, 8])
def stage(request, figure: Figure, clips: dict[str, Motion], tmp_path_factory: pytest.TempPathFactory) -> Usd.Stage:
    path = tmp_path_factory.mktemp("usd") / "person.usdz"
    usd.write(path, figure, motions=clips, profile=Profile(influences=request.param, lit=request.param == 8))
    return Usd.Stage.Open(str(path))


def test_openusds_validators_find_nothing(stage: Usd.Stage) -> None:
    validators = UsdValidation.ValidationRegistry().GetOrLoadAllValidators()
    assert len(validators) > 20
    found = UsdValidation.ValidationContext(validators).Validate(stage)
    assert [error.GetErrorAsString() for error in found] == []


def test_the_scene_says_how_large_it_is_and_what_plays(stage: Usd.Stage, clips: dict[str, Motion]) -> None:
    assert UsdGeom.GetStageUpAxis(stage) == "Y" and UsdGeom.GetStageMetersPerUnit(stage) == 1
    assert stage.GetDefaultPrim().IsA(UsdSkel.Root)
    assert stage.GetTimeCodesPerSecond() == 30 and stage.GetEndTimeCode() == len(clips["2 walk"]) - 1
    motions = stage.GetPrimAtPath(usd.MOTIONS).GetChildren()
    assert [motion.GetDisplayName() for motion in motions] == list(clips)
    source = UsdSkel.BindingAPI(stage.GetPrimAtPath(usd.SKELETON)).GetAnimationSource()
    assert source == motions[0]
    times = UsdSkel.Animation(motions[1]).GetRotationsAttr().GetTimeSamples()
    assert np.allclose(np.array(times) / 30, np.arange(len(clips["2.walk"])) / 15)


def test_openusd_moves_it_as_we_do(stage: Usd.Stage, figure: Figure, clips: dict[str, Motion]) -> None:
    """Against our body, with 4 and 8 of up to nine joints a vertex, as of a GLB."""
    mesh = UsdGeom.Mesh.Get(stage, usd.BODY)
    influences = UsdSkel.BindingAPI(mesh).GetJointIndicesPrimvar().GetElementSize()
    body_vertex = skinned(figure).body_vertex
    mean, most = {4: (1e-4, 2e-2), 8: (1e-6, 2e-4)}[influences]
    skeleton = UsdSkel.Skeleton.Get(stage, usd.SKELETON)
    for motion, prim in zip(clips.values(), stage.GetPrimAtPath(usd.MOTIONS).GetChildren(), strict=True):
        UsdSkel.BindingAPI(skeleton).GetAnimationSourceRel().SetTargets([prim.GetPath()])
        cache = UsdSkel.Cache()
        cache.Populate(UsdSkel.Root.Get(stage, usd.ROOT), Usd.PrimDefaultPredicate)
        query, skinning = cache.GetSkelQuery(skeleton), cache.GetSkinningQuery(mesh.GetPrim())
        bodies = retarget.apply(motion, figure.model, figure.shape)
        for k in (0, len(motion) - 1):
            time = k / motion.fps * 30
            points = Vt.Vec3fArray(mesh.GetPointsAttr().Get())
            assert skinning.ComputeSkinnedPoints(query.ComputeSkinningTransforms(time), points, time)
            true = figure.model(bodies[k : k + 1]).vertices[0].numpy()[body_vertex]
            off = np.linalg.norm(np.array(points) - true, axis=1)
            assert off.mean() < mean and off.max() < most


def test_mesh_and_facial_actions_are_the_figures(stage: Usd.Stage, figure: Figure) -> None:
    true = skinned(figure)
    mesh = UsdGeom.Mesh.Get(stage, usd.BODY)
    assert np.array_equal(np.array(mesh.GetPointsAttr().Get()), true.vertices)
    assert np.array_equal(np.array(mesh.GetFaceVertexIndicesAttr().Get()).reshape(-1, 3), true.faces)
    assert np.array_equal(np.array(mesh.GetNormalsAttr().Get()), true.normals)
    places = UsdGeom.PrimvarsAPI(mesh).GetPrimvar("st").Get()
    assert np.allclose(np.array(places) * [1, -1] + [0, 1], true.uv, atol=1e-6)
    binding = UsdSkel.BindingAPI(mesh)
    weights = np.array(binding.GetJointWeightsAttr().Get()).reshape(len(true.vertices), -1)
    assert np.allclose(weights.sum(1), 1, atol=1e-6)
    actions = UsdSkel.BlendShapeQuery(binding)
    assert actions.GetNumBlendShapes() == 52
    for name in ("jawOpen", "mouthSmileLeft"):
        number = list(binding.GetBlendShapesAttr().Get()).index(name)
        shape = actions.GetBlendShape(number)
        moved = np.zeros_like(true.vertices)
        moved[np.array(shape.GetPointIndicesAttr().Get())] = np.array(shape.GetOffsetsAttr().Get())
        assert np.array_equal(moved, true.morphs[figure.model.expression_names.index(name)])
        assert np.linalg.norm(moved, axis=1).max() > 5e-3


def test_the_texture_is_emitted_unless_it_is_lit(stage: Usd.Stage, figure: Figure) -> None:
    material = UsdShade.MaterialBindingAPI(stage.GetPrimAtPath(usd.BODY)).ComputeBoundMaterial()[0]
    surface = material.ComputeSurfaceSource()[0]
    lit = UsdSkel.BindingAPI(stage.GetPrimAtPath(usd.BODY)).GetJointIndicesPrimvar().GetElementSize() == 8
    (source,), _ = surface.GetInput("diffuseColor" if lit else "emissiveColor").GetConnectedSources()
    assert source.source.GetPath() == usd.MATERIAL.AppendChild("Colours")
    if not lit:
        assert surface.GetInput("diffuseColor").Get() == Gf.Vec3f(0)
    with zipfile.ZipFile(stage.GetRootLayer().identifier) as package:
        assert all(entry.compress_type == zipfile.ZIP_STORED for entry in package.infolist())
        assert package.namelist()[0].endswith(".usdc") and package.namelist()[1].endswith("colours.png")


def test_few_triangles_the_same_bytes_and_no_motion(figure: Figure, tmp_path: Path) -> None:
    few = simplified(figure, 2000)
    for name in ("a", "b"):
        usd.write(tmp_path / name / "person.usdz", few, profile=Profile(picture="jpeg", texture_size=64))
    assert (tmp_path / "a" / "person.usdz").read_bytes() == (tmp_path / "b" / "person.usdz").read_bytes()
    with zipfile.ZipFile(tmp_path / "a" / "person.usdz") as package:
        assert {entry.date_time[0] for entry in package.infolist()} == {2000}
    stage = Usd.Stage.Open(str(tmp_path / "a" / "person.usdz"))
    assert len(UsdGeom.Mesh.Get(stage, usd.BODY).GetFaceVertexCountsAttr().Get()) <= 2000
    assert not UsdSkel.BindingAPI(stage.GetPrimAtPath(usd.SKELETON)).GetAnimationSourceRel().GetTargets()
    found = UsdValidation.ValidationContext(UsdValidation.ValidationRegistry().GetOrLoadAllValidators()).Validate(stage)
    assert [error.GetErrorAsString() for error in found] == []


def test_another_kind_of_file_is_refused(figure: Figure, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no \.usdz"):
        usd.write(tmp_path / "person.usd", figure)
    assert list(tmp_path.iterdir()) == []
