"""What people change in a taxonomy: the operations of `taxonomy.yaml`.

    taxonomy: 1f2e3d4c5b6a7988      # the version this file was written from
    operations:
      - {merge: [anomaly-03-fall-down, anomaly-07-slip], into: falling}     # `into` (a name) may be left out
      - {rename: anomaly-05-burn, to: arson}
      - {split: anomaly-02-vehicle, names: [car crash, crash car], name: car crash}
      - {move: [jump off roof], to: anomaly-09-jump}
      - {kind: anomaly-11-lie-on-bench, to: normal}
      - {group: anomaly-05-arson, to: environmental anomalies}

They apply in order; a later one may use the slug that an earlier one made. A category is named by its slug, its number
with kind (`anomaly-05`) or, where only one has it, its name.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from svta_assets.clusters.groups import groups
from svta_assets.clusters.taxonomy import KINDS, FinalCategory, slug_of
from svta_resources.errors import SvtaError

Operation = dict[str, Any]


class OperationError(SvtaError):
    """An operation of a taxonomy file cannot be applied; the message names it and says why."""


class Editor:
    """Categories while operations are applied to them."""

    def __init__(self, categories: list[FinalCategory]) -> None:
        self.categories = list(categories)

    def find(self, word: Any) -> FinalCategory:
        """The category a person names. Raises OperationError with the nearest slugs."""
        import difflib

        word = str(word)
        slugs = [one.slug for one in self.categories]
        found = [
            one for one in self.categories if word in (one.slug, one.name) or word == f"{one.kind}-{one.number:02d}"
        ]
        if len(found) == 1:
            return found[0]
        if found:
            raise OperationError(f"{word!r} names {' and '.join(one.slug for one in found)}: give the slug")
        near = difflib.get_close_matches(word, slugs, n=3, cutoff=0.4) or slugs[:3]
        raise OperationError(f"there is no category {word!r}; nearest: {', '.join(near)}")

    def put(self, old: FinalCategory, new: FinalCategory | None) -> None:
        """Replace a category, or remove it."""
        place = self.categories.index(old)
        self.categories[place : place + 1] = [] if new is None else [new]

    def next_number(self, kind: str) -> int:
        """The first number above all in use, so that no number means two things in one file."""
        return max((one.number for one in self.categories if one.kind == kind), default=0) + 1

    def owner(self, name: str, labelled_kind: str | None = None) -> FinalCategory:
        """The category a label name is in."""
        found = [one for one in self.categories if name in one.names and labelled_kind in (None, one.labelled_kind)]
        if not found:
            where = f" among the {labelled_kind} names" if labelled_kind else ""
            raise OperationError(f"no category has the label name {name!r}{where}")
        return found[0]


def apply_operations(categories: list[FinalCategory], operations: list[Operation]) -> list[FinalCategory]:
    """Categories after all operations, ordered by kind and number. Raises OperationError; then nothing applies."""
    editor = Editor(categories)
    for number, operation in enumerate(operations, start=1):
        try:
            _action(operation)(editor, operation)
        except OperationError as error:
            raise OperationError(f"operation {number} ({_shown(operation)}): {error}") from error
    return sorted(editor.categories, key=lambda one: (KINDS.index(one.kind), one.number))


def check_operations(loaded: Any) -> tuple[str, list[Operation]]:
    """Version and operations of a parsed `taxonomy.yaml`. Raises OperationError."""
    if not isinstance(loaded, dict) or not isinstance(loaded.get("taxonomy"), str):
        raise OperationError("the file has no `taxonomy:` line with a version: write one with `svta taxonomy export`")
    operations = loaded.get("operations") or []
    if not isinstance(operations, list) or not all(isinstance(one, dict) for one in operations):
        raise OperationError("`operations:` must be a list, each item like {rename: anomaly-05-burn, to: arson}")
    for one in operations:
        _action(one)
    return loaded["taxonomy"], operations


def _merge(editor: Editor, operation: Operation) -> None:
    slugs = operation["merge"]
    if not isinstance(slugs, list) or len(slugs) < 2:
        raise OperationError("merge needs a list of two categories or more")
    chosen = [editor.find(slug) for slug in slugs]
    first = chosen[0]
    if len({one.slug for one in chosen}) < len(chosen):
        raise OperationError("a category is listed twice")
    if len({(one.kind, one.labelled_kind) for one in chosen}) > 1:
        raise OperationError("normal and anomaly categories are not merged: change the kind first")
    names = tuple(sorted(name for one in chosen for name in one.names))
    merged = replace(first, names=names)
    editor.put(first, merged.renamed(str(operation["into"])) if "into" in operation else merged)
    for one in chosen[1:]:
        editor.put(one, None)


def _rename(editor: Editor, operation: Operation) -> None:
    one = editor.find(operation["rename"])
    editor.put(one, one.renamed(_word(operation, "to")))


def _split(editor: Editor, operation: Operation) -> None:
    one = editor.find(operation["split"])
    names = _names(operation, "names")
    absent = sorted(set(names) - set(one.names))
    if absent:
        raise OperationError(f"{one.slug} has no label name {absent[0]!r}")
    if len(names) == len(one.names):
        raise OperationError(f"that is every name of {one.slug}: rename it instead")
    number, name = editor.next_number(one.kind), _word(operation, "name")
    slug = slug_of(one.kind, number, name)
    editor.put(one, replace(one, names=tuple(sorted(set(one.names) - set(names)))))
    editor.categories.append(replace(one, slug=slug, number=number, name=name, names=tuple(names)))


def _move(editor: Editor, operation: Operation) -> None:
    slug = editor.find(operation["to"]).slug
    for name in _names(operation, "move"):
        target = editor.find(slug)
        source = editor.owner(name, target.labelled_kind)
        if source.slug == slug:
            continue
        left = tuple(other for other in source.names if other != name)
        if not left:
            raise OperationError(f"{name!r} is the last name of {source.slug}: merge the two categories instead")
        editor.put(source, replace(source, names=left))
        editor.put(target, replace(target, names=tuple(sorted((*target.names, name)))))


def _kind(editor: Editor, operation: Operation) -> None:
    one, kind = editor.find(operation["kind"]), _word(operation, "to")
    if kind not in KINDS:
        raise OperationError(f"kind is {' or '.join(KINDS)}, not {kind!r}")
    if kind == one.kind:
        return
    number = editor.next_number(kind)
    group = next(iter(groups()[kind]))
    slug = slug_of(kind, number, one.name)
    editor.put(one, replace(one, kind=kind, number=number, slug=slug, group=group))


def _group(editor: Editor, operation: Operation) -> None:
    one, group = editor.find(operation["group"]), _word(operation, "to")
    known = list(groups()[one.kind])
    if group not in known:
        raise OperationError(f"{one.kind} categories are in the groups {', '.join(known)}; not {group!r}")
    editor.put(one, replace(one, group=group))


_ACTIONS: dict[str, tuple[Callable[[Editor, Operation], None], set[str], set[str]]] = {
    # operation: what it does, keys it needs, keys it may have
    "merge": (_merge, {"merge"}, {"into"}),
    "rename": (_rename, {"rename", "to"}, set()),
    "split": (_split, {"split", "names", "name"}, set()),
    "move": (_move, {"move", "to"}, set()),
    "kind": (_kind, {"kind", "to"}, set()),
    "group": (_group, {"group", "to"}, set()),
}


def _action(operation: Operation) -> Callable[[Editor, Operation], None]:
    for name, (action, needed, optional) in _ACTIONS.items():
        if name in operation:
            keys = set(operation)
            if not needed <= keys <= needed | optional:
                wanted = ", ".join(sorted(needed)) + (f" (and {', '.join(sorted(optional))})" if optional else "")
                raise OperationError(
                    f"{_shown(operation)}: {name} takes {wanted}; got {', '.join(sorted(map(str, keys)))}"
                )
            return action
    raise OperationError(f"{_shown(operation)}: unknown operation; known: {', '.join(_ACTIONS)}")


def _word(operation: Operation, key: str) -> str:
    value = operation[key]
    if not isinstance(value, str) or not value.strip():
        raise OperationError(f"{key!r} must be a word or name, not {value!r}")
    return value.strip()


def _names(operation: Operation, key: str) -> list[str]:
    value = operation[key]
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not listed or not all(isinstance(name, str) for name in listed):
        raise OperationError(f"{key!r} must be a list of label names")
    return sorted(set(listed))


def _shown(operation: Operation) -> str:
    text = ", ".join(f"{key}: {value}" for key, value in operation.items())
    return text if len(text) <= 80 else f"{text[:77]}..."
