"""Reading and checking the files of word lists; a mistake in them is reported with its file and entry."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from svta_resources.errors import SvtaError

STRENGTHS = {"strong": 6, "usual": 3, "weak": 1}  # points of an action's entries
PEOPLE_FORMS = ("one", "many")
_CLASSES = ("<person>", "<vehicle>")
_LISTS = ("fillers", "nothing", "traffic", "couples")
_NAMED_LISTS = ("irregular", "colours", "clothing", "places", "light", "weather", "vehicles", "things", "cameras")


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


# sections of one value a name: what is right, and how to say it
_VALUES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "counts": (_is_number, "a number of at least 1"),
    "pronouns": (
        lambda value: isinstance(value, list) and len(value) == 2 and _is_number(value[1]),
        "a kind of person and how many: [man, 1]",
    ),
    "on_foot": (lambda value: isinstance(value, str), "the name of one action"),
    "on_wheels": (lambda value: isinstance(value, str), "the name of one action"),
    "categories": (lambda value: isinstance(value, str), "the name of one action"),
}
SECTIONS = (*_LISTS, *_NAMED_LISTS, *_VALUES, "people", "actions", "combine")

Sections = dict[str, Any]


class LexiconError(SvtaError):
    """A word list cannot be used."""


def read_sections(folder: Path) -> Sections:
    """Read and check every .yaml file of a folder; together they hold each section once.

    Raises:
        LexiconError: no YAML, a section missing, unknown or there twice, or an entry of the wrong form.
    """
    files = sorted(folder.glob("*.yaml"))
    data: Sections = {}
    for file in files:
        for section, content in _read(file).items():
            if section not in SECTIONS:
                raise LexiconError(f"{file}: unknown section {section!r}. Known are: {', '.join(SECTIONS)}.")
            if section in data:
                raise LexiconError(f"{file}: section {section!r} is in another file too. Keep one of them.")
            _check(file, section, content)
            data[section] = content
    missing = [section for section in SECTIONS if section not in data]
    if missing:
        raise LexiconError(f"{folder}: no file has the section {missing[0]!r}. Add it to one of the .yaml files there.")
    _check_references(folder, data)
    return data


def _read(file: Path) -> dict[str, Any]:
    import yaml

    try:
        data = yaml.load(file.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        raise LexiconError(f"{file} is no valid YAML: {error}. Mend it at the line it names.") from error
    if not isinstance(data, dict):
        raise LexiconError(f"{file} holds no sections. Write it as `section:` with entries below.")
    return data


def _check(file: Path, section: str, content: Any) -> None:
    """Check the form of one section."""
    if section in _LISTS:
        _check_entries(file, section, content)
        return
    if section == "combine":
        for rule in _list(file, section, content):
            if not isinstance(rule, list) or len(rule) != 3:
                raise LexiconError(f"{file}: combine has {rule!r}. A rule is three actions: [one, other, meaning].")
        return
    for name, value in _mapping(file, section, content).items():
        place = f"{section} -> {name}"
        if section in _VALUES:
            right, wanted = _VALUES[section]
            if not right(value):
                raise LexiconError(f"{file}: {place} is {value!r}. Give {wanted}.")
        elif section in _NAMED_LISTS:
            _check_entries(file, place, value)
        else:
            _check_forms(file, place, value, PEOPLE_FORMS if section == "people" else tuple(STRENGTHS))


def _check_forms(file: Path, place: str, value: Any, known: tuple[str, ...]) -> None:
    for form, entries in _mapping(file, place, value).items():
        if form not in known:
            raise LexiconError(f"{file}: {place} has {form!r}. Use: {', '.join(known)}.")
        _check_entries(file, f"{place} -> {form}", entries)
    if known == PEOPLE_FORMS and set(value) != set(known):
        raise LexiconError(f"{file}: {place} needs the lists {' and '.join(known)}.")


def _check_entries(file: Path, place: str, entries: Any) -> None:
    for number, entry in enumerate(_list(file, place, entries)):
        if isinstance(entry, int) and not isinstance(entry, bool):
            entries[number] = entry = str(entry)  # "360" needs no quotes
        if not isinstance(entry, str):
            raise LexiconError(f"{file}: {place} has {entry!r}, which is no text. Put it in quotes.")
        for word in entry.split() or [""]:
            if not word.rstrip("~+") or (word.startswith("<") and word not in _CLASSES):
                raise LexiconError(
                    f"{file}: {place} has the entry {entry!r}. Write words, with ~ after a verb and + after a noun; "
                    f"{' and '.join(_CLASSES)} stand for any of their kind."
                )


def _check_references(folder: Path, data: Sections) -> None:
    """Check that the action lists name actions that exist."""
    named: dict[str, tuple[str, ...]] = {
        f"{section} -> {name}": (name, meaning)
        for section in ("on_foot", "on_wheels")
        for name, meaning in data[section].items()
    }
    named |= {f"combine -> {rule}": tuple(rule) for rule in data["combine"]}
    named |= {f"categories -> {key}": (action,) for key, action in data["categories"].items()}
    for place, actions in named.items():
        unknown = [action for action in actions if action not in data["actions"] and action != "nothing"]
        if unknown:
            raise LexiconError(f"{folder}: {place} names the action {unknown[0]!r}, which `actions` does not have.")


def _list(file: Path, place: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise LexiconError(f"{file}: {place} is {value!r}. Give a list: [first, second].")
    return value


def _mapping(file: Path, place: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise LexiconError(f"{file}: {place} is {value!r}. Give names with their lists below it.")
    return value
