"""Poses and gaits of people; gaits follow from time alone."""

import math
from dataclasses import replace

from svta_resources.video.procedural.bodies import Pose
from svta_resources.video.procedural.pen import wave

STAND = Pose()
HANDS_UP = Pose(near_arm=(158, 20), far_arm=(-158, -20), near_leg=(6, 2), far_leg=(-6, 2))
AIM = Pose(lean=4, near_arm=(90, 0), far_arm=(84, 8), near_leg=(20, 8), far_leg=(-22, 4))
COWER = Pose(lean=48, head=24, near_arm=(150, 50), far_arm=(140, 60), near_leg=(52, 100), far_leg=(44, 96))
KNEEL = Pose(lean=6, near_arm=(20, 30), far_arm=(10, 30), near_leg=(8, 92), far_leg=(-4, 86))
CROUCH = Pose(lean=34, near_arm=(40, 30), far_arm=(24, 30), near_leg=(66, 104), far_leg=(44, 92))
SIT = Pose(lean=-4, near_arm=(22, 38), far_arm=(14, 42), near_leg=(84, 84), far_leg=(80, 80))
ON_BACK = Pose(roll=-90, near_arm=(24, 10), far_arm=(-24, 10), near_leg=(4, 4), far_leg=(-4, 2))
ON_FACE = Pose(roll=90, near_arm=(150, 20), far_arm=(130, 40), near_leg=(6, 6), far_leg=(-6, 14))
LOOK_ON = Pose(near_arm=(60, 110), far_arm=(52, 118), near_leg=(4, 2), far_leg=(-6, 2))


def walk(time_s: float, hertz: float = 1.0, stride: float = 27.0, lean: float = 3.0, arms: float = 26.0) -> Pose:
    """Walk: `stride` and `arms` are the swings in degrees."""
    swing, lift = wave(time_s, hertz), wave(time_s, hertz, 0.25)
    return Pose(
        lean=lean,
        near_leg=(stride * swing, 8 + 34 * max(0.0, lift)),
        far_leg=(-stride * swing, 8 + 34 * max(0.0, -lift)),
        near_arm=(-arms * swing, 14 + 10 * max(0.0, -swing)),
        far_arm=(arms * swing, 14 + 10 * max(0.0, swing)),
    )


def run(time_s: float, hertz: float = 1.7, lean: float = 20.0) -> Pose:
    """Run: far leaning, knees high, elbows bent, both feet off the ground between steps."""
    swing, lift = wave(time_s, hertz), wave(time_s, hertz, 0.25)
    return Pose(
        lean=lean,
        near_leg=(16 + 50 * swing, 24 + 74 * max(0.0, lift)),
        far_leg=(16 - 50 * swing, 24 + 74 * max(0.0, -lift)),
        near_arm=(-54 * swing, 88),
        far_arm=(54 * swing, 88),
        lift=0.05 * abs(lift),
    )


def limp(time_s: float, hertz: float = 0.9) -> Pose:
    """Limp: one leg stiff, the body drops over it at every step, a hand on the thigh."""
    swing = wave(time_s, hertz)
    drop = max(0.0, wave(time_s, hertz, 0.25))
    return Pose(
        lean=16 + 14 * drop,
        head=10,
        near_leg=(4 + 13 * swing, 0),
        far_leg=(6 - 27 * swing, 12 + 36 * (1 - drop)),
        near_arm=(24, 16),
        far_arm=(-22 + 26 * swing, 30),
    )


def stagger(time_s: float, hertz: float = 0.75) -> Pose:
    """Reel: the whole body tips from side to side, arms out for balance."""
    swing, tip = wave(time_s, hertz), wave(time_s, 0.6)
    return Pose(
        lean=8 + 17 * tip,
        head=18 * wave(time_s, 0.6, 0.2),
        near_leg=(30 * swing, 16 + 24 * max(0.0, wave(time_s, hertz, 0.25))),
        far_leg=(-34 * swing, 18),
        near_arm=(60 + 34 * tip, 40),
        far_arm=(-64 + 40 * tip, -18),
        roll=9 * tip,
    )


