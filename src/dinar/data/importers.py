"""Other people's data sets in the folders they are published in; nothing is unpickled and nothing converted first."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path

import av
import numpy as np
import roma
import torch
from torch import Tensor

from dinar import images
from dinar.body.uv import UVLayout
from dinar.camera import Camera, framing
from dinar.errors import InputError
from dinar.images import from_bytes
from dinar.texture.drawing import Rendering, draw
from dinar.unpickling import numpy_arrays

SNAPSHOT_PAGE = "https://graphics.tu-bs.de/people-snapshot"
THUMAN2_PAGE = "https://github.com/ytrock/THuman2.0-Dataset"


@dataclass(frozen=True)
class Snapshot:
    """Somebody of People-Snapshot who turns round once in A-pose.

    `folder` holds <its name>.mp4, masks.hdf5 (masks [N, H, W], 1 on the person) and reconstructed_poses.hdf5 (pose
    [N, 72], trans [N, 3] of SMPL in the camera's axes: x right, y down, z forward). camera.pkl is not read.
    """

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @cached_property
    def frontality(self) -> np.ndarray:
        """Cosine between where the person faces and where the camera is, for each frame that has a mask: [N]."""
        with _hdf5(self.folder / "reconstructed_poses.hdf5") as file:
            pose, place = (_entry(file, name, self.folder) for name in ("pose", "trans"))
        with _hdf5(self.folder / "masks.hdf5") as file:
            frames = len(file["masks"]) if "masks" in file else 0
        if pose.ndim != 2 or pose.shape[1] != 72 or place.shape != (len(pose), 3):
            raise InputError(f"{self.folder / 'reconstructed_poses.hdf5'} is damaged: its arrays have other shapes")
        ahead = roma.rotvec_to_rotmat(torch.from_numpy(pose[:, :3].astype(np.float64)))[:, :, 2].numpy()
        cosine = -(ahead * place).sum(1) / np.maximum(np.linalg.norm(place, axis=1), 1e-9)
        if not frames:
            raise InputError(f"{self.folder / 'masks.hdf5'} has no masks")
        return cosine[:frames]                # published poses outnumber the frames by one

    def frame(self, number: int) -> tuple[Tensor, Tensor]:
        """The picture [3, H, W] and the mask [1, H, W] of a frame."""
        with _hdf5(self.folder / "masks.hdf5") as file:
            masks = file.get("masks")
            if masks is None or masks.ndim != 3 or not 0 <= number < len(masks):
                raise InputError(f"{self.folder / 'masks.hdf5'} has no mask of frame {number}")
            mask = torch.from_numpy(np.asarray(masks[number], np.float32))[None]
        path = self.folder / f"{self.name}.mp4"
        try:
            with av.open(str(path)) as video:
                found = next(islice(video.decode(video=0), number, None), None)
                picture = None if found is None else found.to_ndarray(format="rgb24")
        except (OSError, av.FFmpegError) as error:
            raise InputError(f"{path} cannot be read; People-Snapshot is to be had at {SNAPSHOT_PAGE}") from error
        if picture is None or picture.shape[:2] != mask.shape[1:]:
            raise InputError(f"{path} does not go with its masks at frame {number}")
        return from_bytes(picture), (mask / mask.amax().clamp(min=1)).clamp(0, 1)


def snapshots(data: Path) -> list[Snapshot]:
    """The people of People-Snapshot in `data` (people_snapshot_public, or the folder around it).

    Raises InputError where there are none; it names the page where to ask.
    """
    for top in (data, data / "people_snapshot_public"):
        found = [Snapshot(path.parent) for path in sorted(top.glob("*/masks.hdf5")) if _has_video(path.parent)]
        if found:
            return found
    raise InputError(
        f"{data} holds no People-Snapshot (folders like female-1-casual with a video, masks.hdf5 and "
        f"reconstructed_poses.hdf5); ask for it at {SNAPSHOT_PAGE}"
    )


def _has_video(folder: Path) -> bool:
    return (folder / f"{folder.name}.mp4").is_file()


def _hdf5(path: Path):
    try:
        import h5py
    except ImportError as error:
        raise InputError("People-Snapshot needs h5py; install it with dinar's extra 'datasets'") from error
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise InputError(f"{path} is missing or damaged; People-Snapshot is to be had at {SNAPSHOT_PAGE}") from error


def _entry(file, name: str, folder: Path) -> np.ndarray:
    if name not in file:
        raise InputError(f"{folder / 'reconstructed_poses.hdf5'} is damaged: it has no '{name}'")
    return np.asarray(file[name], np.float64)


@dataclass(frozen=True)
class Scan:
    """A scan of THuman2.0: <number>/<number>.obj and material0.jpeg.

    folder  the scan's
    fit     smplx_param.pkl of the same person, for where it faces; only its array global_orient is taken from the bytes
    """

    folder: Path
    fit: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @cached_property
    def azimuth(self) -> float:
        """Where the person faces, degrees from +Z towards +X."""
        try:
            turn = numpy_arrays(self.fit.read_bytes())["global_orient"].reshape(3)
        except (OSError, KeyError, ValueError) as error:
            raise InputError(f"{self.fit} is damaged or no smplx_param.pkl of THuman2.0") from error
        ahead = roma.rotvec_to_rotmat(torch.from_numpy(turn.astype(np.float64)))[:, 2]
        return math.degrees(math.atan2(float(ahead[0]), float(ahead[2])))

    def view(self, azimuth: float, side: int) -> tuple[Rendering, Camera]:
        """The person from `azimuth` degrees off the front (180: from behind), in side x side pixels."""
        vertices, faces, uv, uv_faces = self._mesh
        texture = images.load(self.folder / "material0.jpeg")
        nobody = torch.zeros(0)
        layout = UVLayout("scan", uv, uv_faces, nobody.long(), nobody)
        camera = framing(vertices, self.azimuth + azimuth, 0.0, (side, side))
        return draw(texture[None], vertices[None], faces, layout, camera), camera

    @cached_property
    def _mesh(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return read_obj(self.folder / f"{self.name}.obj")


def scans(data: Path) -> list[Scan]:
    """The scans of THuman2.0 in `data` (the folder that holds THuman2.0_Release and the SMPL-X fits).

    Raises InputError where there are none or fits are missing; it names the page where to ask.
    """
    found = [path.parent for path in sorted(data.glob("THuman2.0_Release/*/material0.jpeg"))]
    found = [folder for folder in found if (folder / f"{folder.name}.obj").is_file()]
    if not found:
        raise InputError(
            f"{data} holds no THuman2.0 (THuman2.0_Release with 0000/0000.obj, 0000/material0.jpeg, ...); ask for it "
            f"at {THUMAN2_PAGE}"
        )
    return [Scan(folder, _fit_of(data, folder.name)) for folder in found]


def _fit_of(data: Path, number: str) -> Path:
    places = (
        data / "THuman2.0_smplx" / f"{number}_smplx_param.pkl",
        data / "THuman2.0_smplx" / number / "smplx_param.pkl",
        data / "THuman2.0_smplx_params" / number / "smplx_param.pkl",
    )
    for path in places:
        if path.is_file():
            return path
    raise InputError(f"there is no {places[0]}; the SMPL-X fits of THuman2.0 are to be had at {THUMAN2_PAGE}")


def read_obj(path: Path) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """A textured Wavefront mesh: vertices [V, 3], faces [F, 3], uv [T, 2] with origin top left, uv_faces [F, 3].

    Polygons are cut into triangles. Raises InputError where it is damaged or has no texture coordinates.
    """
    rows: dict[str, list[list[float]]] = {"v": [], "vt": []}
    corners: list[tuple[int, int]] = []
    try:
        for kind, values in _lines(path):
            if kind in rows:
                rows[kind].append([float(value) for value in values[: 3 if kind == "v" else 2]])
            elif kind == "f":
                polygon = [tuple(int(part) for part in value.split("/")[:2]) for value in values]
                for i in range(1, len(polygon) - 1):
                    corners += (polygon[0], polygon[i], polygon[i + 1])
        vertices, uv = (torch.tensor(rows[kind], dtype=torch.float32) for kind in ("v", "vt"))
        index = torch.tensor(corners, dtype=torch.int64).reshape(-1, 3, 2)
        for number, count in enumerate((len(vertices), len(uv))):
            index[..., number] = torch.where(index[..., number] < 0, index[..., number] + count, index[..., number] - 1)
            if not len(index) or not 0 <= int(index[..., number].min()) <= int(index[..., number].max()) < count:
                raise ValueError("corners that are not there")
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        raise InputError(f"{path} is damaged or has no texture coordinates") from error
    return vertices, index[..., 0], torch.stack([uv[:, 0], 1 - uv[:, 1]], dim=1), index[..., 1]


def _lines(path: Path) -> Iterator[tuple[str, list[str]]]:
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            kind, *values = line.split() or [""]
            yield kind, values
