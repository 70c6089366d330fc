"""Exported people in Blender, drawn by Cycles on the CPU: for the picture in the docs.

It needs Blender, or another Python that has `bpy`, where `dinar export -o person.fbx` looks for it (docs/export.md).
This file is also the script that runs there: it then reads a job of JSON, its last argument.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

SAMPLES = 32        # a pixel: the material only emits, so they are for the edges


def draw(path, shots, *, background=(1.0, 1.0, 1.0)):
    """Pictures uint8 [H, W, 3] of a .glb, one for each `three.Shot` (a camera, a clip and a time).

    background  sRGB in [0, 1]

    Raises InputError where there is no Blender, CalledProcessError where it fails.
    """
    import subprocess
    import tempfile

    import numpy as np
    from PIL import Image

    from dinar.export.blender import command

    with tempfile.TemporaryDirectory() as folder:
        job = {
            "path": str(Path(path).resolve()),
            "shots": [shot.as_dict() | {"size": list(shot.camera.size)} for shot in shots],
            "pictures": [str(Path(folder) / f"{k}.png") for k in range(len(shots))],
        }
        task = Path(folder) / "job.json"
        task.write_text(json.dumps(job), encoding="utf-8")
        subprocess.run([*command(script=__file__), str(task)], check=True, capture_output=True, timeout=600)
        pictures = []
        for picture in job["pictures"]:
            with Image.open(picture) as opened:
                rgba = np.asarray(opened.convert("RGBA")) / 255.0
            over = rgba[..., :3] * rgba[..., 3:] + np.array(background) * (1 - rgba[..., 3:])
            pictures.append(np.round(over * 255).astype(np.uint8))
    return pictures


def _in_blender(job):
    import bpy
    import numpy as np
    from mathutils import Matrix

    if not hasattr(np, "bool"):
        np.bool = bool                                                         # as in dinar/export/in_blender.py
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    bpy.ops.import_scene.gltf(filepath=job["path"])
    for thing in list(bpy.data.objects):
        thing.hide_render = thing.type == "MESH" and not thing.modifiers      # what joints are drawn with
    rig = next(thing for thing in bpy.data.objects if thing.type == "ARMATURE")
    scene.render.engine = "CYCLES"
    scene.cycles.device, scene.cycles.samples, scene.cycles.use_denoising = "CPU", SAMPLES, False
    scene.render.threads_mode, scene.render.threads = "FIXED", 1
    scene.render.film_transparent = True
    scene.render.image_settings.file_format, scene.render.image_settings.color_mode = "PNG", "RGBA"
    scene.view_settings.view_transform, scene.view_settings.look = "Standard", "None"
    upright = Matrix.Rotation(math.pi / 2, 4, "X")                             # y up -> z up
    scene.camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(scene.camera)
    scene.camera.data.sensor_fit = "VERTICAL"
    for shot, picture in zip(job["shots"], job["pictures"], strict=True):
        if shot["clip"] is not None:
            strip = next(t.strips[0] for t in rig.animation_data.nla_tracks if t.name == shot["clip"])
            rig.animation_data.use_nla = False
            rig.animation_data.action = strip.action
            if hasattr(strip, "action_slot"):                                  # since Blender 4.4
                rig.animation_data.action_slot = strip.action_slot
        frame = shot["time"] * scene.render.fps / scene.render.fps_base
        scene.frame_set(math.floor(frame), subframe=frame % 1)
        columns = [shot["pose"][4 * k : 4 * k + 4] for k in range(4)]
        scene.camera.matrix_world = upright @ Matrix(columns).transposed()
        scene.camera.data.angle = math.radians(shot["fov"])
        scene.render.resolution_y, scene.render.resolution_x = shot["size"]
        scene.render.filepath = picture
        bpy.ops.render.render(write_still=True)


if __name__ == "__main__":
    _in_blender(json.loads(Path(sys.argv[-1]).read_text(encoding="utf-8")))
