"""Caption to scene, by the word lists alone (no language model, no parser: a caption takes well under 1 ms)."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from svta_resources.video.procedural.lexicon import Lexicon, Match, Token, tokenize
from svta_resources.video.procedural.scene import DAY, Figure, Scene, VehicleLook

DEFAULT_ACTION = "standing"
MAX_FIGURES = 6
MAX_VEHICLES = 4
_COUNT_REACH = 3  # words between a number and what it counts ("two young laughing girls")
_GARMENT_REACH = 3  # words between a colour and its garment ("red leather jacket")
_VEHICLE_REACH = 2
_WEARING = frozenset({"in", "wearing", "wears", "wore", "dressed", "wear"})
_MASKED = frozenset({"masked", "hooded"})
_OTHER = frozenset({"another", "other", "second"})
_ON_FOOT = frozenset({"standing", "walking"})
_PASSIVE = frozenset({"is", "are", "was", "were", "gets", "got", "been", "being"})
_LONG = {"coat": "coat", "dress": "dress"}


@dataclass
class _Mention:
    """One mention of people, with what is said of them."""

    start: int
    kind: str
    count: int
    fresh: bool  # a new person for sure ("another man", or the first of a kind)
    looks: dict[str, str] = field(default_factory=dict)


def read_caption(caption: str, lexicon: Lexicon, category: str | None = None) -> Scene:
    """Understand a caption; `category` is looked at only when the caption names no action."""
    tokens = tokenize(caption)
    action, origin = _action(tokens, lexicon, category)
    if action in _ON_FOOT and _vehicle_acts(tokens, lexicon):
        action = "driving"
    cameras = list(lexicon.cameras.find(tokens))
    light = next((match.name for match in lexicon.light.find(tokens)), DAY)
    return Scene(
        action=action,
        action_from=origin,
        figures=_figures(tokens, lexicon),
        vehicles=_vehicles(tokens, lexicon),
        place=_place(tokens, lexicon),
        light=light,
        weather=next((match.name for match in lexicon.weather.find(tokens)), "clear"),
        things=frozenset(match.name for match in lexicon.things.find(tokens)),
        camera=cameras[0].name if cameras else "fixed",
    )


def _action(tokens: list[Token], lexicon: Lexicon, category: str | None) -> tuple[str, str]:
    """Choose the action with most points; each phrase counts once."""
    points: dict[str, int] = defaultdict(int)
    seen: set[tuple[str, ...]] = set()
    scenery = {place for match in lexicon.places.find(tokens) for place in range(match.start, match.end)}
    for match in lexicon.actions.find(tokens):
        if match.end - match.start == 1 and match.start in scenery:
            continue  # "in the park" parks nothing, "at the bus stop" nobody stops
        phrase = tuple(token.word for token in tokens[match.start : match.end])
        if phrase not in seen:
            points[match.name] += match.points
            seen.add(phrase)
    for first, second, third in lexicon.combine:
        if points.get(first) and points.get(second):
            points[third] += points[first] + points[second]
    if points:
        rank = {name: index for index, name in enumerate(lexicon.action_order)}
        return min(points, key=lambda name: (-points[name], rank.get(name, len(rank)))), "caption"
    hinted = lexicon.action_of_category(category) if category else None
    return (hinted, "category") if hinted else (DEFAULT_ACTION, "default")


def _vehicle_acts(tokens: list[Token], lexicon: Lexicon) -> bool:
    """Tell whether a vehicle is named before any person: it is what "stops" or "passes"."""
    vehicle = next((match.start for match in lexicon.vehicles.find(tokens)), len(tokens))
    person = next((match.start for match in lexicon.people.find(tokens)), len(tokens))
    return vehicle < person


def _place(tokens: list[Token], lexicon: Lexicon) -> str | None:
    """Take the place that a preposition leads to ("through the park"), else the last one named."""
    places = list(lexicon.places.find(tokens))
    if not places:
        return None
    leading = {"in", "on", "at", "through", "along", "across", "inside", "down", "over", "into", "under", "near", "of"}
    for match in places:
        if any(token.word in leading for token in tokens[max(0, match.start - 3) : match.start]):
            return match.name
    return places[-1].name


def _vehicles(tokens: list[Token], lexicon: Lexicon) -> tuple[VehicleLook, ...]:
    colours = _starts(lexicon.colours.find(tokens))
    found: list[VehicleLook] = []
    for match in lexicon.vehicles.find(tokens):
        near = range(match.start - 1, max(-1, match.start - 1 - _VEHICLE_REACH), -1)
        colour = next((colours[place].name for place in near if place in colours), None)
        look = VehicleLook(match.name, colour)
        known = any(other.kind == look.kind and colour in (None, other.colour) for other in found)
        if tokens[match.start].definite and known:
            continue
        found += [look] * _count(tokens, lexicon, match)
    return tuple(found[:MAX_VEHICLES])


def _count(tokens: list[Token], lexicon: Lexicon, match: Match) -> int:
    """Read the number before a plural; 1 for a singular, 2 for a plural without a number."""
    word = tokens[match.end - 1].word
    for place in range(match.start - 1, max(-1, match.start - 1 - _COUNT_REACH), -1):
        number = tokens[place].word
        if number in lexicon.counts:
            return int(lexicon.counts[number])
    plural = match.name.endswith("*") or (word.endswith("s") and word not in ("bus", "police"))
    return (3 if word in ("people", "crowd", "guests") else 2) if plural else 1


def _figures(tokens: list[Token], lexicon: Lexicon) -> tuple[Figure, ...]:
    mentions = _mentions(tokens, lexicon)
    _dress(mentions, tokens, lexicon)
    figures: list[Figure] = []
    for mention in mentions:
        figure = Figure(mention.kind, **mention.looks)
        same = None if mention.fresh else _same(figure, figures)
        if same is None:
            figures += [figure] * mention.count
        else:
            figures[same] = _merge(figures[same], figure)
    if len(figures) > 1 and _is_passive(tokens, mentions):
        figures[0], figures[1] = figures[1], figures[0]
    return tuple(figures[:MAX_FIGURES])


def _is_passive(tokens: list[Token], mentions: list[_Mention]) -> bool:
    """Tell whether the second person acts on the first ("a woman is robbed by a man"): who acts comes first."""
    between = [token.word for token in tokens[mentions[0].start : mentions[1].start if len(mentions) > 1 else None]]
    return "by" in between and bool(_PASSIVE & set(between))


def _mentions(tokens: list[Token], lexicon: Lexicon) -> list[_Mention]:
    mentions: list[_Mention] = []
    for match in lexicon.people.find(tokens):
        kind = match.name.rstrip("*")
        before = {token.word for token in tokens[max(0, match.start - 2) : match.start]}
        count = _count(tokens, lexicon, match)
        fresh = bool(before & _OTHER) or not tokens[max(0, match.start - len(before & _MASKED))].definite or count > 1
        mention = _Mention(match.start, kind, count, fresh)
        if before & _MASKED:
            mention.looks["mask"] = "black"
        mentions.append(mention)
    for index, token in enumerate(tokens):
        if token.word in lexicon.couples:
            old = "old-" if index and tokens[index - 1].word in ("elderly", "old") else ""
            mentions += [_Mention(index, old + kind, 1, True) for kind in ("man", "woman")]
    return sorted(mentions, key=lambda mention: mention.start)


def _same(figure: Figure, figures: list[Figure]) -> int | None:
    """Find the person that "the man" goes back to: the same kind, and no other colour."""
    for index, other in enumerate(figures):
        if other.kind == figure.kind and (figure.top in (None, other.top) or other.top is None):
            return index
    return None


def _merge(first: Figure, second: Figure) -> Figure:
    named = {name: value for name, value in vars(second).items() if value is not None and name != "kind"}
    return replace(first, **{name: value for name, value in named.items() if getattr(first, name) is None})


def _dress(mentions: list[_Mention], tokens: list[Token], lexicon: Lexicon) -> None:
    """Give every colour of clothing to the people mentioned last before it."""
    colours = list(lexicon.colours.find(tokens))
    garments = _starts(lexicon.clothing.find(tokens))
    vehicles = _starts(lexicon.vehicles.find(tokens))
    for position, colour in enumerate(colours):
        owner = next((mention for mention in reversed(mentions) if mention.start < colour.start), None)
        following = colours[position + 1].start if position + 1 < len(colours) else len(tokens)
        reach = range(colour.end, min(len(tokens), colour.end + _GARMENT_REACH, max(following, colour.end)))
        if owner is None or any(place in vehicles for place in reach):
            continue
        slot = next((garments[place].name for place in reach if place in garments), None)
        if slot is None and tokens[max(0, colour.start - 1)].word in _WEARING:
            slot = "top"
        if slot:
            _put_on(owner, slot, colour.name)


def _put_on(owner: _Mention, slot: str, colour: str) -> None:
    part = "top" if slot in _LONG else slot
    if part not in owner.looks:  # "red coat with white sleeves": the first colour of a part stays
        owner.looks[part] = colour
    if slot in _LONG:
        owner.looks.setdefault("long", _LONG[slot])


def _starts(matches: Iterable[Match]) -> dict[int, Match]:
    return {match.start: match for match in matches}
