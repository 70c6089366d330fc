from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

from dinar.data.dataset import MultiView
from dinar.errors import InputError
from dinar.synth import shards
from dinar.synth.shards import LABELS, MARKER, PEOPLE_A_SHARD, SHEET, Plan, make_sample, write_shards
from dinar.synth.wardrobe import Wardrobe

ASSETS = Path(__file__).parents[3] / "shared/assets"
needs_assets = pytest.mark.skipif(not (ASSETS / "makehuman_cc0").is_dir(), reason="needs ../shared/assets")
PLAN = Plan(people=2, views=3, seed=4, size=64)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A set of two people, made by two processes."""
    folder = tmp_path_factory.mktemp("set") / "shards"
    write_shards(ASSETS, folder, PLAN, workers=2)
    return folder


def _digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir() if path.is_file()}


@needs_assets
def test_what_a_set_holds(made):
    assert {path.name for path in made.iterdir()} == {"people-00000.tar", MARKER, SHEET, LABELS}
    with tarfile.open(made / "people-00000.tar") as tar:
        names = tar.getnames()
    files = [f"{k:03d}.{kind}" for k in range(3) for kind in ("image.jpg", "mask.png", "parts.png")]
    assert names == [f"{key}.{name}" for key in ("000000", "000001") for name in ["json", *files, "texels.png"]]


@needs_assets
def test_a_set_is_training_data(made):
    data = MultiView(made)
    assert len(data) == 2 and data.views(0) == 3
    for k in range(3):
        view = data.view(1, k)
        assert view.image.shape == (3, 64, 64) and 0.02 < view.mask.mean() < 0.6
        shown = view.parts > 0
        assert ((view.mask[0] > 0.51) <= shown).all() and (shown <= (view.mask[0] > 0.49)).all()
        from dinar.body.model import BodyModel

        body = BodyModel.open()(view.body).vertices
        x, y, _ = view.camera.project(body[0]).unbind(-1)
        inside = view.mask[0][y.long().clamp(0, 63), x.long().clamp(0, 63)] > 0.2
        assert inside.float().mean() > 0.85  # the body lies under the mask; clothes hide and shrink it a little
    texels = data.surface_parts(1)
    assert texels.shape == (256, 256) and {1, 2, 3} & set(texels.unique().tolist())
    assert data.pose_of(0, 0) != data.pose_of(0, 1)
    assert (data.view(0, 0).body.shape == data.view(0, 1).body.shape).all()


@needs_assets
def test_one_process_makes_the_same_set_as_two(made, tmp_path):
    write_shards(ASSETS, tmp_path / "again", PLAN, workers=1)
    assert _digests(tmp_path / "again") == _digests(made)


@needs_assets
def test_finished_shards_stay_and_other_sets_are_refused(made, monkeypatch):
    before = {path.name: path.stat().st_mtime_ns for path in made.glob("*.tar")}
    monkeypatch.setattr(shards, "one_thread_processes", None)
    write_shards(ASSETS, made, PLAN, workers=2)
    assert {path.name: path.stat().st_mtime_ns for path in made.glob("*.tar")} == before
    with pytest.raises(InputError, match="holds another set"):
        write_shards(ASSETS, made, Plan(2, 3, seed=5, size=64))


@needs_assets
def test_a_killed_run_is_resumed(made, tmp_path):
    """Killed in its first shard, a set has no shard; started again it becomes what it would have been."""
    out = tmp_path / "set"
    words = f"from pathlib import Path; from dinar.synth.shards import *; write_shards(Path({str(ASSETS)!r}), "
    words += f"Path({str(out)!r}), {PLAN!r}, workers=1)"
    program = subprocess.Popen([sys.executable, "-c", words], stderr=subprocess.DEVNULL)
    try:
        while program.poll() is None and not (out / MARKER).exists():
            time.sleep(0.02)
        program.send_signal(signal.SIGKILL)
    finally:
        program.kill()
        program.wait()
    assert not list(out.glob("*.tar"))
    write_shards(ASSETS, out, PLAN, workers=1)
    assert _digests(made).items() <= _digests(out).items()


@needs_assets
def test_people_differ_and_repeat():
    wardrobe = Wardrobe(ASSETS)
    plan = Plan(people=3, views=1, size=64)
    first, again, other = (make_sample(wardrobe, plan, k) for k in (0, 0, 1))
    assert first == again
    assert first[1][1] != other[1][1]


def test_what_a_plan_comes_to():
    assert [Plan(1, views).poses for views in (1, 2, 4, 8, 9)] == [1, 2, 2, 2, 3]
    assert Plan(PEOPLE_A_SHARD + 1, 1).shards == 2


def test_bad_folders(tmp_path):
    with pytest.raises(InputError, match="makehuman_cc0"):
        write_shards(tmp_path, tmp_path / "out", PLAN)
    assert not (tmp_path / "out").exists()
    (tmp_path / "file").write_text("x")
    for place, reason in ((tmp_path, "other files"), (tmp_path / "file", "is a file")):
        with pytest.raises(InputError, match=reason):
            shards._claim(place, PLAN)
