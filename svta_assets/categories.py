"""Generation categories: the keys that partition descriptions, clips and labels, known before any GPU second.

The definitions import this module, so it needs nothing but YAML and reads one small file, once per process.
"""

import difflib
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal

import yaml

from svta_models.errors import SvtaError

Kind = Literal["anomaly", "normal"]
Origin = Literal["seed", "ucf", "oops", "normal"]

NORMAL_SHARDS = 16
OOPS_FALLBACK = "unintentional-other"
_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


class UnknownCategory(SvtaError):
    """A name that no generation category has."""


class InvalidCategories(SvtaError):
    """`categories.yaml` breaks one of its own rules."""


@dataclass(frozen=True, slots=True)
class Category:
    """One generation category; `categories.yaml` explains each field."""

    key: str
    name: str
    kind: Kind
    origin: Origin
    demo: bool = False
    retired: bool = False
    ucf_class: str | None = None
    prototypes: tuple[str, ...] = ()

    @property
    def is_anomaly(self) -> bool:
        return self.kind == "anomaly"


@cache
def load_categories() -> tuple[Category, ...]:
    """Every category in the file's order, retired ones too."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C parser is 8x faster; absent in some builds of PyYAML
    text = resources.files("svta_assets").joinpath("categories.yaml").read_text(encoding="utf-8")
    rows = yaml.load(text, Loader=loader)["categories"]
    categories = tuple(_category(row) for row in rows)
    _check_unique([one.key for one in categories], "key")
    _check_unique([one.ucf_class for one in categories if one.ucf_class], "ucf_class")
    return categories


def category(key: str) -> Category:
    """The category with this key; an unknown key raises UnknownCategory with the nearest ones."""
    try:
        return _by_key()[key]
    except KeyError:
        raise UnknownCategory(unknown_category_message(key)) from None


def category_of_ucf_class(ucf_class: str) -> Category | None:
    """The category that takes the texts of a UCF-Crime class ("RoadAccidents"), or None for an unknown class."""
    return _by_ucf_class().get(ucf_class)


def find_category(words: str) -> Category | None:
    """The category a person means by a key, a name in words or a UCF-Crime class, in any case."""
    return _by_any_name().get(_slug(words))


def near_matches(words: str) -> list[str]:
    """At most three keys that look like `words`, best first."""
    return difflib.get_close_matches(_slug(words), list(_by_key()), n=3, cutoff=0.6)


def unknown_category_message(words: str) -> str:
    """What is wrong with the name and what to do: near keys where there are any."""
    near = near_matches(words)
    hint = f"did you mean {', '.join(near)}?" if near else "svta_assets/categories.yaml lists the known keys."
    return f"No generation category is called '{words}'; {hint}"


def _category(row: dict[str, object]) -> Category:
    if "prototypes" in row:
        row = {**row, "prototypes": tuple(row["prototypes"])}  # type: ignore[arg-type]
    try:
        made = Category(**row)  # type: ignore[arg-type]
    except TypeError as error:
        raise InvalidCategories(f"categories.yaml, entry {row}: {error}. Its header lists the fields.") from None
    if not _SLUG.fullmatch(made.key):
        raise InvalidCategories(f"categories.yaml, key '{made.key}': a key is a slug like road-accidents.")
    return made


def _check_unique(values: list[str], field: str) -> None:
    twice = sorted({value for value in values if values.count(value) > 1})
    if twice:
        raise InvalidCategories(f"categories.yaml names {field} {', '.join(twice)} twice; keep one entry of each.")


def _slug(words: str) -> str:
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", words)  # RoadAccidents -> Road Accidents
    return "-".join(re.findall(r"[a-z0-9]+", spaced.lower()))


@cache
def _by_key() -> dict[str, Category]:
    return {one.key: one for one in load_categories()}


@cache
def _by_ucf_class() -> dict[str, Category]:
    return {one.ucf_class: one for one in load_categories() if one.ucf_class}


@cache
def _by_any_name() -> dict[str, Category]:
    return {_slug(name): one for one in load_categories() for name in (one.name, one.key)}
