from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from evaluate.conftest import Shelf
from evaluate.networks import feature_network, mean_network
from perceptual.pairs import at_hand

from dinar import presets
from dinar.avatar import open_body
from dinar.errors import InputError
from dinar.evaluate import journal, plan, report, rows, run, tables, work
from dinar.evaluate.cases import Cases
from dinar.evaluate.metrics import Judges, kid
from dinar.evaluate.plan import Plan
from dinar.evaluate.rows import Drawer, Material, Row
from dinar.evaluate.sets import Sets
from dinar.inpainting.inpainter import Inpainter
from dinar.networks.appearance import Appearance

TINY = presets.TINY


def planned(shards: Path, names: tuple[str, ...] = ("texture",), most: int = 2, **options: object) -> Plan:
    return Plan(Sets("synthetic", shards, most), names, **{"walk": False, "face": False} | options)


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_killed_and_continued_it_ends_the_same(shards: Path, judges: Judges, tmp_path: Path) -> None:
    whole = run.run(planned(shards), tmp_path / "whole", store=Shelf())
    assert {(r.person, r.target) for r in whole.results} == {(f"000{p}", f"view00{v}") for p in "01" for v in "0123"}
    part = tmp_path / "part"
    run.run(planned(shards, most=1), part, store=Shelf())
    with (part / journal.RESULTS).open("a") as file:
        file.write('{"person": "0001", "target": "vie')         # the disk's last word before the plug was pulled
    continued = run.run(planned(shards), part, store=Shelf())
    assert continued == whole and content(part) == content(tmp_path / "whole")
    untouched = {path: path.stat().st_mtime_ns for path in part.rglob("*.webp")}
    assert run.run(planned(shards), part, store=Shelf()) == whole
    assert untouched == {path: path.stat().st_mtime_ns for path in part.rglob("*.webp")}     # nothing was done twice


def test_a_second_run_writes_the_same_bytes(shards: Path, judges: Judges, tmp_path: Path) -> None:
    for name in "ab":
        wanted = planned(shards, most=1)
        found = run.run(wanted, tmp_path / name, store=Shelf())
        report.write(found, wanted.cases, tmp_path / name, "dinar evaluate synthetic")
    first, second = content(tmp_path / "a"), content(tmp_path / "b")
    assert first == second and {report.REPORT, report.TABLES, journal.RESULTS} < set(first)


def test_rows_are_added_to_earlier_ones(shards: Path, judges: Judges, tmp_path: Path) -> None:
    run.run(planned(shards, ("mean-colour",), 1), tmp_path / "a", store=Shelf())
    later = run.run(planned(shards, ("texture",), 1), tmp_path / "a", store=Shelf())
    once = run.run(planned(shards, ("texture", "mean-colour"), 1), tmp_path / "b", store=Shelf())
    assert later == once and [r.row for r in later.results] == ["texture"] * 4 + ["mean-colour"] * 4
    kept = journal.features_of(tmp_path / "a", "0000")
    assert {f"{row}/view000" for row in ("texture", "mean-colour", "truth")} <= set(kept)


def test_other_settings_and_other_files_are_not_mixed(shards: Path, judges: Judges, tmp_path: Path) -> None:
    run.run(planned(shards, most=1), tmp_path / "a", store=Shelf())
    other = Plan(Sets("synthetic", shards, 1, views=1), ("texture",), walk=False, face=False)
    with pytest.raises(InputError, match="other views"):
        run.run(other, tmp_path / "a", store=Shelf())
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(InputError, match="holds other files"):
        run.run(planned(shards), tmp_path / "mine", store=Shelf())
    (tmp_path / "a" / journal.RESULTS).write_text("{}\n")
    with pytest.raises(InputError, match="damaged"):
        run.run(planned(shards), tmp_path / "a", store=Shelf())


