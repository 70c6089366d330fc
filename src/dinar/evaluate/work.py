"""What is done for one person: avatars are made, drawn as in the true pictures, and compared with them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
from torch import Tensor

from dinar import images
from dinar.avatar import open_body
from dinar.camera import framing
from dinar.errors import InputError
from dinar.evaluate import identity, outlines, parts, regions
from dinar.evaluate.cases import HEAD, PERSON, PHOTO_SIDE, Case, Target
from dinar.evaluate.ghost import ghost
from dinar.evaluate.journal import TRUTH, Failure, Ghost, Line, Outcome, Result, Walk
from dinar.evaluate.metrics import BACKGROUND, DIGITS, Judges, Seen
from dinar.evaluate.plan import Plan, networks, painter, parser
from dinar.evaluate.reid import Reidentification
from dinar.evaluate.rows import Drawer, Material
from dinar.evaluate.walk import flicker, pairs
from dinar.parts import BodyPart
from dinar.photo import parsing, recognition
from dinar.store import Store
from dinar.texture.drawing import Rendering

INCEPTION = "inception/"   # what names of features for KID on the user's network begin with
SIDE = 512                 # pixels of the longer side of a report's pictures at most
ERROR = 0.5                # mean difference of colours that is painted brightest
WEIGHTS = ("alexnet.safetensors", "vgg16.safetensors", "dists.safetensors")


@dataclass(frozen=True)
class Job:
    """What is missing of one person: the rows of `plan`."""

    plan: Plan
    person: str


@dataclass(frozen=True)
class Experts:
    """The networks that judge.

    judges     pictures
    face       SFace, None where faces are not compared
    reid       the user's network for re-identification, if there is any
    inception  the user's network for KID, if there is any
    """

    judges: Judges
    face: recognition.Network | None
    reid: Reidentification | None
    inception: recognition.Network | None


@dataclass(frozen=True)
class Truth:
    """A target as it is judged by, and what the networks see in it, so that they look at it once for all rows.

    image    float32 [3, H, W]  on the background
    hidden   bool [H, W]        pixels that do not count; None: all count
    clothed  bool [H, W]        the body without head and hands; None but for whole people
    head     bool [H, W]        around the head; None where there is none, or its outline is not to be judged
    seen     what the judges see in it
    points   float32 [5, 2]     where the face is (`identity.face_points`); None where it is not compared
    face     float32 [D]        what SFace sees there; None likewise
    reid     float32 [D]        what the user's network sees; None without one, and but for whole people
    parts    uint8 [H, W]       what each pixel shows (`parts.BodyPart`), as the set tells or the parser sees in whole
                                people; None where nobody tells
    """

    target: Target
    image: Tensor
    hidden: Tensor | None
    clothed: Tensor | None
    head: Tensor | None
    seen: Seen
    points: Tensor | None
    face: Tensor | None
    reid: Tensor | None
    parts: Tensor | None


def work(job: Job) -> Outcome:
    """All that is missing of one person."""
    plan, model = job.plan, open_body()
    try:
        case = plan.cases.case(job.person)
    except InputError as error:
        return Outcome(job.person, (Failure(job.person, str(error)),), {}, {})
    experts = _experts(plan)
    appearance = networks(plan.weights) if plan.neural else None
    inpainter = painter(plan.weights) if plan.paints else None
    material = Material(case.source, model, appearance, inpainter, parser())
    drawers = {row.name: row.make(material) for row in plan.chosen}
    lines: list[Line] = []
    features: dict[str, Tensor] = {}
    pictures = {"input.webp": _picture(case.source.image)}
    opposite: dict[str, dict[str, Rendering]] = {name: {} for name in drawers}

    def remember(name: str, seen: Seen) -> None:
        if seen.deep is None:
            return
        features[name] = seen.deep
        if experts.inception:
            features[INCEPTION + name] = identity.inception_features(experts.inception, seen.image)

    for target in case.targets:
        truth = _truth(target, experts)
        pictures[f"{target.name}.{TRUTH}.webp"] = _picture(truth.image)
        remember(f"{TRUTH}/{target.name}", truth.seen)
        for name, drawer in drawers.items():
            drawn = drawer(target.view.body, target.view.camera)
            if case.opposite and target.name in case.opposite:
                opposite[name][target.name] = drawn
            image = _without(drawn.over(BACKGROUND)[0], truth.hidden)
            seen = experts.judges.look(image, target.kind)
            scores = replace(experts.judges.compare(seen, truth.seen), **_more(experts, image, drawn.mask[0], truth))
            place = (round(target.azimuth, 1), target.same, target.moved)
            lines.append(Result(job.person, target.name, name, *place, scores.rounded(), target.kind))
            remember(f"{name}/{target.name}", seen)
            pictures[f"{target.name}.{name}.webp"] = _picture(image)
            pictures[f"{target.name}.{name}.error.webp"] = _picture(_error(image, truth.image))
    lines += _ghosts(case, drawers, opposite)
    if plan.walk:
        for name, drawer in drawers.items():
            moving = pairs(drawer, model, case.source.body.shape[0])
            lines.append(Walk(job.person, name, round(flicker(experts.judges.alex, moving), DIGITS)))
    return Outcome(job.person, tuple(lines), features, pictures)


def _truth(target: Target, experts: Experts) -> Truth:
    view, model = target.view, open_body()
    whole = target.kind == PERSON
    head = regions.around_head(model, view.body, view.camera) if whole else None
    hidden = head if target.faceless else None
    image = _without(view.image * view.mask + BACKGROUND * (1 - view.mask), hidden)
    clothed = regions.clothed(model, view.body, view.camera) if whole else None
    head = head if target.cut_out and not target.faceless else None
    seen = experts.judges.look(image, target.kind)
    points = face = None
    if experts.face and target.kind in (PERSON, HEAD) and not target.faceless:
        looks = identity.PROFILE if target.kind == HEAD else identity.LOOKS
        points = identity.face_points(model, view.body, view.camera, looks=looks)
        face = None if points is None else recognition.face_features(experts.face, image, points)
    reid = experts.reid.features(image, view.mask) if experts.reid and whole else None
    labels = target.parts
    if labels is None and whole and (found := parser()) is not None:
        labels = parsing.parse(found.network, view.image, view.mask)
    if labels is not None and hidden is not None:
        labels = labels.masked_fill(hidden, BodyPart.UNKNOWN)
    return Truth(target, image, hidden, clothed, head, seen, points, face, reid, labels)


def _more(experts: Experts, image: Tensor, mask: Tensor, truth: Truth) -> dict[str, float]:
    """The scores about outlines and about who it is, by their names; drawn are image [3, H, W] and mask [1, H, W]."""
    target, view = truth.target, truth.target.view
    found = {}
    if target.cut_out:
        found["outline"] = outlines.overlap(mask, view.mask, None if truth.hidden is None else ~truth.hidden)
        if truth.head is not None:
            found["outline_head"] = outlines.overlap(mask, view.mask, truth.head)
    if truth.clothed is not None:
        args = (image, mask, truth.image, view.mask, truth.clothed)
        found["clothing"] = identity.clothing_distance(*args)
    if truth.face is not None:
        seen = recognition.face_features(experts.face, image, truth.points)
        found["face"] = recognition.cosine_distance(seen, truth.face)
    if truth.parts is not None:
        found["strayed"] = parts.strayed(image, mask, truth.image, view.mask, truth.parts)
    if truth.reid is not None:
        found["reid"] = recognition.cosine_distance(experts.reid.features(image, mask), truth.reid)
    return {name: value for name, value in found.items() if not math.isnan(value)}


def _ghosts(case: Case, drawers: dict[str, Drawer], opposite: dict[str, dict[str, Rendering]]) -> list[Ghost]:
    """Of each row, drawn from in front and from behind; of the truth, where it was photographed so."""
    model = open_body()
    if case.opposite:
        views = [next(t.view for t in case.targets if t.name == name) for name in case.opposite]
        cameras, body = [view.camera for view in views], views[0].body
        sides = {name: [drawn[side] for side in case.opposite] for name, drawn in opposite.items()}
        sides[TRUTH] = [Rendering(view.image[None], view.mask[None]) for view in views]
    else:
        body = replace(model.neutral(), shape=case.source.body.shape)
        points = model(body).vertices[0]
        cameras = [framing(points, azimuth, 0.0, (PHOTO_SIDE, PHOTO_SIDE)) for azimuth in (0.0, 180.0)]
        sides = {name: [drawer(body, camera) for camera in cameras] for name, drawer in drawers.items()}
    trunks = tuple(regions.trunk(model, body, camera) for camera in cameras)
    found = []
    for name, (front, back) in sides.items():
        value = ghost(front.rgb[0], back.rgb[0], (front.mask[0], back.mask[0]), trunks)
        if not math.isnan(value):
            found.append(Ghost(case.person, name, round(value, DIGITS)))
    return found


def _without(image: Tensor, hidden: Tensor | None) -> Tensor:
    """A picture [3, H, W] with the background's grey where colours do not count."""
    return image if hidden is None else image.masked_fill(hidden, BACKGROUND)


