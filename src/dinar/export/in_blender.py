"""Run by Blender, or a Python that has `bpy`: turns a .glb into a .fbx or .blend; the last two arguments are paths."""

from __future__ import annotations

import json
import struct
import sys

import bpy
import numpy

if not hasattr(numpy, "bool"):
    numpy.bool = bool       # the FBX add-on of Blender 3.4 asks for it; Debian 12 has a numpy without


def read_tree(path: str) -> dict:
    """The JSON of a .glb."""
    with open(path, "rb") as file:
        _, _, _, length, _ = struct.unpack("<IIIII", file.read(20))
        return json.loads(file.read(length))


def frame_rate(tree: dict) -> int:
    """The finest frame rate of a file's animations, 30 without any."""
    rates = []
    for animation in tree.get("animations", ()):
        keys = [tree["accessors"][sampler["input"]] for sampler in animation["samplers"]]
        longest = max(keys, key=lambda accessor: accessor["count"])
        if longest["count"] > 1:
            rates.append((longest["count"] - 1) / longest["max"][0])
    return round(max(rates, default=30))


def main() -> None:
    source, target = sys.argv[-2:]
    tree = read_tree(source)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.scene.render.fps = frame_rate(tree)            # FBX is sampled at whole frames
    blend = target.lower().endswith(".blend")
    if blend:
        bpy.ops.import_scene.gltf(filepath=source, bone_heuristic="BLENDER")          # bones as the file has them
    else:
        bpy.ops.import_scene.gltf(filepath=source)
    for thing in [one for one in bpy.data.objects if one.type not in ("MESH", "ARMATURE")]:
        bpy.data.objects.remove(thing)
    for mesh in [one for one in bpy.data.objects if one.type == "MESH" and not one.modifiers]:
        bpy.data.objects.remove(mesh)                            # what the importer draws joints with
    name_actions()
    if blend:
        keep(target, [animation["name"] for animation in tree.get("animations", ())])
    else:
        hand_over(target)


def animated() -> list[tuple[str, bpy.types.AnimData]]:
    """What clips move, by the names of its objects: the rig, and the facial actions of meshes."""
    blocks = []
    for thing in bpy.data.objects:
        block = thing.data.shape_keys if thing.type == "MESH" else thing
        if block is not None and block.animation_data is not None:
            blocks.append((thing.name, block.animation_data))
    return sorted(blocks, key=lambda pair: bpy.data.objects[pair[0]].type)            # ARMATURE before MESH


def name_actions() -> None:
    """Gives the actions their clips' names, those of faces in Blender before 4.4 their meshes' names as well."""
    named = set()
    for owner, data in animated():
        for track in data.nla_tracks:
            action = track.strips[0].action
            if action not in named:
                whose = any(other.name == track.name for other in named)
                action.name = f"{track.name}.{owner}" if whose else track.name
                named.add(action)


def keep(target: str, clips: list[str]) -> None:
    """Saves the scene as a .blend: pictures inside, every action kept, the first one shown, materials in the views."""
    scene = bpy.context.scene
    for action in bpy.data.actions:
        action.use_fake_user = True
    for _, data in animated():
        strips = {track.name: track.strips[0] for track in data.nla_tracks}
        if first := next((name for name in clips if name in strips), None):
            strip = strips[first]
            data.action = strip.action
            if hasattr(strip, "action_slot"):                    # since Blender 4.4
                data.action_slot = strip.action_slot
        data.use_nla = False                                     # else the tracks play on top of one another
    if bpy.data.actions:
        scene.frame_start = 0
        scene.frame_end = round(max(action.frame_range[1] for action in bpy.data.actions))
        scene.frame_set(0)
    for screen in bpy.data.screens:
        for space in (area.spaces.active for area in screen.areas if area.type == "VIEW_3D"):
            space.shading.type = "MATERIAL"
    bpy.ops.file.pack_all()
    bpy.ops.wm.save_as_mainfile(filepath=target, compress=True, check_existing=False)


def hand_over(target: str) -> None:
    """Writes the scene as a .fbx."""
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
