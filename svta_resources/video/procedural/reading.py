"""Caption to scene, by the word lists alone (no language model, no parser: a caption takes well under 1 ms)."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from svta_resources.video.procedural.lexicon import NOTHING, STOP, Lexicon, Match, Token, Vocabulary, tokenize
from svta_resources.video.procedural.scene import DAY, Figure, Scene, VehicleLook

DEFAULT_ACTION = "standing"
ANIMAL_ACTION = "dog"  # of an animal that walks, runs or stands by itself
ANIMALS = frozenset({"dog", "cat", "horse"})
MAX_FIGURES = 6
MAX_VEHICLES = 4
_COUNT_REACH = 3  # words between a number and what it counts ("two young laughing girls")
_GARMENT_REACH = 3  # words between a colour and its garment ("red leather jacket")
_VEHICLE_REACH = 2
_WEARING = frozenset({"in", "wearing", "wears", "wore", "dressed", "wear"})
_MASKED = frozenset({"masked", "hooded"})
_OTHER = frozenset({"another", "other", "second"})
_NONE = frozenset({"no", "without"})
_ROLLING = frozenset({"standing", "walking", "running", "crossing"})  # a vehicle, too, stops, passes, speeds up
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
    action = _by_vehicle(action, tokens, lexicon)
    things = frozenset(match.name for match in _outside(lexicon.vehicles, lexicon.things.find(tokens), tokens))
    figures = _figures(tokens, lexicon)
    if action in _ROLLING and things & ANIMALS and not figures:
        action = ANIMAL_ACTION
    cameras = list(lexicon.cameras.find(tokens))
    light = next((match.name for match in lexicon.light.find(tokens)), DAY)
    return Scene(
        action=action,
        action_from=origin,
        figures=figures,
        vehicles=_vehicles(tokens, lexicon),
        place=_place(tokens, lexicon),
        light=light,
        weather=next((match.name for match in lexicon.weather.find(tokens)), "clear"),
        things=things,
        camera=cameras[0].name if cameras else "fixed",
    )


def _action(tokens: list[Token], lexicon: Lexicon, category: str | None) -> tuple[str, str]:
    """Choose the action with most points."""
    points = _points(tokens, lexicon)
    for first, second, third in lexicon.combine:
        if points.get(first) and points.get(second):
            points[third] += points[first] + points[second]
    if points:
        rank = {name: index for index, name in enumerate(lexicon.action_order)}
        return min(points, key=lambda name: (-points[name], rank.get(name, len(rank)))), "caption"
    hinted = lexicon.action_of_category(category) if category else None
    return (hinted, "category") if hinted else (DEFAULT_ACTION, "default")


def _points(tokens: list[Token], lexicon: Lexicon) -> dict[str, int]:
    """Count the points of every action; each phrase counts once."""
    in_traffic = _found(_vehicle_words(tokens, lexicon)) or _found(lexicon.traffic.find(tokens))
    tokens = lexicon.actions.without_fillers(tokens)
    scenery = {place for match in lexicon.places.find(tokens) for place in range(match.start, match.end)}
    filmed = {place for match in lexicon.cameras.find(tokens) for place in range(match.start, match.end)}
    points: dict[str, int] = defaultdict(int)
    seen: set[tuple[str, ...]] = set()
    for match in lexicon.actions.find(tokens):
        if match.start in filmed or (match.end - match.start == 1 and match.start in scenery):
            continue  # "a wide shot" fires nothing, "in the park" parks nothing, "at the bus stop" nobody stops
        phrase = tuple(token.word for token in tokens[match.start : match.end])
        action = match.name if in_traffic else lexicon.on_foot.get(match.name, match.name)
        if action != NOTHING and phrase not in seen:
            points[action] += match.points
            seen.add(phrase)
    return points


def _found(matches: Iterable[Match]) -> bool:
    return any(True for _ in matches)


def _by_vehicle(action: str, tokens: list[Token], lexicon: Lexicon) -> str:
    """Return what the action is when a vehicle does it: named before any person, or where nobody is named."""
    vehicle = next((match.start for match in _vehicle_words(tokens, lexicon)), None)
    if vehicle is None:
        return action
    people = [match.start for match in _people(tokens, lexicon)]
    if not people:
        return lexicon.on_wheels.get(action, action)
    return "driving" if action in _ROLLING and vehicle < people[0] else action


def _people(tokens: list[Token], lexicon: Lexicon) -> list[Match]:
    """Find the mentions of people; "no customers" are not there."""
    found = _outside(lexicon.vehicles, lexicon.people.find(tokens), tokens)
    return [match for match in found if not _denied(tokens, match)]


def _outside(wider: Vocabulary, matches: Iterable[Match], tokens: list[Token]) -> Iterator[Match]:
    """Yield matches that are no part of a longer phrase of `wider`: a police car is no police, a fire truck no fire."""
    starts = _starts(wider.find(tokens))
    for match in matches:
        around = starts.get(match.start)
        if not (around and around.end > match.end):
            yield match


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
    for match in _vehicle_words(tokens, lexicon):
        if _denied(tokens, match):
            continue
        near = _before(tokens, match.start, _VEHICLE_REACH)
        colour = next((colours[place].name for place in near if place in colours), None)
        look = VehicleLook(match.name, colour)
        known = any(other.kind == look.kind and colour in (None, other.colour) for other in found)
        if _is_definite(tokens, match.start, lexicon) and known:
            continue
        found += [look] * _count(tokens, lexicon, match)
    return tuple(found[:MAX_VEHICLES])


def _before(tokens: list[Token], start: int, reach: int) -> Iterator[int]:
    """Yield the places before a word, nearest first, within its sentence."""
    for place in range(start - 1, max(-1, start - 1 - reach), -1):
        if tokens[place].word == STOP:
            return
        yield place


def _vehicle_words(tokens: list[Token], lexicon: Lexicon) -> Iterator[Match]:
    """Yield the mentions of vehicles; the bus of a bus stop is none."""
    return _outside(lexicon.places, lexicon.vehicles.find(tokens), tokens)


def _is_definite(tokens: list[Token], start: int, lexicon: Lexicon) -> bool:
    """Tell whether "the" stands before a noun and its adjectives: somebody or something named before."""
    while not tokens[start].definite:
        if not start or tokens[start - 1].word not in lexicon.adjectives | _MASKED:
            return False
        start -= 1
    return True


def _denied(tokens: list[Token], match: Match) -> bool:
    """Tell whether the caption says that there is none ("no pedestrians")."""
    return match.start > 0 and tokens[match.start - 1].word in _NONE


def _count(tokens: list[Token], lexicon: Lexicon, match: Match) -> int:
    """Read the number before a plural; 1 for a singular, 2 for a plural without a number."""
    word = tokens[match.end - 1].word
    for place in _before(tokens, match.start, _COUNT_REACH):
        number = tokens[place].word
        if number in lexicon.counts:
            return int(lexicon.counts[number])
        if number.isdigit() and 1 < int(number) < 100:
            return int(number)
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
    end = -1  # where the last mention ends
    for match in _people(tokens, lexicon):
        follows, end = match.start == end, match.end
        if follows:  # "female customers" are the same people: the first word says who, the last one how many
            mentions[-1].count = max(mentions[-1].count, _count(tokens, lexicon, match))
            continue
        kind = match.name.rstrip("*")
        before = {token.word for token in tokens[max(0, match.start - 2) : match.start]}
        count = _count(tokens, lexicon, match)
        fresh = bool(before & _OTHER) or not _is_definite(tokens, match.start, lexicon) or count > 1
        mention = _Mention(match.start, kind, count, fresh)
        if before & _MASKED:
            mention.looks["mask"] = "black"
        mentions.append(mention)
    for index, token in enumerate(tokens):
        if token.word in lexicon.couples:
            old = "old-" if index and tokens[index - 1].word in ("elderly", "old") else ""
            mentions += [_Mention(index, old + kind, 1, True) for kind in ("man", "woman")]
    if not mentions:
        said = ((place, lexicon.pronouns.get(token.word)) for place, token in enumerate(tokens))
        mentions = [_Mention(place, who[0], who[1], True) for place, who in said if who][:1]
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
    vehicles = _starts(_vehicle_words(tokens, lexicon))
    stops = [place for place, token in enumerate(tokens) if token.word == STOP]
    for position, colour in enumerate(colours):
        following = colours[position + 1].start if position + 1 < len(colours) else len(tokens)
        sentence_end = next((place for place in stops if place >= colour.end), len(tokens))
        reach = range(colour.end, min(sentence_end, colour.end + _GARMENT_REACH, max(following, colour.end)))
        garment = next((garments[place] for place in reach if place in garments), None)
        owner = _owner(mentions, colour.start, garment.end if garment else None)
        worn = tokens[max(0, colour.start - 1)].word in _WEARING
        painted = reach[:1] if worn else reach  # "a man in red gets off a truck", but "a man in a red truck"
        if owner is None or any(place in vehicles for place in painted):
            continue
        slot = garment.name if garment else None
        if slot is None and worn:
            slot = "top"
        if slot:
            _put_on(owner, slot, colour.name)


def _owner(mentions: list[_Mention], colour: int, garment_end: int | None) -> _Mention | None:
    """Find whose colour it is: of whom follows at once ("the red-haired woman"), else of the last one mentioned."""
    follows = next((mention for mention in mentions if mention.start == garment_end), None)
    return follows or next((mention for mention in reversed(mentions) if mention.start < colour), None)


def _put_on(owner: _Mention, slot: str, colour: str) -> None:
    part = "top" if slot in _LONG else slot
    if part not in owner.looks:  # "red coat with white sleeves": the first colour of a part stays
        owner.looks[part] = colour
    if slot in _LONG:
        owner.looks.setdefault("long", _LONG[slot])


def _starts(matches: Iterable[Match]) -> dict[int, Match]:
    return {match.start: match for match in matches}
