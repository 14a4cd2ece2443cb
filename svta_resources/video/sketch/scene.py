"""From a caption to a scene: plain word lists, no language model. What is not named is drawn from the clip's own
random numbers, so that nothing is always the same."""

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np

Colour = tuple[int, int, int]

SKINS: tuple[Colour, ...] = ((255, 219, 180), (224, 172, 125), (172, 115, 75), (120, 75, 45))


@dataclass(frozen=True)
class Person:
    """One person. `size` is relative to a grown-up."""

    clothing: Colour
    trousers: Colour
    skin: Colour
    hair: Colour
    size: float
    long_hair: bool


@dataclass(frozen=True)
class Scene:
    """What will be drawn. `action_from` tells whether the caption or the category hint gave the action."""

    action: str
    action_from: str
    people: tuple[Person, ...]
    place: str
    time: str
    weather: str
    camera: str
    vehicle_colour: Colour

    def to_dict(self) -> dict[str, Any]:
        """The parsed words, for the clip's provenance."""
        words = ("action", "action_from", "place", "time", "weather", "camera")
        return {**{name: getattr(self, name) for name in words}, "people": len(self.people)}


@lru_cache(maxsize=1)
def lexicon() -> dict[str, Any]:
    """The word lists of `lexicon.yaml`, compiled."""
    import yaml

    raw = yaml.safe_load((files(__package__) / "lexicon.yaml").read_text())
    compiled = {
        group: {name: _pattern(words) for name, words in raw[group].items()}
        for group in ("actions", "people", "places", "times", "weathers", "cameras")
    }
    names = "|".join(raw["colours"])
    return {**compiled, "colours": raw["colours"], "hints": raw["hints"], "colour": re.compile(rf"\b({names})\b")}


def _pattern(words: list[str]) -> re.Pattern[str]:
    return re.compile("|".join(rf"\b{re.escape(word)}" for word in sorted(map(str, words), key=len, reverse=True)))


def rng_for(caption: str, seed: int) -> np.random.Generator:
    """Random numbers of a clip: the same in any process for the same caption and seed."""
    digest = hashlib.sha256(f"{seed}\x1f{caption}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


def parse(caption: str, seed: int, category: str | None = None) -> Scene:
    """Read a caption; `category` is only asked when the caption names no action."""
    text, words, rng = caption.lower(), lexicon(), rng_for(caption, seed)
    action = _first(words["actions"], text)
    source = "caption" if action else "category" if category else "none"
    action = action or _hint(category, words["hints"], words["actions"])
    colours = [tuple(words["colours"][name]) for name in words["colour"].findall(text)]
    place = _first(words["places"], text) or _default_place(action, rng)
    return Scene(
        action=action,
        action_from=source,
        people=_people(text, words["people"], colours, rng),
        place=place,
        time=_first(words["times"], text) or "day",
        weather=_first(words["weathers"], text) or "clear",
        camera=_first(words["cameras"], text) or "level",
        vehicle_colour=colours[0] if colours else _pick(rng, list(words["colours"].values())),
    )


def _first(patterns: dict[str, re.Pattern[str]], text: str) -> str:
    return next((name for name, pattern in patterns.items() if pattern.search(text)), "")


def _hint(category: str | None, hints: dict[str, str], actions: dict[str, Any]) -> str:
    if not category:
        return "walking"
    slug = category.replace("-", "_")
    return hints.get(category) or (slug if slug in actions else hints.get(category.split("-")[0], "walking"))


def _default_place(action: str, rng: np.random.Generator) -> str:
    if action in ("car_crash", "car_hits_person", "outside_lane", "jaywalking", "traffic", "cycling"):
        return "road"
    if action in ("robbery", "shoplifting", "stealing"):
        return "shop"
    return str(rng.choice(["square", "park", "road", "home"]))


def _pick(rng: np.random.Generator, colours: list[Any]) -> Colour:
    red, green, blue = colours[int(rng.integers(len(colours)))]
    return int(red), int(green), int(blue)


def _people(
    text: str, kinds: dict[str, re.Pattern[str]], colours: list[Any], rng: np.random.Generator
) -> tuple[Person, ...]:
    found = {name for name, pattern in kinds.items() if pattern.search(text)}
    wardrobe = list(lexicon()["colours"].values())
    people = []
    for index in range(3):
        clothing = colours[index] if index < len(colours) else _pick(rng, wardrobe)
        first = index == 0
        hair: Colour = (225, 225, 225) if first and "elderly" in found else ((40, 28, 20), (90, 55, 25))[index % 2]
        people.append(
            Person(
                clothing=clothing,
                trousers=_pick(rng, [(40, 45, 70), (60, 60, 62), (85, 65, 45)]),
                skin=SKINS[int(rng.integers(len(SKINS)))],
                hair=hair,
                size=0.72 if first and "child" in found else 1.0,
                long_hair="woman" in found if first else bool(rng.integers(2)),
            )
        )
    return tuple(people)
