"""Build the motion clips that ship with dinar: walk, turn, wave and dance, all of them made from formulas.

    python tools/build_clips.py [FOLDER]

No recorded motion goes in. Feet are placed where they stand, on the proportions of the open body, and legs reach them
by two-bone inverse kinematics, so that nothing slides; trunk, arms and head follow sine curves of the period of gait
or music. Angles are typical values of gait analysis (step length, pelvic list and rotation, heel rise at toe-off);
left arms swing with right legs. Lengths are in units of the hips' height; a clip's last frame leads into its first.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.interpolate import CubicSpline, PchipInterpolator
from scipy.spatial.transform import Rotation

from dinar.body.model import BodyModel
from dinar.motion.humanoid import PARENT, nearest_parent
from dinar.motion.motion import Motion

FPS = 30
CLIPS = Path(__file__).parents[1] / "src" / "dinar" / "motion" / "clips"
SIDES = {"left": 1.0, "right": -1.0}
TAU = 2 * np.pi


@dataclass(frozen=True)
class Legs:
    """Lengths of the open body in the T-pose, in units of its hips' height over the ground.

    hip    [3]  hips -> left hip joint
    thigh, shin
    ankle  height of the ankle over the sole
    ball   [3]     left ankle -> joint of the toes
    toe    how far the toes reach beyond their joint
    sole   [N, 3]  left ankle -> points of the foot's sole, without the toes
    """

    hip: np.ndarray
    thigh: float
    shin: float
    ankle: float
    ball: np.ndarray
    toe: float
    sole: np.ndarray

    @classmethod
    def measure(cls) -> Legs:
        model = BodyModel.open()
        vertices, joints = (x[0].double().numpy() for x in model.rest(model.neutral().shape))
        at = {bone: joints[j] for bone, j in model.humanoid.items()}
        hip = at["leftUpperLeg"] - at["hips"]
        thigh = float(np.linalg.norm(at["leftLowerLeg"] - at["leftUpperLeg"]))
        shin = float(np.linalg.norm(at["leftFoot"] - at["leftLowerLeg"]))
        ground = vertices[:, 1].min()
        ankle = at["leftFoot"][1] - ground
        sole = vertices[(vertices[:, 0] > 0) & (vertices[:, 1] < ground + 0.02)]
        height = thigh + shin + ankle - hip[1]
        ball, toe = at["leftToes"] - at["leftFoot"], sole[:, 2].max() - at["leftToes"][2]
        sole = sole[sole[:, 2] < at["leftToes"][2]] - at["leftFoot"]
        return cls(*(x / height for x in (hip, thigh, shin, ankle, ball, toe, sole)))


def turn(axis: str, degrees: np.ndarray | float, count: int) -> Rotation:
    """`count` rotations about the world's x, y or z."""
    return Rotation.from_euler(axis, np.broadcast_to(degrees, (count,))[:, None], degrees=True)


def share(rotation: Rotation, parts: int) -> Rotation:
    return Rotation.from_rotvec(rotation.as_rotvec() / parts)


def mix(a: Rotation, b: Rotation, weight: np.ndarray) -> Rotation:
    """From a (weight 0) to b (weight 1) on the short way."""
    return a * Rotation.from_rotvec((a.inv() * b).as_rotvec() * weight[:, None])


def smooth(x: np.ndarray) -> np.ndarray:
    """0 below 0, 1 above 1, level at both."""
    x = np.clip(x, 0, 1)
    return x * x * x * (10 - 15 * x + 6 * x * x)


def reach(legs: Legs, side: str, hips: np.ndarray, pelvis: Rotation, ankle: np.ndarray, front: np.ndarray):
    """Global rotations of thigh and shin whose ankle comes to `ankle` [T, 3]; the knee bends towards `front` [T, 3]."""
    root = hips + pelvis.apply(legs.hip * [SIDES[side], 1, 1])
    way = ankle - root
    distance = np.linalg.norm(way, axis=1)
    longest = (legs.thigh + legs.shin) * 0.9995
    if distance.max() > longest:
        raise ValueError(f"{side} leg too short by {distance.max() - longest:.4f} at frame {distance.argmax()}")
    along = way / distance[:, None]
    forward = front - along * (front * along).sum(1, keepdims=True)
    forward /= np.linalg.norm(forward, axis=1, keepdims=True)
    foot = (legs.thigh**2 - legs.shin**2 + distance**2) / (2 * distance)        # of the knee's height over `way`
    knee = root + along * foot[:, None] + forward * np.sqrt(legs.thigh**2 - foot**2)[:, None]
    return _limb(root - knee, forward), _limb(knee - ankle, forward)