def test_the_users_networks_have_their_columns(shards: Path, judges: Judges, tmp_path: Path) -> None:
    weights = np.random.default_rng(0).normal(size=(2048, 3))
    network = feature_network(tmp_path / "inception.onnx", weights)
    found = run.run(planned(shards, inception=network), tmp_path / "a", store=Shelf())
    (table, *_) = report.tables(found, tmp_path / "a")
    assert [c.measure.label for c in table.columns][-2:] == ["KID-VGG16", "KID"]
    features = [journal.features_of(tmp_path / "a", person) for person in ("0000", "0001")]
    sets = [torch.stack([f[f"inception/{row}/view000"] for f in features]) for row in ("texture", journal.TRUTH)]
    assert sets[0].shape == (2, 2048) and table.rows[0][1][-1].mean == pytest.approx(1000 * kid(*sets))
    with pytest.raises(InputError, match="other inception"):
        run.run(planned(shards), tmp_path / "a", store=Shelf())
    other = mean_network(tmp_path / "mean.onnx", (1, 3, 299, 299))
    with pytest.raises(InputError, match="gives 3 features; FID's Inception gives 2048"):
        run.run(planned(shards, inception=other), tmp_path / "b", store=Shelf())


@dataclass(frozen=True)
class Networks:
    """As much of trained weights as rows below look at."""

    name: str


