"""Protocols by their names, on the data that ship or on the user's own (section 4.3)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from dinar.data.hsrd import HSRD_PAGE
from dinar.data.importers import SNAPSHOT_PAGE, THUMAN2_PAGE
from dinar.errors import InputError
from dinar.evaluate.hsrd import Hsrd
from dinar.evaluate.photos import Photos
from dinar.evaluate.pose2sim import Pose2Sim
from dinar.evaluate.published import PeopleSnapshot, THuman2
from dinar.evaluate.rigged import VALID_PAGE, Rigged
from dinar.evaluate.sets import Sets
from dinar.synth.shards import Plan, write_shards

if TYPE_CHECKING:
    from dinar.evaluate.cases import Cases
    from dinar.progress import Progress

SHIPPED = Path(__file__).parent / "data"   # small sets for those who have no data yet (tools/build_sets.py)
PUBLISHED = {"people-snapshot": PeopleSnapshot, "thuman2": THuman2, "hsrd": Hsrd}
MADE_PEOPLE, MADE_SEED = 48, 1000   # of the made-up people that nothing is trained on

_WHERE = {
    "synthetic": "without it eight people that ship are taken, and dinar synth makes more",
    "valid": f"without it twelve people that ship are taken, and more are to be had at {VALID_PAGE}",
    "photos": "it is the folder of your photos",
    "people-snapshot": f"ask for People-Snapshot at {SNAPSHOT_PAGE}",
    "thuman2": f"ask for THuman2.0 at {THUMAN2_PAGE}",
    "hsrd": f"HSRD-100 is to be had at {HSRD_PAGE}",
}


def opened(
    name: str,
    data: Path | None,             # None: the people that ship, for "synthetic" and "valid"
    made: Path,
    *,
    people: int,
    views: int,
    fitted: bool = False,
    masks: Path | None = None,     # of "photos": true masks, by the photos' names
    progress: Progress | None = None,
) -> Cases:
    """A protocol on its data; of assets made-up people are made first, in the folder `made`.

    Raises InputError where the data are missing or of another kind.
    """
    if masks is not None and name != "photos":
        raise InputError("--masks are those of photos; other protocols bring their own")
    if name == "pose2sim":
        if data is not None:
            raise InputError("pose2sim fetches its videos itself; it takes no --data")
        return Pose2Sim(people)
    if data is None:
        if not (SHIPPED / name).is_dir():
            raise InputError(f"{name} needs --data; {_WHERE[name]}")
        return Sets(name, SHIPPED / name, people, views, fitted)
    if not data.exists():
        raise InputError(f"{data}, given as --data, does not exist; {_WHERE[name]}")
    if name == "photos":
        return Photos(data, people, masks)
    if name in PUBLISHED:
        return PUBLISHED[name](data, people)
    if name == "valid" and not any(data.glob("*.tar")):
        if fitted:
            raise InputError("--fitted takes shards; dinar synth --rigged makes such of rigged people")
        return Rigged(data, people, views)
    if name == "synthetic" and not any(data.glob("*.tar")):
        plan = Plan(min(people, MADE_PEOPLE), views=8, seed=MADE_SEED)
        write_shards(data, made, plan, workers=os.cpu_count() or 1, progress=progress)
        data = made
    return Sets(name, data, people, views, fitted)