def _limb(up: np.ndarray, front: np.ndarray) -> Rotation:
    """The rotations whose Y lies along `up` [T, 3] and whose Z is as close to `front` as can be."""
    y = up / np.linalg.norm(up, axis=1, keepdims=True)
    x = np.cross(y, front)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return Rotation.from_matrix(np.stack([x, y, np.cross(x, y)], axis=2))


def arm(side: str, forward, outward, inward_twist, elbow, count: int) -> tuple[Rotation, Rotation]:
    """Local rotations of a hanging arm's upper arm (swing forward and outward, twist inward) and forearm (flexion)."""
    s = SIDES[side]
    hang = turn("z", -s * (90 - np.asarray(outward, float)), count)
    upper = turn("x", -np.asarray(forward, float), count) * hang * turn("x", inward_twist, count)
    return upper, turn("y", -s * np.asarray(elbow, float), count)


def relaxed_hand(side: str, count: int) -> dict[str, Rotation]:
    """Fingers in a light curl, more so towards the little finger."""
    pose = {f"{side}Hand": turn("x", 0, count)}
    for finger, strength in (("Index", 0.75), ("Middle", 0.95), ("Ring", 1.1), ("Little", 1.2)):
        for phalanx, angle in (("Proximal", 20), ("Intermediate", 26), ("Distal", 14)):
            pose[f"{side}{finger}{phalanx}"] = turn("z", -SIDES[side] * angle * strength, count)
    return pose


def trunk(pelvis: Rotation, chest: Rotation, head: Rotation) -> dict[str, Rotation]:
    """Local rotations of spine, neck and head between the global rotations of pelvis, upper chest and head."""
    bend, nod = share(pelvis.inv() * chest, 3), share(chest.inv() * head, 2)
    return {"hips": pelvis, "spine": bend, "chest": bend, "upperChest": bend, "neck": nod, "head": nod}


def leg_pose(legs: Legs, hips, pelvis, ankle: dict, foot: dict, toes: dict, front) -> dict[str, Rotation]:
    """Local rotations of the legs for global ankles, feet and toes."""
    pose = {}
    for side in SIDES:
        thigh, shin = reach(legs, side, hips, pelvis, ankle[side], front)
        pose[f"{side}UpperLeg"] = pelvis.inv() * thigh
        pose[f"{side}LowerLeg"] = thigh.inv() * shin
        pose[f"{side}Foot"] = shin.inv() * foot[side]
        pose[f"{side}Toes"] = foot[side].inv() * toes[side]
    return pose


def motion(pose: dict[str, Rotation], hips: np.ndarray) -> Motion:
    """A Motion; rotations are rounded so that the file is small."""
    names = tuple(bone for bone in PARENT if bone in pose)
    assert all(nearest_parent(n, set(names)) == PARENT[n] for n in names if PARENT[n])
    rotations = np.stack([np.round(pose[n].as_rotvec(), 4) for n in names], axis=1)
    return Motion(names, torch.tensor(rotations, dtype=torch.float32), torch.tensor(np.round(hips, 5)).float(), FPS)


# walk

CYCLE = 32                # frames of two steps: 1.07 s, 112 steps a minute
CYCLES = 3
STRIDE = 1.20             # hip heights a cycle
FLAT, RISE, OFF = 0.11, 0.36, 0.63      # share of the cycle: the foot lies flat, the heel rises, the toes leave


