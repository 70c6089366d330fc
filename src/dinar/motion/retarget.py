"""A motion put on a body: rotations carried over bone by bone, feet kept on the ground."""

from __future__ import annotations

import math

import roma
import torch
from torch import Tensor

from dinar.body.model import Body, BodyModel
from dinar.motion import feet
from dinar.motion.humanoid import PARENT, nearest_parent, t_pose_alignment
from dinar.motion.motion import Motion

FLESH = 0.03    # metres of body below a joint


def apply(motion: Motion, model: BodyModel, shape: Tensor) -> Body:
    """The body of every frame of a motion (T frames as the batch).

    shape  [S]

    Bone k of a body at rest is turned by A_k to lie as in the T-pose (`humanoid.t_pose_alignment`); with the motion's
    global rotation G_k its own global rotation is G_k A_k. Bones that the motion does not name, and joints that are no
    humanoid bone, follow their parent, save that spine and neck share their bend over the joints in between, that upper
    arms, forearms and thighs spread their twist, and that all toes bend with the big one.

    Hips move in proportion to the body's own hip height. The ground is y = 0: a sole close to it is set on it, so that
    other proportions than the motion's neither float nor sink; while the motion travels, the hips go as far as the
    standing foot pushes, and the legs give the few millimetres that are left, so that feet do not slide.
    """
    shape = shape.detach()
    vertices, joints = (x[0].detach() for x in model.rest(shape[None]))
    bones = {bone: j for bone, j in model.humanoid.items() if bone in PARENT}
    alignment = t_pose_alignment({bone: joints[j] for bone, j in bones.items()})

    local = _local_rotations(motion, model, joints, bones, alignment)                 # [T, J, 3, 3]
    rotations, points = _forward(local, model.parents, joints)
    hips = bones["hips"]
    soles = [s for s in (_sole(vertices, joints, bones, side) for side in ("left", "right")) if s]
    stand = _standing_height(joints, bones, alignment, soles)
    translation = motion.hips.to(joints) * stand - points[:, hips]
    contact = torch.stack([_sole_points(s, rotations, points, joints) for s in soles], dim=1)   # [T, feet, N, 3]
    lowest = torch.minimum(contact[..., 1].amin(dim=(1, 2)), _lowest_of_the_rest(points, model.parents, bones))
    translation = translation + feet.ground(lowest + translation[:, 1])
    translation = translation + feet.follow(contact + translation[:, None, None], translation, motion.fps)
    at, standing = points + translation[:, None], contact + translation[:, None, None]
    for k, side in enumerate(side for side in ("left", "right") if f"{side}Foot" in bones):
        leg = tuple(bones[f"{side}{part}"] for part in ("UpperLeg", "LowerLeg", "Foot"))
        local = feet.hold(local, rotations, at, standing[:, k], leg, model.parents, motion.fps)

    count = len(motion)
    pose = roma.rotmat_to_rotvec(local)
    expression = torch.zeros(count, len(model.expression_names)).to(shape)
    return Body(shape.expand(count, -1), pose, expression, translation)


def _local_rotations(motion: Motion, model: BodyModel, joints: Tensor, bones: dict[str, int], alignment) -> Tensor:
    """Local rotations of all joints [T, J, 3, 3]."""
    count, parents = len(motion), model.parents
    identity = torch.eye(3).to(joints).expand(count, 3, 3)
    own = {bone: roma.rotvec_to_rotmat(motion.rotations[:, k].to(joints)) for k, bone in enumerate(motion.names)}
    posed: dict[str, Tensor] = {}                   # global rotation of the motion's bones, T-pose-relative
    for bone in PARENT:
        if bone in own:
            parent = nearest_parent(bone, set(own))
            posed[bone] = own[bone] if parent is None else posed[parent] @ own[bone]
        elif bone.endswith(("Foot", "Toes")) and PARENT[bone] in posed:
            posed[bone] = posed[PARENT[bone]]                   # level under a straight leg, not as at rest

    bone_of = {j: bone for bone, j in bones.items() if bone in posed}
    local = identity[:, None].repeat(1, len(parents), 1, 1)
    world: list[Tensor] = []
    for j, parent in enumerate(parents):
        above = world[parent] if parent >= 0 else identity
        if j in bone_of:
            world.append(posed[bone_of[j]] @ alignment[bone_of[j]])
            local[:, j] = above.transpose(-1, -2) @ world[j]
        else:
            world.append(above)
    for j, bone in bone_of.items():
        between = _between(j, parents, set(bone_of))
        if not between:
            continue
        if bone in ("spine", "chest", "upperChest", "neck", "head"):
            share = roma.rotvec_to_rotmat(roma.rotmat_to_rotvec(local[:, j]) / (len(between) + 1))
            for joint in (j, *between):
                local[:, joint] = share
        elif bone.endswith(("LowerArm", "LowerLeg")):
            top = between[-1]                                                   # the child of the upper limb's joint
            limb = parents[top]
            _, twist = _swing_twist(local[:, limb], joints[j] - joints[limb])
            half = roma.rotvec_to_rotmat(roma.rotmat_to_rotvec(twist) / 2)
            local[:, limb] = local[:, limb] @ half.transpose(-1, -2)
            local[:, top] = half
        elif bone.endswith("Hand"):
            top = between[-1]
            twist, _ = _twist_swing(local[:, j], joints[j] - joints[parents[top]])
            half = roma.rotvec_to_rotmat(roma.rotmat_to_rotvec(twist) / 2)
            local[:, top] = half
            local[:, j] = half.transpose(-1, -2) @ local[:, j]
    for side in ("left", "right"):
        toes = bones.get(f"{side}Toes")
        if toes is not None and f"{side}Toes" in posed:
            for j, parent in enumerate(parents):
                if parent == parents[toes] and j not in bone_of:
                    local[:, j] = local[:, toes]
    return local