def shuffle(time_s: float) -> Pose:
    """Shuffle: bent over, tiny quick steps, feet on the ground, arms hanging in front."""
    swing = wave(time_s, 1.8)
    return Pose(
        lean=42,
        head=16,
        near_leg=(24 + 7 * swing, 30),
        far_leg=(22 - 7 * swing, 30),
        near_arm=(8 + 3 * swing, 6),
        far_arm=(2 - 3 * swing, 6),
    )


def crawl(time_s: float, hertz: float = 0.9) -> Pose:
    """Crawl on hands and knees."""
    swing = wave(time_s, hertz)
    return Pose(
        lean=82,
        head=-44,
        near_leg=(16 * swing, 92),
        far_leg=(-16 * swing, 92),
        near_arm=(-22 * swing + 8, 4),
        far_arm=(22 * swing + 8, 4),
    )


def sneak(time_s: float) -> Pose:
    """Tiptoe: deep knees, high slow steps, hands ready in front of the chest."""
    swing, lift = wave(time_s, 0.9), wave(time_s, 0.9, 0.25)
    return Pose(
        lean=30,
        head=-12,
        near_leg=(34 + 26 * swing, 62 + 30 * max(0.0, lift)),
        far_leg=(34 - 26 * swing, 62 + 30 * max(0.0, -lift)),
        near_arm=(44, 84),
        far_arm=(36, 96),
    )


def convulse(time_s: float, phase: float = 0.0) -> Pose:
    """Shake on the back: stiff arched body, limbs that jerk out of step several times a second."""

    def jerk(hertz: float, number: int) -> float:
        return wave(time_s, hertz, phase + number * 0.37) + 0.5 * wave(time_s, hertz * 1.7, phase + number * 0.61)

    return Pose(
        roll=-90 + 4 * jerk(5.1, 0),
        lean=-10 + 9 * jerk(4.4, 1),
        head=14 * jerk(5.6, 2),
        near_arm=(66 + 34 * jerk(4.7, 3), 46 + 26 * jerk(5.9, 4)),
        far_arm=(40 + 36 * jerk(5.3, 5), 60),
        near_leg=(38 + 24 * jerk(4.9, 6), 48 + 26 * jerk(5.2, 7)),
        far_leg=(16 + 22 * jerk(5.7, 8), 26),
    )


def dance(time_s: float, style: float) -> Pose:
    """Dance, seen from the front: hips sway, arms up, knees out; `style` 0..1 chooses arms and beat."""
    beat = 1.25 + 0.35 * style
    sway, bounce = wave(time_s, beat), abs(wave(time_s, beat, 0.25))
    high = 128 + 34 * sway if style < 0.5 else 96 + 54 * sway
    low = 128 - 34 * sway if style < 0.5 else 150 - 20 * sway
    return Pose(
        lean=13 * sway,
        head=-15 * sway,
        near_arm=(high, 32),
        far_arm=(-low, -32),
        near_leg=(24 + 13 * sway, 20 + 18 * bounce),
        far_leg=(-24 + 13 * sway, -20 - 18 * bounce),
        lift=0.05 * bounce,
    )


def talk(time_s: float, phase: float = 0.0) -> Pose:
    """Stand and speak with a hand."""
    return Pose(
        lean=2,
        head=5 * wave(time_s, 1.1, phase),
        near_arm=(30 + 18 * wave(time_s, 0.8, phase), 70 + 24 * wave(time_s, 1.0, phase)),
        far_arm=(-6, 12),
    )


def breathe(time_s: float, pose: Pose = STAND) -> Pose:
    """Keep a pose, but not quite still."""
    near, far = pose.near_arm, pose.far_arm
    shift = 3.0 * math.sin(2 * math.pi * 0.5 * time_s)
    return replace(pose, near_arm=(near[0] + shift, near[1]), far_arm=(far[0] - shift, far[1]), head=pose.head + shift)
