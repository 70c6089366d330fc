from __future__ import annotations

import torch

from dinar.avatar import open_body
from dinar.camera import framing
from dinar.evaluate import regions


def test_clothes_end_at_neck_and_wrists() -> None:
    model = open_body()
    body = model.neutral()
    camera = framing(model.template, 0.0, 0.0, (256, 256))
    region = regions.clothed(model, body, camera)
    joints = camera.project(model(body).joints[0])

    def there(bone: str) -> bool:
        x, y = joints[model.humanoid[bone], :2].round().int().tolist()
        return bool(region[y, x])

    assert there("hips") and there("leftLowerLeg") and there("rightLowerArm")
    assert not there("head") and not there("leftMiddleProximal")


def test_the_trunk_has_no_limbs() -> None:
    model = open_body()
    camera = framing(model.template, 180.0, 0.0, (256, 256))
    region = regions.trunk(model, model.neutral(), camera)
    joints = camera.project(model(model.neutral()).joints[0])
    inside = {}
    for bone in ("spine", "upperChest", "head", "leftLowerArm", "rightLowerLeg"):
        x, y = joints[model.humanoid[bone], :2].round().int().tolist()
        inside[bone] = bool(region[y, x])
    assert inside == {"spine": True, "upperChest": True, "head": False, "leftLowerArm": False, "rightLowerLeg": False}


def test_the_band_around_a_head_holds_hair_and_no_shoulders() -> None:
    model = open_body()
    camera = framing(model.template, 0.0, 0.0, (256, 256))
    band = regions.around_head(model, model.neutral(), camera)
    share = regions.share_of(model, regions.HEAD)
    head, rest = regions.seen(model, model.neutral(), camera, share, 1 - share)
    assert bool(band[head].all()) and not (band & rest).any()
    top = int(head.any(1).nonzero()[0])
    height = int(head.any(1).sum())
    column = int(head.any(0).nonzero().float().mean())
    assert band[top - round(0.4 * height), column] and not band[top - round(0.6 * height), column]
    assert int(band.sum()) > 2 * int(head.sum())
    far = framing(model.template * 8, 0.0, 0.0, (64, 64))       # a person as small as a thumb
    assert regions.around_head(model, model.neutral(), far) is None


def test_a_cube_holds_its_part() -> None:
    model = open_body()
    for bones in (("head",), ("leftFoot", "rightFoot")):
        points = model.template[regions.share_of(model, bones) > 0.5]
        corners = regions.cube_about(model, model.template, bones, 1.2)
        assert corners.shape == (8, 3)
        assert bool((corners.amin(0) < points.amin(0)).all()) and bool((corners.amax(0) > points.amax(0)).all())
        sides = corners.amax(0) - corners.amin(0)
        torch.testing.assert_close(sides, torch.full((3,), 1.2 * float((points.amax(0) - points.amin(0)).max())))