def counted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Two rows, one of which needs weights; who is made how is noted in the list."""
    made: list[tuple[str, str]] = []

    def row(name: str, *, neural: bool) -> Row:
        def make(m: Material) -> Drawer:
            made.append((name, f"{float(m.view.body.shape[0, 0]):.1f}"))
            return m.plain(m.texture.rgb)

        return Row(name, "a row", make, neural=neural)

    both = (row("by-hand", neural=False), row("by-network", neural=True))
    for module in (rows, plan, journal, tables):
        monkeypatch.setattr(module, "ROWS", both)
    return made


def test_other_weights_redo_their_rows_alone(
    shards: Path, judges: Judges, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = counted(monkeypatch)
    wanted = planned(shards, ("by-hand", "by-network"), 1)
    for weights in ("first", "second", "second"):
        for module in (plan, work):
            monkeypatch.setattr(module, "networks", lambda _, weights=weights: Networks(weights))
        found = run.run(wanted, tmp_path / "a", store=Shelf())
    assert [name for name, _ in made] == ["by-hand", "by-network", "by-network"]
    assert found.settings["weights"] == "second" and {r.row for r in found.results} == {"by-hand", "by-network"}
    monkeypatch.setattr(plan, "networks", lambda _: Networks("third"))
    later = run.run(replace(wanted, rows=("by-hand",)), tmp_path / "a", store=Shelf())
    assert later == found and len(made) == 3            # a run without weights leaves those of others alone


def test_other_data_redo_their_people_alone(
    shards: Path, judges: Judges, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = counted(monkeypatch)
    run.run(planned(shards, ("by-hand",)), tmp_path / "a", store=Shelf())
    assert made == [("by-hand", "0.5"), ("by-hand", "-0.5")]
    whole = Sets.digest
    monkeypatch.setattr(Sets, "digest", lambda self, person: whole(self, person) + "x" * (person == "0001"))
    run.run(planned(shards, ("by-hand",)), tmp_path / "a", store=Shelf())
    assert made[2:] == [("by-hand", "-0.5")]
    monkeypatch.setattr(plan, "source_digest", lambda **_: "another program")
    run.run(planned(shards, ("by-hand",)), tmp_path / "a", store=Shelf())
    assert len(made) == 5


def test_a_digest_follows_what_a_row_is_made_of() -> None:
    kinds = [(False, False), (True, False), (True, True)]
    digests = [plan.source_digest(neural=neural, paints=paints) for neural, paints in kinds]
    assert len(set(digests)) == 3


class Half(Sets):
    """Half of the people are no use."""

    def case(self, person: str):
        if person == "0000":
            raise InputError("nobody is there")
        return super().case(person)


def test_who_cannot_be_measured_is_listed(shards: Path, judges: Judges, tmp_path: Path) -> None:
    cases: Cases = Half("synthetic", shards)
    found = run.run(Plan(cases, ("texture",), walk=False, face=False), tmp_path / "a", store=Shelf())
    assert found.failures == (journal.Failure("0000", "nobody is there"),)
    assert {r.person for r in found.results} == {"0001"}
    report.write(found, cases, tmp_path / "a", "dinar evaluate")
    assert "nobody is there" in (tmp_path / "a" / report.TABLES).read_text()
    none = run.run(
        Plan(Half("synthetic", shards, 1), ("texture",), walk=False, face=False), tmp_path / "b", store=Shelf()
    )
    with pytest.raises(InputError, match="nobody is there"):
        report.write(none, cases, tmp_path / "b", "dinar evaluate")


def swapped(m: Material) -> Drawer:
    return m.plain(m.painted.flip(1))


def shifted(m: Material) -> Drawer:
    return m.plain(m.painted.roll(m.size // 20, 3))


def test_a_broken_avatar_is_caught(
    shards: Path, judges: Judges, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = (Row("swapped", "colour channels swapped", swapped), Row("shifted", "texture moved by 5 %", shifted))
    everything = (*rows.ROWS, *broken)
    for module in (rows, plan, journal, tables):
        monkeypatch.setattr(module, "ROWS", everything)
    names = ("texture", "texture-holes", "swapped", "shifted")
    found = run.run(planned(shards, names), tmp_path / "a", store=Shelf())
    made = {table.group.name: table for table in report.tables(found, tmp_path / "a")}
    assert set(made) == {"same view", "new view and pose", "back"}
    for name, table in made.items():
        values = {row: dict(zip([c.key for c in table.columns], cells, strict=True)) for row, cells in table.rows}
        for row in names[1:]:
            # holes are not seen from the photo's camera, and what is made up behind is wrong with or without a shift
            if (name, row) in (("same view", "texture-holes"), ("back", "shifted")):
                continue
            sound, wrong = values["texture"], values[row]
            assert wrong["psnr"].mean < sound["psnr"].mean - 1, (name, row)                    # dB
            assert 1 - wrong["ms_ssim"].mean > 1.1 * (1 - sound["ms_ssim"].mean), (name, row)
            assert wrong["lpips"].mean > 1.1 * sound["lpips"].mean, (name, row)
        assert name != "new view and pose" or table.best([c.key for c in table.columns].index("psnr")) == "texture"


def test_every_row_draws_somebody(shards: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    parts = {"encoder": presets.build_encoder, "generator": presets.build_generator, "renderer": presets.build_renderer}
    networks = Appearance.named("tiny", **{name: build(TINY) for name, build in parts.items()})
    for network in (networks.encoder, networks.generator, networks.renderer):
        network.eval()
    painters = presets.build_autoencoder(TINY).eval(), presets.build_denoiser(TINY).eval()
    painter = Inpainter.named("tiny", networks.name, *painters)
    case = Sets("synthetic", shards).case("0000")
    source, target = case.targets[1].view, case.source      # the arms hang before the trunk: the detector has work
    seen = {}
    for row in rows.ROWS:
        # refinement has its own tests, and would take a minute; without layers two rows are the same (test_rows)
        if row.name.endswith("+tuning") or row.name.startswith("without") or row.name == "texture-front":
            continue
        material = Material(source, open_body(), networks if row.neural else None, size=128)
        material = replace(material, inpainter=painter if row.paints else None)
        drawn = row.make(material)(target.body, target.camera)
        assert drawn.rgb.shape == (1, 3, *target.camera.size) and drawn.rgb.isfinite().all()
        seen[row.name] = drawn.over(0.5)
    names = list(seen)
    for i, name in enumerate(names):
        for other in names[:i]:
            assert not torch.equal(seen[name], seen[other]), (name, other)


def test_rows_are_chosen_by_name() -> None:
    assert [row.name for row in rows.chosen("system", neural=False)] == ["texture-body", "texture"]
    assert [row.name for row in rows.chosen("telea,texture,telea", neural=False)] == ["telea", "texture"]
    assert len(rows.chosen("all", neural=True, paints=True)) == len(rows.ROWS)
    table_2 = ("rgb-only", "neural-only", "both", "both+inpainting", "neural+inpainting", "neural+inpainting+tuning")
    ablation = [row.name for row in rows.chosen("ablation", neural=True, paints=True)]
    assert [name for name in ablation if name in table_2] == list(table_2)
    assert [row.name for row in rows.chosen("layouts", neural=False)] == ["texture-front", "texture-anny"]
    baselines = [row.name for row in rows.chosen("baselines", neural=False)]
    assert baselines == ["mirrored-front", "telea", "mean-colour", "texture"]
    with pytest.raises(InputError, match="rows ablation need trained weights"):
        rows.chosen("ablation", neural=False)
    names = [row.name for row in rows.chosen("system", neural=True)]
    assert names == ["texture-body", "texture", "neural"]
    whole = [*names, "neural+inpainting", "neural+inpainting+tuning"]
    assert [row.name for row in rows.chosen("system", neural=True, paints=True)] == whole
    with pytest.raises(InputError, match="weights of the inpainting"):
        rows.chosen("neural+inpainting", neural=True)
    with pytest.raises(InputError, match="no row is called sharper"):
        rows.chosen("sharper", neural=True)
    with pytest.raises(InputError, match="needs trained weights"):
        rows.chosen("neural", neural=False)


def test_a_walk_flickers_more_when_colours_jump(shards: Path, judges: Judges, monkeypatch: pytest.MonkeyPatch) -> None:
    from dinar.evaluate import walk

    monkeypatch.setattr(walk, "SECONDS", 0.5)
    monkeypatch.setattr(walk, "SIDE", 96)
    case = Sets("synthetic", shards).case("0000")
    material = Material(case.source, open_body(), size=64)
    steady, count = material.plain(material.painted), 0

    def jumping(body, camera):
        nonlocal count
        count += 1
        return material.plain(material.painted * (0.6 if count % 2 else 1.0))(body, camera)

    shape = case.source.body.shape[0]
    calm, nervous = (walk.flicker(judges.alex, walk.pairs(d, material.model, shape)) for d in (steady, jumping))
    assert count == 2 * 2 and 0 < calm < nervous / 1.5


def test_the_number_of_processes_changes_nothing(shards: Path, tmp_path: Path) -> None:
    at_hand(*work.WEIGHTS)
    for workers in (1, 2):
        run.run(planned(shards), tmp_path / str(workers), workers=workers)
    assert content(tmp_path / "1") == content(tmp_path / "2")


def test_a_cluster_changes_nothing(shards: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="needs Ray (extra: cluster)")
    at_hand(*work.WEIGHTS)
    run.run(planned(shards, most=1), tmp_path / "here")
    run.run(planned(shards, most=1), tmp_path / "there", cluster="local")
    assert content(tmp_path / "here") == content(tmp_path / "there")


def test_lines_come_back_as_they_went(shards: Path, judges: Judges, tmp_path: Path) -> None:
    found = run.run(planned(shards, most=1), tmp_path / "a", store=Shelf())
    settings, lines = journal.read_lines(tmp_path / "a" / journal.RESULTS)
    results = [line for line in lines if isinstance(line, journal.Result)]
    assert settings == found.settings and len(results) == 4
    assert [(line.person, line.row) for line in lines if isinstance(line, journal.Done)] == [("0000", "texture")]
    written = [json.loads(line) for line in (tmp_path / "a" / journal.RESULTS).read_text().splitlines()]
    first = next(entry for entry in written if "scores" in entry)
    assert "face" not in first["scores"] and math.isnan(results[0].scores.face)
