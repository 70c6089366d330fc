"""Run by Blender, or by a Python that has `bpy`: turns a .glb into a .fbx. Its last two arguments are their paths."""

from __future__ import annotations

import json
import struct
import sys

import bpy


def frame_rate(path: str) -> int:
    """The finest frame rate of a file's animations, 30 without any."""
    with open(path, "rb") as file:
        _, _, _, length, _ = struct.unpack("<IIIII", file.read(20))
        tree = json.loads(file.read(length))
    rates = []
    for animation in tree.get("animations", ()):
        keys = [tree["accessors"][sampler["input"]] for sampler in animation["samplers"]]
        longest = max(keys, key=lambda accessor: accessor["count"])
        if longest["count"] > 1:
            rates.append((longest["count"] - 1) / longest["max"][0])
    return round(max(rates, default=30))


def main() -> None:
    source, target = sys.argv[-2:]
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.scene.render.fps = frame_rate(source)            # FBX is sampled at whole frames
    bpy.ops.import_scene.gltf(filepath=source)
    for thing in [one for one in bpy.data.objects if one.type not in ("MESH", "ARMATURE")]:
        bpy.data.objects.remove(thing)
    for mesh in [one for one in bpy.data.objects if one.type == "MESH" and not one.modifiers]:
        bpy.data.objects.remove(mesh)                            # what the importer draws joints with
    bpy.ops.export_scene.fbx(
        filepath=target,
        object_types={"ARMATURE", "MESH"},
        use_mesh_modifiers=False,                                # they would do away with the facial actions
        add_leaf_bones=False,
        bake_anim=bool(bpy.data.actions),
        bake_anim_use_nla_strips=False,
        bake_anim_use_all_actions=True,
        bake_anim_simplify_factor=0.0,
        path_mode="COPY",
        embed_textures=True,
    )


main()