def _between(joint: int, parents: tuple[int, ...], stops: set[int]) -> list[int]:
    """The joints between `joint` and the next one above it that is in `stops`, from below."""
    between, j = [], parents[joint]
    while j >= 0 and j not in stops:
        between.append(j)
        j = parents[j]
    return between if j >= 0 else []


def _swing_twist(rotation: Tensor, axis: Tensor) -> tuple[Tensor, Tensor]:
    """rotation [T, 3, 3] = swing @ twist, where twist turns about `axis` [3]."""
    axis = torch.nn.functional.normalize(axis, dim=0)
    q = roma.rotmat_to_unitquat(rotation)                                       # x y z w
    angle = 2 * torch.atan2(q[:, :3] @ axis, q[:, 3])
    angle = torch.remainder(angle + torch.pi, 2 * torch.pi) - torch.pi
    twist = roma.rotvec_to_rotmat(axis * angle[:, None])
    return rotation @ twist.transpose(-1, -2), twist


def _twist_swing(rotation: Tensor, axis: Tensor) -> tuple[Tensor, Tensor]:
    """rotation [T, 3, 3] = twist @ swing, where twist turns about `axis` [3]."""
    swing, twist = _swing_twist(rotation.transpose(-1, -2), axis)
    return twist.transpose(-1, -2), swing.transpose(-1, -2)


def _forward(local: Tensor, parents: tuple[int, ...], joints: Tensor) -> tuple[Tensor, Tensor]:
    """Global rotations [T, J, 3, 3] and joint positions [T, J, 3], the first joint at its rest position."""
    rotations: list[Tensor] = []
    points: list[Tensor] = []
    for j, parent in enumerate(parents):
        if parent < 0:
            rotations.append(local[:, j])
            points.append(joints[j].expand(len(local), 3))
        else:
            rotations.append(rotations[parent] @ local[:, j])
            points.append(points[parent] + rotations[parent] @ (joints[j] - joints[parent]))
    return torch.stack(rotations, dim=1), torch.stack(points, dim=1)


def _sole(vertices: Tensor, joints: Tensor, bones: dict[str, int], side: str) -> list[tuple[int, Tensor]]:
    """(joint, rest point [3]) of the sole's outline: eight points and the lowest one, on the foot and on the toes."""
    foot = bones.get(f"{side}Foot")
    if foot is None:
        return []
    toes = bones.get(f"{side}Toes", foot)
    near = (vertices[:, 0] * joints[foot, 0] > 0) & (vertices[:, 1] < vertices[:, 1].min() + 0.03)
    if not near.any():
        return [(foot, joints[foot])]
    sole = vertices[near]
    front = sole[:, 2] > joints[toes, 2] if toes != foot else torch.zeros(len(sole), dtype=torch.bool)
    points = []
    for joint, part in ((foot, sole[~front]), (toes, sole[front])):
        around = [(math.sin(k * math.pi / 4), -0.5, math.cos(k * math.pi / 4)) for k in range(8)]
        directions = [*around, (0.0, -1.0, 0.0)]
        points += [(joint, part[(part @ part.new_tensor(d)).argmax()]) for d in directions if len(part)]
    return points


def _sole_points(sole: list[tuple[int, Tensor]], rotations: Tensor, points: Tensor, joints: Tensor) -> Tensor:
    """Posed points of a sole [T, N, 3]."""
    return torch.stack([points[:, j] + rotations[:, j] @ (rest - joints[j]) for j, rest in sole], dim=1)


def _standing_height(joints: Tensor, bones: dict[str, int], alignment: dict[str, Tensor], soles) -> float:
    """Height of the hips over the soles in the T-pose, metres."""
    height = torch.zeros(3).to(joints)
    for above, below in (("hips", "leftUpperLeg"), ("leftUpperLeg", "leftLowerLeg"), ("leftLowerLeg", "leftFoot")):
        height = height + alignment[above] @ (joints[bones[below]] - joints[bones[above]])
    foot = bones["leftFoot"]
    sole = min((alignment["leftFoot"] @ (rest - joints[foot]))[1] for _, rest in soles[0])
    return -float(height[1] + sole)


def _lowest_of_the_rest(points: Tensor, parents: tuple[int, ...], bones: dict[str, int]) -> Tensor:
    """Height [T] of the body below its joints [T, J, 3], feet apart: a hand or a seat may be what stands."""
    feet = {bones[f"{side}Foot"] for side in ("left", "right") if f"{side}Foot" in bones}
    for j, parent in enumerate(parents):
        if parent in feet:
            feet.add(j)
    rest = [j for j in range(len(parents)) if j not in feet]
    return points[:, rest, 1].amin(1) - FLESH