def walk(legs: Legs) -> Motion:
    count = CYCLE * CYCLES
    phase = np.arange(count) / CYCLE                                    # 0: left heel strikes; 0.5: right heel strikes
    wave = TAU * phase
    ankle, foot, toes = {}, {}, {}
    for side, offset in (("left", 0.0), ("right", 0.5)):
        ankle[side], foot[side], toes[side] = _step(legs, side, phase - offset)
        ankle[side][:, 2] += STRIDE * offset
    sway = 0.020 * np.cos(wave - TAU * 0.30)                            # towards the standing leg
    bob = 0.017 * np.cos(2 * (wave - TAU * 0.31))                       # highest over it
    ahead = 0.006 * np.sin(2 * (wave - TAU * 0.05))
    hips = np.stack([sway, 0.968 + bob, STRIDE * (phase - 0.232) + ahead], axis=1)
    pelvis = turn("y", -6 * np.cos(wave), count) * turn("z", 3.5 * np.cos(wave - TAU * 0.15), count)
    pelvis = pelvis * turn("x", 2, count)
    chest = turn("y", 6 * np.cos(wave - 0.2), count) * turn("z", -1.2 * np.cos(wave - TAU * 0.2), count)
    chest = chest * turn("x", 3 + 0.8 * np.cos(2 * wave), count)
    head = turn("y", 1.5 * np.cos(wave), count) * turn("x", 1 - 0.8 * np.cos(2 * wave), count)
    pose = trunk(pelvis, chest, head)
    pose |= leg_pose(legs, hips, pelvis, ankle, foot, toes, np.tile([0.0, 0.0, 1.0], (count, 1)))
    for side, offset in (("left", 0.0), ("right", np.pi)):
        swing = -np.cos(wave + offset - 0.15)                           # backwards while this side's heel strikes
        upper, fore = arm(side, 3 + 22 * swing, 10 + 1.5 * swing, 4, 22 + 13 * -np.cos(wave + offset - 0.45), count)
        pose |= {f"{side}UpperArm": upper, f"{side}LowerArm": fore, **relaxed_hand(side, count)}
        pose[f"{side}Shoulder"] = turn("y", -SIDES[side] * 3 * swing, count)
        pose[f"{side}Hand"] = turn("z", -SIDES[side] * 4 * np.sin(wave + offset), count)
    return motion(pose, hips - [0, 0, hips[0, 2]])


def _step(legs: Legs, side: str, phase: np.ndarray):
    """Ankle [T, 3], global foot and toes of one leg; `phase` counts this leg's heel strikes.

    The foot rolls over the heel, lies flat, rolls over the joint of the toes, and swings to the next heel strike.
    """
    pitch_curve = PchipInterpolator(
        [0, FLAT, RISE, 0.50, OFF - 0.02, OFF + 0.06, 0.80, 0.92, 1.0],
        [-20, 0, 0, 13, 46, 50, 6, -18, -20],
    )                                                                   # degrees, positive: toes down
    ball = legs.ball * [SIDES[side], 1, 1]
    heel = legs.sole[turn("x", -8, 1).apply(legs.sole)[:, 1].argmin()] * [SIDES[side], 1, 1]
    stand = np.array([SIDES[side] * 0.072, legs.ankle, 0.0])            # the ankle while the foot lies flat

    def stance(p: np.ndarray) -> np.ndarray:
        pivot = np.where((p < RISE)[:, None], heel, ball)
        roll = turn("x", pitch_curve(p), len(p))
        ankle = stand + pivot - roll.apply(pivot)
        lowest = [r.apply(legs.sole)[:, 1].min() for r in roll]
        ankle[:, 1] = np.where(p < FLAT, -np.array(lowest), ankle[:, 1])                # the heel is round
        return ankle

    count, cycle, p = len(phase), np.floor(phase), phase - np.floor(phase)
    step = 1e-4
    leave, land = stance(np.array([OFF]))[0], stance(np.array([0.0]))[0] + [0, 0, STRIDE]
    leave_speed = (leave - stance(np.array([OFF - step]))[0]) / step
    land_speed = (stance(np.array([step]))[0] + [0, 0, STRIDE] - land) / step
    leave_speed[1] += 0.6                                              # the toes come free at once
    middle = (leave + land) / 2 + [SIDES[side] * 0.008, 0, 0]
    middle[1] = legs.ankle + 0.085
    swing = CubicSpline(
        [OFF, 0.79, 1.0], np.stack([leave, middle, land]), bc_type=((1, leave_speed), (1, land_speed * 0.3))
    )
    ankle = np.where((p < OFF)[:, None], stance(p), swing(p))
    ankle[:, 2] += STRIDE * cycle
    pitch = pitch_curve(p)
    # toes hang down with the foot as far as the ground leaves them room
    room = ankle[:, 1] + turn("x", pitch, count).apply(ball)[:, 1] - legs.ankle - ball[1]
    room = np.clip(room / legs.toe, 0, 0.9) * smooth((p - OFF) / 0.3)
    toes = np.minimum(pitch, np.degrees(np.arcsin(room)))
    return ankle, turn("x", pitch, count), turn("x", toes, count)


