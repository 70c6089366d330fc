"""How fast is the rasteriser beside others? The open body seen by one camera, every method in the same run.

    python benchmarks/rasterize.py [--threads 2] [--seconds 2]

Peers are measured where they are installed (open3d, embreex, mitsuba, warp-lang) and left out where not; none of them
belongs to the project's own requirements. A body moves from frame to frame, so ray tracers are given with the building
of their tree and, in brackets, without it. "same" is the share of pixels that see the same triangle as ours (dinar
draws at pixel centres with a top-left rule; rays that graze an edge may fall either way). OMP_WAIT_POLICY is `passive`
unless set: otherwise torch's idle threads spin for milliseconds after each of its operations and slow down whatever
comes next.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

SIZES = (512, 1024)


@dataclass(frozen=True)
class View:
    """One picture to draw.

    world   float32 [V, 3] array, metres      screen  float32 [1, V, 3] tensor (x px, y px, depth m)
    faces   int32 [F, 3] array                camera  dinar.camera.Camera
    """

    world: object
    screen: object
    faces: object
    camera: object

    @property
    def size(self) -> tuple[int, int]:
        return self.camera.size

    def rays(self) -> tuple:
        """Origins and directions float32 [H * W, 3] through the pixel centres, in the world."""
        import numpy as np

        h, w = self.size
        y, x = np.mgrid[:h, :w] + 0.5
        pixel = np.stack([x, y, np.ones_like(x)], axis=-1).reshape(-1, 3)
        direction = pixel @ np.linalg.inv(self.camera.K.double().numpy()).T @ self.camera.R.double().numpy()
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        origin = np.broadcast_to(self.camera.position.numpy(), direction.shape)
        return np.ascontiguousarray(origin, np.float32), np.ascontiguousarray(direction, np.float32)


@dataclass(frozen=True)
class Method:
    """One row: `draw()` is timed, `faces()` gives the drawn face indices [H, W] (None: nothing to compare),
    `again()` is timed too where the work can be split into once a mesh and once a picture."""

    name: str
    draw: Callable[[], object]
    faces: Callable[[], object] | None = None
    again: Callable[[], object] | None = None


def ours(view: View, threads: int) -> Iterator[Method]:
    import torch
    from reference.rasterize import rasterize as reference

    from dinar.raster.rasterize import interpolate, rasterize
    from dinar.raster.silhouette import silhouette

    faces = torch.from_numpy(view.faces).long()
    label = f"dinar, numba {version('numba')}"

    def draw(cull: bool = False):
        return rasterize(view.screen, faces, view.size, cull=cull)

    yield Method(label, draw, lambda: draw().face[0].numpy())
    yield Method(f"{label}, back faces culled", lambda: draw(True), lambda: draw(True).face[0].numpy())
    yield Method(
        f"torch {torch.__version__} reference",
        lambda: reference(view.screen, faces, view.size),
        lambda: reference(view.screen, faces, view.size)[0][0].numpy(),
    )

    fragments = draw()
    colours = torch.rand(1, len(view.world), 3)
    yield Method("dinar, interpolate 3 channels", lambda: interpolate(fragments, colours, faces))

    points = view.screen.clone().requires_grad_()
    target = rasterize(view.screen + torch.tensor([12.0, -7.0, 0.0]), faces, view.size).mask

    def pull() -> None:
        points.grad = None
        (silhouette(points, faces, view.size) - target).square().mean().backward()

    yield Method("dinar, silhouette forward + backward", pull)


def with_warp(view: View, threads: int) -> Iterator[Method]:
    import torch
    import warp

    from dinar.raster.warp import draw

    for device in ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]:
        points = view.screen.to(device).contiguous()
        faces = torch.from_numpy(view.faces).int().to(device)

        def run(points=points, faces=faces, device=device):
            result = draw(points, faces, view.size, False)
            if device == "cuda":
                torch.cuda.synchronize()
            return result

        where = "CPU, 1 thread" if device == "cpu" else torch.cuda.get_device_name()
        yield Method(f"dinar, Warp {warp.__version__} ({where})", run, lambda run=run: run()[0][0].cpu().numpy())


def with_open3d(view: View, threads: int) -> Iterator[Method]:
    import numpy as np
    import open3d

    origin, direction = view.rays()
    rays = open3d.core.Tensor(np.concatenate([origin, direction], axis=1))

    def build():
        scene = open3d.t.geometry.RaycastingScene(nthreads=threads)
        scene.add_triangles(open3d.core.Tensor(view.world), open3d.core.Tensor(view.faces.astype(np.uint32)))
        return scene

    def cast(scene) -> np.ndarray:
        return scene.cast_rays(rays, nthreads=threads)["primitive_ids"].numpy()

    def faces() -> np.ndarray:
        index = cast(build()).reshape(view.size)
        return np.where(index == open3d.t.geometry.RaycastingScene.INVALID_ID, -1, index.astype(np.int64))

    scene = build()
    yield Method(f"Open3D {open3d.__version__} ray casting", lambda: cast(build()), faces, lambda: cast(scene))


def with_embree(view: View, threads: int) -> Iterator[Method]:
    from embreex.mesh_construction import TriangleMesh
    from embreex.rtcore_scene import EmbreeScene

    origin, direction = view.rays()

    def build():
        scene = EmbreeScene()
        TriangleMesh(scene, view.world, view.faces)
        return scene

    def cast(scene):
        return scene.run(origin, direction)

    scene = build()
    yield Method(
        f"embreex {version('embreex')} (1 thread)",
        lambda: cast(build()),
        lambda: cast(build()).reshape(view.size),
        lambda: cast(scene),
    )


def with_mitsuba(view: View, threads: int) -> Iterator[Method]:
    import drjit
    import mitsuba
    import numpy as np

    mitsuba.set_variant("llvm_ad_rgb")
    drjit.set_thread_count(threads)
    origin, direction = view.rays()
    origin, direction = mitsuba.Point3f(origin.T), mitsuba.Vector3f(direction.T)

    def build():
        mesh = mitsuba.Mesh("body", len(view.world), len(view.faces))
        parameters = mitsuba.traverse(mesh)
        parameters["vertex_positions"] = view.world.ravel()
        parameters["faces"] = view.faces.astype(np.uint32).ravel()
        parameters.update()
        return mitsuba.load_dict({"type": "scene", "body": mesh})

    def cast(scene) -> np.ndarray:
        hit = scene.ray_intersect_preliminary(mitsuba.Ray3f(origin, direction))
        return np.where(hit.is_valid().numpy(), hit.prim_index.numpy().astype(np.int64), -1)

    scene = build()
    yield Method(
        f"Mitsuba {mitsuba.__version__} (LLVM)",
        lambda: cast(build()),
        lambda: cast(build()).reshape(view.size),
        lambda: cast(scene),
    )


def measure(function: Callable[[], object], seconds: float) -> tuple[float, float]:
    """Minimum and median milliseconds over some `seconds`, after two calls to warm up."""
    function()
    function()
    times = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 5:
        start = time.perf_counter()
        function()
        times.append((time.perf_counter() - start) * 1e3)
    return min(times), statistics.median(times)


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def views() -> list[View]:
    import numpy as np
    import torch

    from dinar.body.model import BodyModel
    from dinar.camera import orbit

    model = BodyModel.open()
    with torch.no_grad():
        vertices = model(model.neutral()).vertices[0].float()
    middle = (vertices.amin(0) + vertices.amax(0)) / 2
    cameras = [orbit(middle, 20.0, 5.0, 3.9, (size, size)) for size in SIZES]
    faces = np.ascontiguousarray(model.faces.numpy(), np.int32)
    world = np.ascontiguousarray(vertices.numpy())
    return [View(world, camera.project(vertices)[None].contiguous(), faces, camera) for camera in cameras]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seconds", type=float, default=2.0, help="for each method and size")
    arguments = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[name] = str(arguments.threads)
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # idle torch threads would hold the others' cores
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

    import torch

    torch.set_num_threads(arguments.threads)
    rows: dict[str, list[str]] = {}
    missing: list[str] = []
    pictures = views()
    for view in pictures:
        expected = None
        for peer in (ours, with_warp, with_open3d, with_embree, with_mitsuba):
            try:
                methods = list(peer(view, arguments.threads))
            except ImportError as error:
                if view is pictures[0]:
                    missing.append(f"{peer.__name__.removeprefix('with_')} ({error})")
                continue
            for method in methods:
                low, middle = measure(method.draw, arguments.seconds)
                cell = f"{low:.1f} / {middle:.1f}"
                if method.again:
                    low, middle = measure(method.again, arguments.seconds)
                    cell += f" [{low:.1f} / {middle:.1f}]"
                same = ""
                if method.faces:
                    found = method.faces()
                    expected = found if expected is None else expected
                    same = f"{(found == expected).mean():.3%}"
                rows.setdefault(method.name, []).extend([cell, same])

    print(
        f"\n{len(pictures[0].faces)} triangles, {arguments.threads} threads, {processor()}, Python "
        f"{platform.python_version()}; milliseconds, minimum / median.\n"
    )
    print("| | " + " | ".join(f"{size} x {size} | same" for size in SIZES) + " |")
    print("|---" * (1 + 2 * len(SIZES)) + "|")
    for name, cells in rows.items():
        print(f"| {name} | " + " | ".join(cells) + " |")
    if missing:
        print("\nNot installed: " + "; ".join(missing) + ".")


if __name__ == "__main__":
    main()
