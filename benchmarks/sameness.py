"""Whether photos show one person: `python benchmarks/sameness.py [FOLDER PERSON=PREFIX...]`.

The pictures are those of FOLDER, or without one five views each of the people that ship for evaluation. Who is on a
photo of FOLDER is told by how its name begins: PERSON=PREFIX; each other photo shows somebody else. Of all pairs of
one person and of two: how many faces and clothes are compared, how many say that these are two people, and how far
apart they are.
"""

from __future__ import annotations

import argparse
import tempfile
from itertools import combinations
from pathlib import Path

import dinar  # noqa: F401  # isort: skip (before torch: threads that wait shall sleep)
import numpy as np

from dinar import images
from dinar.errors import InputError
from dinar.evaluate.protocols import SHIPPED
from dinar.evaluate.sets import Sets
from dinar.photo.photo import Photo, look
from dinar.photo.recognition import cosine_distance, face_features, load_face
from dinar.photo.sameness import DIFFERENT, OTHER_FACE, clothes, face_points
from dinar.store import Store

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
VIEWS = 5


def own(folder: Path, named: list[str], store: Store) -> list[tuple[str, Photo]]:
    """The photos of a folder, and whom they show."""
    known = dict(reversed(pair.split("=", 1)) for pair in named)
    found = []
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in SUFFIXES:
            person = next((known[start] for start in known if path.name.startswith(start)), path.name)
            try:
                found.append((person, look(path, store=store)))
            except InputError as error:
                print(f"left out: {error}")
    return found


def shipped(name: str, store: Store) -> list[tuple[str, Photo]]:
    """Pictures of the people that ship, as photos of them would be read."""
    people, found = Sets(name, SHIPPED / name, 1_000_000, 8, False), []
    with tempfile.TemporaryDirectory() as scratch:
        for person in people.people:
            targets = [target for target in people.case(person).targets if target.kind == "person"][:VIEWS]
            for target in targets:
                path = Path(scratch) / f"{person}-{target.name}.png"
                images.save(path, target.view.image)
                try:
                    found.append((person, look(path, store=store)))
                except InputError:
                    continue
    return found


def compared(people: list[tuple[str, Photo]], store: Store) -> None:
    """Prints the table's rows."""
    network = load_face(store)
    points = [face_points(photo) for _, photo in people]
    seen = zip(people, points, strict=True)
    faces = [None if p is None else face_features(network, photo.image, p) for (_, photo), p in seen]
    worn = [clothes(photo) for _, photo in people]
    rows: dict[str, list[list[float]]] = {"one person": [[], []], "two people": [[], []]}
    for a, b in combinations(range(len(people)), 2):
        row = rows["one person" if people[a][0] == people[b][0] else "two people"]
        if faces[a] is not None and faces[b] is not None:
            row[0].append(cosine_distance(faces[a], faces[b]))
        if halves := worn[a].keys() & worn[b].keys():
            row[1].append(max(float(np.linalg.norm(worn[a][half] - worn[b][half])) for half in halves))
    for who, distances in rows.items():
        for what, found, limit in zip(("faces", "clothes"), distances, (OTHER_FACE, DIFFERENT), strict=True):
            other = sum(distance > limit for distance in found)
            ranges = f"{min(found):.2f} to {max(found):.2f}" if found else ""
            print(f"| {who} | {what} | {len(found)} | {other} | {ranges} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("people", nargs="*", metavar="PERSON=PREFIX")
    args = parser.parse_args()
    store = Store()
    sets = [str(args.folder)] if args.folder else ["synthetic", "valid"]
    for name in sets:
        people = own(args.folder, args.people, store) if args.folder else shipped(name, store)
        print(f"\n{name}: {len(people)} pictures of {len({person for person, _ in people})} people\n")
        print("| pairs of | by | compared | told two people | distances |\n|---|---|---|---|---|")
        compared(people, store)


if __name__ == "__main__":
    main()