# standing clips

def standing(legs: Legs, hips: np.ndarray, pelvis: Rotation, width: float = 0.085) -> dict[str, Rotation]:
    """Legs of a person who stands with both feet flat, `width` to each side."""
    count = len(hips)
    ankle = {s: np.tile([sign * width, legs.ankle, 0.0], (count, 1)) for s, sign in SIDES.items()}
    out = {s: turn("y", sign * 5, count) for s, sign in SIDES.items()}
    return leg_pose(legs, hips, pelvis, ankle, out, out, np.tile([0.0, 0.0, 1.0], (count, 1)))


def turn_about(legs: Legs) -> Motion:
    """A full turn on the spot in a relaxed A-pose, two breaths."""
    count = 4 * FPS
    time = np.arange(count) / count
    breath = np.sin(TAU * 2 * time)
    still = turn("x", 0, count)
    hips = np.tile([0.0, 0.985, 0.0], (count, 1)) + 0.002 * breath[:, None] * [0, 1, 0]
    pose = trunk(still, turn("x", -1.2 * breath, count), still)
    pose |= standing(legs, hips, still)
    for side in SIDES:
        upper, fore = arm(side, 2, 22 + 0.8 * breath, 10, 14, count)
        pose |= {f"{side}UpperArm": upper, f"{side}LowerArm": fore, **relaxed_hand(side, count)}
        pose[f"{side}Shoulder"] = turn("z", SIDES[side] * 1.0 * breath, count)
    pose["hips"] = turn("y", 360 * time, count)
    return motion(pose, hips)


def wave(legs: Legs) -> Motion:
    """The right arm goes up, the hand waves, the arm comes down; the weight shifts a little to the other leg."""
    count = 4 * FPS
    time = np.arange(count) / FPS
    up = smooth(time / 0.8) * smooth((4 - time) / 0.8)
    beat = np.sin(TAU * 1.9 * (time - 0.6)) * smooth((time - 0.45) / 0.4) * smooth((3.55 - time) / 0.4)
    breath = np.sin(TAU * time / 2)
    hips = np.stack([0.014 * up, 0.984 + 0.0015 * breath, np.zeros(count)], axis=1)
    pelvis = turn("z", 1.2 * up, count)
    chest = turn("y", 3 * up, count) * turn("z", 2.5 * up + 0.8 * beat, count) * turn("x", -0.8 * breath, count)
    head = turn("y", -2 * up, count) * turn("z", -3.5 * up + 0.6 * beat, count)
    pose = trunk(pelvis, chest, head) | standing(legs, hips, pelvis)
    for side in SIDES:
        upper, fore = arm(side, 2, 11, 15, 16 + breath, count)
        pose |= {f"{side}UpperArm": upper, f"{side}LowerArm": fore, **relaxed_hand(side, count)}
        pose[f"{side}Shoulder"] = turn("z", SIDES[side] * 0.6 * breath, count)
    # raised: the upper arm out and a little forward, turned outwards so that the elbow bends upwards, palm to the front
    raised = turn("y", 18, count) * turn("z", 13 - 4 * beat, count) * turn("x", -88, count)
    pose["rightUpperArm"] = mix(pose["rightUpperArm"], raised, up)
    pose["rightLowerArm"] = turn("y", 16 + (86 * up) + 21 * beat, count)
    pose["rightHand"] = turn("y", -9 * np.roll(beat, 2), count)
    pose["rightShoulder"] = pose["rightShoulder"] * turn("z", -9 * up, count)
    for bone in [b for b in pose if b.startswith("right") and b.endswith(("Proximal", "Intermediate", "Distal"))]:
        pose[bone] = mix(pose[bone], share(pose[bone], 4), up)          # the hand opens
    return motion(pose, hips)