def _error(image: Tensor, truth: Tensor) -> Tensor:
    """Mean difference of colours from black through red to white, [3, H, W]."""
    error = ((image - truth).abs().mean(0, keepdim=True) / ERROR).clamp(0, 1)
    painted = cv2.applyColorMap(images.to_bytes(error)[..., 0], cv2.COLORMAP_INFERNO)
    return images.from_bytes(painted[..., ::-1])


def _picture(image: Tensor) -> bytes:
    scale = min(1.0, SIDE / max(image.shape[-2:]))
    small = images.resize(image, tuple(max(1, round(side * scale)) for side in image.shape[-2:]))
    pixels = images.to_bytes(small)[..., ::-1]
    return cv2.imencode(".webp", pixels, [cv2.IMWRITE_WEBP_QUALITY, 85])[1].tobytes()


def _experts(plan: Plan) -> Experts:
    judges, face = _judges(plan.face)
    reid = Reidentification(plan.reid) if plan.reid else None
    return Experts(judges, face, reid, recognition.Network(plan.inception) if plan.inception else None)


@lru_cache(maxsize=1)
def _judges(face: bool) -> tuple[Judges, recognition.Network | None]:
    store = Store()
    return Judges.load(store), recognition.load_face(store) if face else None


def fetch(plan: Plan, store: Store) -> None:
    """Fetches what judging takes. Raises InputError where it is not to be had."""
    store.paths([*WEIGHTS, *([recognition.SFACE] if plan.face else [])])
