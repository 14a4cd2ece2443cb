"""From what somebody names to pairs by generation category: generation and final categories, filters, ids.

A final category is a query over the catalog: its pairs lie in several generation categories, and one run makes them.
"""

import difflib
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import polars as pl

from svta_assets.categories import UnknownCategory, find_category, load_categories, unknown_category_message
from svta_assets.regeneration.filters import Filters, meeting
from svta_assets.workspace import Workspace
from svta_resources.errors import SvtaError

TEST = "test"


@dataclass(frozen=True)
class Wish:
    """What somebody asks for: names of categories, filters, and whether test pairs may get new clips."""

    categories: tuple[str, ...]
    filters: Filters = field(default_factory=Filters)
    include_test: bool = True


@dataclass(frozen=True)
class Chosen:
    """Pairs to make clips of, by generation category in the order they are made; None means all of a category.

    Attributes:
        spared: pairs of the test split that were asked for and are left as they are.
    """

    pairs: dict[str, list[str] | None]
    spared: int = 0

    @property
    def categories(self) -> list[str]:
        """Categories in which anything is to be made."""
        return [key for key, pairs in self.pairs.items() if pairs is None or pairs]

    @property
    def idle(self) -> list[str]:
        """Categories that were named but in which no pair is meant."""
        return [key for key, pairs in self.pairs.items() if pairs is not None and not pairs]


def choose(work: Workspace, wish: Wish) -> Chosen:
    """The pairs that a wish means today.

    Raises UnknownCategory, or SvtaError for an id that no pair has, categories without descriptions, or a score that
    no clip has.
    """
    named = named_pairs(work, wish.categories, wish.filters.only)
    spare = set() if wish.include_test else pairs_of_split(work, TEST)
    found: dict[str, list[str] | None] = {}
    spared = 0
    for key, meant in named.items():
        if meant is None and not wish.filters.conditions and not spare:
            found[key] = None
            continue
        pairs = set(work.catalog.read("descriptions", key)["pair_id"])
        pairs &= pairs if meant is None else meant
        if wish.filters.conditions:
            pairs &= meeting(work, key, wish.filters)
        spared += len(pairs & spare)
        found[key] = sorted(pairs - spare)
    return Chosen(found, spared)


def check(work: Workspace, wish: Wish) -> None:
    """Raise what `choose` would raise for names and ids, without looking at any clip."""
    named_pairs(work, wish.categories, wish.filters.only)


def named_pairs(work: Workspace, words: Sequence[str], only: Sequence[str] = ()) -> dict[str, set[str] | None]:
    """Generation category -> its pairs that the names and ids mean, None for all of them.

    Names are generation categories first, then final ones (by slug, or by name where one is called so). Ids alone
    need no name. Raises UnknownCategory, and SvtaError for an unknown id or a category without descriptions.
    """
    meant: dict[str, set[str] | None] = {}
    for word in words:
        found = find_category(word)
        if found is not None:
            meant[found.key] = None
            continue
        for key, pairs in final_category(work, word).items():
            standing = meant.setdefault(key, set())
            if standing is not None:
                standing |= pairs
    if not words and not only:
        raise SvtaError("nothing is named: give categories or ids")
    _require_descriptions(work, meant)
    return _restricted(work, meant, only, free=not words) if only else meant


def final_category(work: Workspace, word: str) -> dict[str, set[str]]:
    """Generation category -> pairs of the final category that a person means. Raises UnknownCategory."""
    assignments = work.catalog.read("assignments")
    slugs = sorted(set(assignments["final_category"].drop_nulls()))
    slug = word if word in slugs else _by_name(slugs, word)
    if slug is None:
        near = difflib.get_close_matches(_slug(word), slugs, n=2, cutoff=0.6)
        hint = f" Final categories like it: {', '.join(near)}." if near else ""
        raise UnknownCategory(f"{unknown_category_message(word)}{hint}")
    rows = assignments.filter(final_category=slug).select("category", "pair_id")
    found: dict[str, set[str]] = defaultdict(set)
    for key, pair in rows.iter_rows():
        found[key].add(pair)
    order = [one.key for one in load_categories() if one.key in found]
    return {key: found[key] for key in order}


def pairs_of_split(work: Workspace, split: str) -> set[str]:
    """Pairs of a split; no pair before splits were drawn."""
    return set(work.catalog.read("splits").filter(split=split)["pair_id"])


def _require_descriptions(work: Workspace, keys: Iterable[str]) -> None:
    described = set(work.catalog.partitions("descriptions"))
    if missing := [key for key in keys if key not in described]:
        raise SvtaError(
            f"{', '.join(missing)}: no descriptions yet; materialize raw_texts, then the job generate of "
            f"{missing[0]} (`svta ui`), or run `make demo`"
        )


def _restricted(
    work: Workspace, meant: dict[str, set[str] | None], only: Sequence[str], free: bool
) -> dict[str, set[str] | None]:
    """Restrict to some ids. `free`: no category is named, so they may lie in any."""
    rows = work.catalog.read("descriptions").select("pair_id", "category").filter(pl.col("category").is_not_null())
    home = dict(rows.iter_rows())
    pairs = {one: one if one in home else one.rpartition("-")[0] for one in only}  # a clip_id is <pair_id>-<take>
    if unknown := [one for one, pair in pairs.items() if pair not in home]:
        raise SvtaError(f"there is no pair {', '.join(unknown[:3])}: `svta review clips --sample` lists ids")
    wanted = set(pairs.values())
    if free:
        found = {home[pair] for pair in wanted}
        meant = {one.key: None for one in load_categories() if one.key in found}
    restricted: dict[str, set[str] | None] = {}
    for key, inside in meant.items():
        here = {pair for pair in wanted if home[pair] == key}
        restricted[key] = here if inside is None else here & inside
    if not any(restricted.values()):
        raise SvtaError(f"none of the {len(wanted)} pairs lies in {', '.join(meant)}: leave the categories out")
    return restricted


def _by_name(slugs: Sequence[str], word: str) -> str | None:
    """The one final category that is called so: slugs are <kind>-<number>-<name>."""
    wanted = _slug(word)
    named = [slug for slug in slugs if slug == wanted or re.sub(r"^[a-z]+-\d+-", "", slug) == wanted]
    return named[0] if len(named) == 1 else None


def _slug(words: str) -> str:
    return "-".join(re.findall(r"[a-z0-9]+", words.lower()))