def dance(legs: Legs) -> Motion:
    """Step and close, left and right, at 120 beats a minute; arms low for four beats, then high for four."""
    count = 4 * FPS
    time = np.arange(count) / FPS
    beats = 2 * time                                                    # a beat is half a second
    side_wave = -np.cos(TAU * beats / 4)                                # -1: both feet on the right, +1: on the left
    bounce = np.cos(TAU * beats)                                        # 1 on the beat
    place = {"left": _side_steps(beats, 0, 3), "right": _side_steps(beats, 1, 2)}
    ankle, foot, toes = {}, {}, {}
    for s, sign in SIDES.items():
        x, lift = place[s]
        ball = legs.ball * [sign, 1, 1]
        flat = turn("y", sign * 8, count)
        foot[s], toes[s] = flat * turn("x", 24 * lift, count), flat * turn("x", 12 * lift, count)
        ankle[s] = np.stack([sign * 0.085 + 0.13 * x, legs.ankle + 0.05 * lift, np.zeros(count)], axis=1)
        ankle[s] += flat.apply(ball) - foot[s].apply(ball)              # it is the ball of the foot that is lifted
    hips = np.stack([0.13 * side_wave, 0.948 - 0.018 * bounce, -0.01 + 0.012 * bounce], axis=1)
    quick = np.sin(TAU * beats / 2)                                     # a hip swing every two beats
    pelvis = turn("y", 9 * quick, count) * turn("z", 5 * side_wave + 2 * quick, count) * turn("x", 4, count)
    chest = turn("y", -9 * quick, count) * turn("z", -5 * side_wave, count) * turn("x", 3 + 3 * bounce, count)
    head = turn("y", 5 * side_wave, count) * turn("z", 3 * side_wave, count) * turn("x", 2 + 4 * bounce, count)
    pose = trunk(pelvis, chest, head)
    pose |= leg_pose(legs, hips, pelvis, ankle, foot, toes, np.tile([0.0, 0.0, 1.0], (count, 1)))
    high = smooth((beats - 3.6) / 0.9) * smooth((8 - beats) / 0.9)
    for s, sign in SIDES.items():
        own = np.clip(sign * side_wave, -1, 1)
        low_upper, low_fore = arm(s, 12 + 20 * sign * quick, 18 + 5 * bounce, 6, 80 - 18 * sign * quick, count)
        out = 10 - 24 * own                                             # below the horizontal; the leading arm rises
        high_upper = turn("y", -sign * 22, count) * turn("z", -sign * (out + 5 * bounce), count) * turn("x", -75, count)
        high_fore = turn("y", -sign * (72 - 22 * own + 7 * bounce), count)
        pose[f"{s}UpperArm"] = mix(low_upper, high_upper, high)
        pose[f"{s}LowerArm"] = mix(low_fore, high_fore, high)
        pose |= relaxed_hand(s, count)
        pose[f"{s}Hand"] = turn("z", -sign * 8 * bounce, count)
        pose[f"{s}Shoulder"] = turn("z", sign * (6 * high + 2 * bounce), count)
    return motion(pose, hips)


def _side_steps(beats: np.ndarray, to_left: int, to_right: int) -> tuple[np.ndarray, np.ndarray]:
    """Where a foot is (-1 right, 1 left) and how high it is lifted (0..1), if it moves on these beats of four."""
    beat = beats % 4
    left, right = (beat - to_left - 0.1) / 0.8, (beat - to_right - 0.1) / 0.8
    x = -1 + 2 * (smooth(left) - smooth(right))
    lift = sum(np.where((m > 0) & (m < 1), np.sin(np.pi * np.clip(m, 0, 1)) ** 2, 0) for m in (left, right))
    return x, lift


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else CLIPS
    legs = Legs.measure()
    for name, make in {"walk": walk, "turn": turn_about, "wave": wave, "dance": dance}.items():
        clip = make(legs)
        clip.save(folder / f"{name}.npz")
        size = (folder / f"{name}.npz").stat().st_size
        print(f"{name}: {len(clip)} frames, {clip.seconds:.2f} s, {size / 1024:.0f} KB")


if __name__ == "__main__":
    main()
