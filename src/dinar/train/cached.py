"""What is made of people once and kept on disk, for lessons that ask again and again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from dinar.data.dataset import MultiView
from dinar.errors import InputError
from dinar.files import atomic_file
from dinar.presets import Preset
from dinar.train.lessons import Tailor


class CachedPeople:
    """People of shards, and a folder with what is made of them.

    MARKER  file of the folder that says how its content is made
    OTHERS  what a folder holds that says anything else
    """

    MARKER: ClassVar[str]
    OTHERS: ClassVar[str]

    def __init__(self, places: Sequence[str | Path], cache: str | Path, preset: Preset, seed: int) -> None:
        self.places, self.cache, self.preset, self.seed = list(places), Path(cache), preset, seed
        self._digests: dict[int, str] = {}

    def claim(self, facts: dict[str, Any]) -> None:
        """Marks the folder as made so, or raises InputError where it is made otherwise."""
        marker = self.cache / self.MARKER
        if marker.exists():
            if json.loads(marker.read_text(encoding="utf-8")) != facts:
                raise InputError(f"{self.cache} holds {self.OTHERS}; give the name of a new folder")
        else:
            with atomic_file(marker) as temporary:
                temporary.write_text(json.dumps(facts, indent=1), encoding="utf-8")

    @cached_property
    def people(self) -> MultiView:
        return MultiView(*self.places, seed=self.seed)

    def digest(self, number: int) -> str:
        """Of all files of person `number`, which are read once."""
        if number not in self._digests:
            self._digests[number] = self.people.digest(number)
        return self._digests[number]

    @cached_property
    def tailor(self) -> Tailor:
        return Tailor(self.preset.colour_size)

    def __getstate__(self) -> dict:
        """A process that prepares lessons opens the files itself."""
        return {name: value for name, value in vars(self).items() if name not in ("people", "tailor")}
