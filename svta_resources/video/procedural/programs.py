"""Every motion program: importing the modules registers them."""

from svta_resources.video.procedural import (
    acts_accidents,
    acts_body,
    acts_chores,
    acts_everyday,
    acts_fire,
    acts_mishaps,
    acts_sports,
    acts_theft,
    acts_vehicles,
    acts_violence,
    acts_walking,
)
from svta_resources.video.procedural.shot import PROGRAMS

MODULES = (
    acts_accidents,
    acts_body,
    acts_chores,
    acts_everyday,
    acts_fire,
    acts_mishaps,
    acts_sports,
    acts_theft,
    acts_vehicles,
    acts_violence,
    acts_walking,
)

__all__ = ["MODULES", "PROGRAMS"]
