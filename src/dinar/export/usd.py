"""A rigged, animated USDZ of a person (OpenUSD's UsdSkel), for Quick Look, Omniverse and film tools."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from dinar.errors import InputError
from dinar.export.figure import Figure, encoded
from dinar.export.profiles import PLAIN, Profile
from dinar.export.skinned import Rig, SkinnedMesh, joint_names, moving, rig, skinned
from dinar.files import atomic_file
from dinar.motion.motion import Motion

try:
    from pxr import Gf, Sdf, Tf, Usd, UsdGeom, UsdShade, UsdSkel, UsdUtils, Vt
except ImportError as missing:
    raise InputError("a .usdz is written by OpenUSD: pip install 'dinar[usd]'") from missing

_LONG_AGO = 946_728_000      # seconds: noon of 1 January 2000
ROOT = Sdf.Path("/Person")
BODY, SKELETON, MATERIAL, MOTIONS = (ROOT.AppendChild(name) for name in ("Body", "Skeleton", "Material", "Motions"))


def write(
    path: Path,
    figure: Figure,
    *,
    motions: Mapping[str, Motion] | None = None,   # by the names that the animations get; the first one plays
    profile: Profile = PLAIN,                      # how it is written; always at rest as the body
) -> None:
    """Writes a .usdz, whole or not at all: the mesh, joints and facial actions that `gltf.write` writes.

    Metres, y up. A motion is a SkelAnimation below /Person/Motions, and the skeleton's animation source is the first.
    UsdPreviewSurface has no unlit material: unless `lit`, the colours are emitted by a black surface.

    Raises InputError where `path` cannot be written or is no .usdz, or the numbers are out of range.
    """
    path = Path(path)
    if path.suffix.lower() != ".usdz":
        raise InputError(f"{path} is no .usdz; other USD files are not written")
    profile = replace(profile, axes="world", rest="a", speech=False, shading=False)
    mesh, joints = skinned(figure, profile), rig(figure, profile)
    image = encoded(figure.picture(profile.texture_size), profile.picture)
    with tempfile.TemporaryDirectory() as folder, atomic_file(path) as temporary:
        texture = Path(folder) / f"colours.{profile.picture}"
        texture.write_bytes(image)
        stage = Usd.Stage.CreateNew(f"{folder}/person.usdc")
        _person(stage, figure, mesh, joints, motions or {})
        _material(stage, texture.name, profile.lit)
        stage.Save()
        for file in Path(folder).iterdir():
            os.utime(file, (_LONG_AGO, _LONG_AGO))      # the package keeps the times: the same person is the same bytes
        if not UsdUtils.CreateNewUsdzPackage(f"{folder}/person.usdc", str(temporary)):
            raise OSError(f"OpenUSD could not write {path}")


def _person(
    stage: Usd.Stage, figure: Figure, mesh: SkinnedMesh, rest: Rig, motions: Mapping[str, Motion]
) -> None:
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y)
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    stage.SetDefaultPrim(UsdSkel.Root.Define(stage, ROOT).GetPrim())
    joints, places = _paths(figure), rest.places
    skeleton = UsdSkel.Skeleton.Define(stage, SKELETON)
    skeleton.CreateJointsAttr(joints)
    above = np.stack([places[parent] if parent >= 0 else 0 * places[0] for parent in figure.model.parents])
    skeleton.CreateBindTransformsAttr(_shifts(places))
    skeleton.CreateRestTransformsAttr(_shifts(places - above))
    body = UsdGeom.Mesh.Define(stage, BODY)
    body.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
    body.CreatePointsAttr(_vectors(mesh.vertices))
    body.CreateExtentAttr(_vectors(np.stack([mesh.vertices.min(0), mesh.vertices.max(0)])))
    body.CreateFaceVertexCountsAttr(Vt.IntArray.FromNumpy(np.full(len(mesh.faces), 3, np.int32)))
    body.CreateFaceVertexIndicesAttr(Vt.IntArray.FromNumpy(mesh.faces.ravel().astype(np.int32)))
    body.CreateNormalsAttr(_vectors(mesh.normals))
    body.SetNormalsInterpolation(UsdGeom.Tokens.vertex)
    st = UsdGeom.PrimvarsAPI(body).CreatePrimvar("st", Sdf.ValueTypeNames.TexCoord2fArray, UsdGeom.Tokens.vertex)
    uv = mesh.uv * [1, -1] + [0, 1]                                            # USD counts from the bottom left
    st.Set(Vt.Vec2fArray.FromNumpy(uv.astype(np.float32)))
    binding = UsdSkel.BindingAPI.Apply(body.GetPrim())
    binding.CreateSkeletonRel().SetTargets([SKELETON])
    width = mesh.joint.shape[1]
    binding.CreateJointIndicesPrimvar(False, width).Set(Vt.IntArray.FromNumpy(mesh.joint.ravel().astype(np.int32)))
    binding.CreateJointWeightsPrimvar(False, width).Set(Vt.FloatArray.FromNumpy(mesh.weight.ravel()))
    binding.CreateGeomBindTransformAttr(Gf.Matrix4d(1))
    names = figure.model.expression_names
    for name, morph in zip(names, mesh.morphs, strict=True):
        moved = np.flatnonzero(morph.any(axis=1))
        action = UsdSkel.BlendShape.Define(stage, BODY.AppendChild(name))
        action.CreateOffsetsAttr(_vectors(morph[moved]))
        action.CreatePointIndicesAttr(Vt.IntArray.FromNumpy(moved.astype(np.int32)))
    binding.CreateBlendShapesAttr(list(names))
    binding.CreateBlendShapeTargetsRel().SetTargets([BODY.AppendChild(name) for name in names])
    if not motions:
        return
    rate = max(motion.fps for motion in motions.values())
    stage.SetTimeCodesPerSecond(rate)
    stage.SetFramesPerSecond(rate)
    stage.SetStartTimeCode(0)
    plays = next(iter(motions.values()))
    stage.SetEndTimeCode((len(plays) - 1) / plays.fps * rate)
    UsdGeom.Scope.Define(stage, MOTIONS)
    paths = [_animate(stage, figure, name, motion, joints, above, rest, rate) for name, motion in motions.items()]
    UsdSkel.BindingAPI.Apply(skeleton.GetPrim()).CreateAnimationSourceRel().SetTargets(paths[:1])


def _animate(
    stage: Usd.Stage,
    figure: Figure,
    name: str,
    motion: Motion,
    joints: list[str],
    above: np.ndarray,          # [J, 3] places of the joints' parents at rest
    rest: Rig,
    rate: float,                # time codes a second
) -> Sdf.Path:
    """Adds a motion; where it is."""
    path = MOTIONS.AppendChild(Tf.MakeValidIdentifier(name))
    while stage.GetPrimAtPath(path):                                           # of names that differ in signs alone
        path = path.ReplaceName(path.name + "_")
    animation = UsdSkel.Animation.Define(stage, path)
    animation.GetPrim().SetDisplayName(name)
    animation.CreateJointsAttr(joints)
    animation.CreateScalesAttr(Vt.Vec3hArray(len(joints), Gf.Vec3h(1, 1, 1)))
    animation.CreateBlendShapesAttr(list(figure.model.expression_names))
    animation.CreateBlendShapeWeightsAttr(Vt.FloatArray(len(figure.model.expression_names), 0.0))
    turns, way = moving(figure, motion, rest)
    rotations, translations = animation.CreateRotationsAttr(), animation.CreateTranslationsAttr()
    places = rest.places - above
    for k, (turn, place) in enumerate(zip(turns.numpy(), way.numpy(), strict=True)):
        time = k / motion.fps * rate
        places[0] = place
        rotations.Set(Vt.QuatfArray.FromNumpy(np.ascontiguousarray(turn)), time)
        translations.Set(_vectors(places), time)
    return path


def _material(stage: Usd.Stage, texture: str, lit: bool) -> None:
    material = UsdShade.Material.Define(stage, MATERIAL)
    reader = _shader(stage, "Places", "UsdPrimvarReader_float2")
    reader.CreateInput("varname", Sdf.ValueTypeNames.String).Set("st")
    colours = _shader(stage, "Colours", "UsdUVTexture")
    colours.CreateInput("file", Sdf.ValueTypeNames.Asset).Set(Sdf.AssetPath(f"./{texture}"))
    colours.CreateInput("sourceColorSpace", Sdf.ValueTypeNames.Token).Set("sRGB")
    for side in ("wrapS", "wrapT"):
        colours.CreateInput(side, Sdf.ValueTypeNames.Token).Set("clamp")
    colours.CreateInput("st", Sdf.ValueTypeNames.Float2).ConnectToSource(
        reader.CreateOutput("result", Sdf.ValueTypeNames.Float2)
    )
    surface = _shader(stage, "Surface", "UsdPreviewSurface")
    surface.CreateInput("roughness", Sdf.ValueTypeNames.Float).Set(1.0)
    surface.CreateInput("metallic", Sdf.ValueTypeNames.Float).Set(0.0)
    rgb = colours.CreateOutput("rgb", Sdf.ValueTypeNames.Float3)
    surface.CreateInput("ior", Sdf.ValueTypeNames.Float).Set(1.0)             # nothing is reflected
    surface.CreateInput("diffuseColor", Sdf.ValueTypeNames.Color3f).Set(Gf.Vec3f(0))
    surface.CreateInput("diffuseColor" if lit else "emissiveColor", Sdf.ValueTypeNames.Color3f).ConnectToSource(rgb)
    shown = surface.CreateOutput("surface", Sdf.ValueTypeNames.Token)
    material.CreateSurfaceOutput().ConnectToSource(shown)
    body = stage.GetPrimAtPath(BODY)
    UsdShade.MaterialBindingAPI.Apply(body).Bind(material)


def _shader(stage: Usd.Stage, name: str, kind: str) -> UsdShade.Shader:
    shader = UsdShade.Shader.Define(stage, MATERIAL.AppendChild(name))
    shader.CreateIdAttr(kind)
    return shader


def _paths(figure: Figure) -> list[str]:
    """Joints as UsdSkel calls them: Hips/Spine/..."""
    paths: list[str] = []
    for name, parent in zip(map(Tf.MakeValidIdentifier, joint_names(figure.model)), figure.model.parents, strict=True):
        paths.append(f"{paths[parent]}/{name}" if parent >= 0 else name)
    return paths


def _vectors(rows: np.ndarray) -> Vt.Vec3fArray:
    return Vt.Vec3fArray.FromNumpy(np.ascontiguousarray(rows, np.float32))


def _shifts(places: np.ndarray) -> Vt.Matrix4dArray:
    return Vt.Matrix4dArray([Gf.Matrix4d().SetTranslate(Gf.Vec3d(*place)) for place in places.tolist()])
