"""Where avatars go, several of one person among them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dinar.commands.values import within

if TYPE_CHECKING:
    from dinar.avatar import Avatar
    from dinar.progress import Progress


def paths_of(out: Path, count: int) -> list[Path]:
    """Where that many avatars go: me.zip, me-2.zip, ... Raises InputError where one cannot be written."""
    from dinar.avatar import check_output
    from dinar.files import check_file

    within("--seeds", count, 1, 64)
    paths = [out, *(out.with_name(f"{out.stem}-{k}{out.suffix}") for k in range(2, count + 1))]
    for path in paths:
        check_output(path)
    if count > 1:
        check_file(sheet_of(out))
    return paths


def sheet_of(out: Path) -> Path:
    return out.with_name(f"{out.stem}-backs.png")


def save_all(avatars: Sequence[Avatar], paths: Sequence[Path], progress: Progress) -> list[Path]:
    """Writes avatars, and of several a picture of their backs, first to last from the left; the files."""
    import torch

    from dinar import images
    from dinar.avatar import PREVIEW, composed

    out = paths[0]
    with progress.stage("save"):
        for avatar, path in zip(avatars, paths, strict=True):
            avatar.save(path)
        files = [*paths] if out.is_file() else [*paths, out / PREVIEW]
        if len(avatars) > 1:
            white = torch.ones(3)
            backs = [composed(avatar.view("back", (512, 320)), white) for avatar in avatars]
            images.save(sheet_of(out), torch.cat(backs, dim=2))
            files.append(sheet_of(out))
    return files
