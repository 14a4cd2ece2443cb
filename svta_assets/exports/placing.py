"""Where the categories of an imported dataset go: generation categories to make clips under, and a taxonomy.

A dataset keeps its own categories as final categories. Its clips must lie under generation categories, which are
fixed: one of the same name where there is one, the one that the user names, one of the normal shards for normal
categories, and for other anomalies the seed or UCF-Crime class whose name is nearest in meaning. What is found is
shown, and stays: a pair whose clip is there keeps its key.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from svta_assets.categories import (
    NORMAL_SHARDS,
    Category,
    UnknownCategory,
    find_category,
    load_categories,
    unknown_category_message,
)
from svta_assets.categories import category as category_of_key
from svta_assets.clusters.groups import Embed, propose
from svta_assets.clusters.taxonomy import KINDS, FinalCategory, slug_of
from svta_assets.exports.checking import OUR_SLUG, Pair
from svta_assets.labels.labelling import normal_form

Named = tuple[str, str]  # kind and name of a category, as the dataset has it


@dataclass(frozen=True)
class Place:
    """The generation category of one of the dataset's categories, why that one, and how many pairs."""

    kind: str
    category: str
    key: str
    why: str
    pairs: int


def place_pairs(
    pairs: Sequence[Pair], wanted: Mapping[str, str], settled: Mapping[str, str], embed: Embed
) -> tuple[dict[str, str], list[Place]]:
    """pair_id -> generation key, and the places for people to look at.

    Args:
        wanted: category -> key, from the user. settled: pair_id -> key of pairs that have a clip already.

    Raises UnknownCategory for a wanted key that there is not.
    """
    given = {name.strip().lower(): _known(key) for name, key in wanted.items()}
    near = _nearest(pairs, given, embed)
    keys: dict[str, str] = {}
    found: Counter[tuple[str, str, str, str]] = Counter()
    for pair in pairs:
        key, why = _choose(pair, given, near)
        if pair.pair_id in settled:
            key, why = settled[pair.pair_id], "its clip is there"
        keys[pair.pair_id] = key
        found[(pair.kind, pair.category, key, why)] += 1
    return keys, [Place(*place, count) for place, count in sorted(found.items())]


def _known(word: str) -> str:
    found = find_category(word)
    if found is None:
        raise UnknownCategory(unknown_category_message(word))
    return found.key


def _choose(pair: Pair, given: Mapping[str, str], near: Mapping[str, tuple[str, float]]) -> tuple[str, str]:
    if pair.category.lower() in given:
        key = given[pair.category.lower()]
        if category_of_key(key).kind != pair.kind:
            raise UnknownCategory(f"{pair.category!r} is {pair.kind}, {key!r} is not: map it to a key of its own kind")
        return key, "as asked"
    same = find_category(pair.generation or pair.category)
    if same is not None and same.kind == pair.kind:
        return same.key, "same name"
    if pair.kind == "normal":
        shard = int(hashlib.sha256(normal_form(pair.category).encode()).hexdigest(), 16) % NORMAL_SHARDS
        return f"normal-{shard:02d}", "a normal shard"
    key, cosine = near[pair.category]
    return key, f"nearest name ({cosine:.2f})"


def _nearest(pairs: Sequence[Pair], given: Mapping[str, str], embed: Embed) -> dict[str, tuple[str, float]]:
    """Anomalous categories without a key of their name -> the key whose name is nearest, and the cosine."""
    open_names = sorted(
        {pair.category for pair in pairs if pair.kind == "anomaly" and pair.category.lower() not in given}
        - {pair.category for pair in pairs if _has_own(pair)}
    )
    if not open_names:
        return {}
    keys = [one for one in load_categories() if one.is_anomaly and not one.retired and _gives_name(one)]
    cosines = embed([_words(name) for name in open_names]) @ embed([one.name for one in keys]).T
    best = cosines.argmax(axis=1)
    return {
        name: (keys[place].key, float(row[place])) for name, place, row in zip(open_names, best, cosines, strict=True)
    }


def _has_own(pair: Pair) -> bool:
    same = find_category(pair.generation or pair.category)
    return same is not None and same.kind == pair.kind


def _words(name: str) -> str:
    """A category's name in words; of our own slugs, what follows the number."""
    plain = name.split("-", 2)[2] if OUR_SLUG.fullmatch(name) else name
    return normal_form(plain.replace("-", " ").replace("_", " "))


def taxonomy_of(
    pairs: Sequence[Pair], keys: Mapping[str, str], before: Sequence[FinalCategory], embed: Embed
) -> tuple[list[FinalCategory], dict[str, FinalCategory]]:
    """The dataset's categories as final categories, and pair_id -> its final category.

    A slug of ours is kept; other names are numbered by size after those that `before`, an earlier import, has. The
    name of a category is also the label name of its pairs.
    """
    members: dict[Named, list[Pair]] = defaultdict(list)
    for pair in pairs:
        members[_named(pair)].append(pair)
    words = Counter((kind, _words(name)) for kind, name in members)
    known = {(one.kind, one.name): one.number for one in before}
    taken = {kind: {one.number for one in before if one.kind == kind} | _own_numbers(members, kind) for kind in KINDS}
    found: dict[Named, FinalCategory] = {}
    for named in sorted(members, key=lambda named: (KINDS.index(named[0]), -len(members[named]), named[1])):
        kind, given = named
        name = _words(given) if words[kind, _words(given)] == 1 else given
        number = known.get((kind, name)) or _number(given, taken[kind])
        slug = given if OUR_SLUG.fullmatch(given) else slug_of(kind, number, name)
        group = next((pair.group for pair in members[named] if pair.group), "") or propose([name], kind, embed)[0]
        found[named] = FinalCategory(slug, number, name, kind, group, kind, (name,))
    found = _with_key_names(found, members, keys)
    ordered = sorted(found.values(), key=lambda one: (KINDS.index(one.kind), one.number))
    return ordered, {pair.pair_id: found[_named(pair)] for pair in pairs}


def _named(pair: Pair) -> Named:
    """Kind and name that a pair's category is known by; spelling in capitals makes no other category."""
    return pair.kind, pair.category if OUR_SLUG.fullmatch(pair.category) else normal_form(pair.category)


def _own_numbers(members: Mapping[Named, object], kind: str) -> set[int]:
    return {int(name.split("-", 2)[1]) for of, name in members if of == kind and OUR_SLUG.fullmatch(name)}


def _number(name: str, taken: set[int]) -> int:
    if OUR_SLUG.fullmatch(name):
        return int(name.split("-", 2)[1])
    number = next(n for n in range(1, len(taken) + 2) if n not in taken)
    taken.add(number)
    return number


def _with_key_names(
    found: dict[Named, FinalCategory], members: Mapping[Named, Sequence[Pair]], keys: Mapping[str, str]
) -> dict[Named, FinalCategory]:
    """Let the name that `labels` gives the pairs of a key lead to their category, where the key has no other one.

    Materializing `labels` after a regeneration names the pairs of a seed or UCF-Crime key as that key is named.
    """
    users: dict[str, set[Named]] = defaultdict(set)
    for named, inside in members.items():
        for pair in inside:
            users[keys[pair.pair_id]].add(named)
    taken = {name for one in found.values() for name in one.names}
    result = dict(found)
    for key, names in users.items():
        one = category_of_key(key)
        if len(names) == 1 and _gives_name(one) and one.name not in taken:
            (named,) = names
            result[named] = replace(result[named], names=tuple(sorted({*result[named].names, one.name})))
    return result


def _gives_name(one: Category) -> bool:
    return one.origin in ("seed", "ucf")
