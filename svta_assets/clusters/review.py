"""`taxonomy.yaml`: written for a person to edit, read back as a new version."""

from pathlib import Path

from svta_assets.clusters import versions
from svta_assets.clusters.diff import Difference
from svta_assets.clusters.groups import groups
from svta_assets.clusters.operations import Operation, OperationError, apply_operations, check_operations
from svta_assets.clusters.organize import asked_k, labelled
from svta_assets.clusters.taxonomy import KINDS, FinalCategory, as_taxonomy, final_categories, name_counts, quality
from svta_assets.workspace import Workspace
from svta_resources.errors import SvtaError

_HEAD = """\
# Final categories, to be reviewed. Write what should change under `operations`, then
#     svta taxonomy apply {file} --by YOUR-NAME
# Nothing else in this file is read. Operations apply in order; each line below shows one:
#   - {{merge: [anomaly-03-fall-down, anomaly-07-slip], into: falling}}
#   - {{rename: anomaly-05-burn, to: arson}}
#   - {{split: anomaly-02-vehicle, names: [car crash, crash car], name: car crash}}
#   - {{move: [jump off roof], to: anomaly-09-jump}}
#   - {{kind: anomaly-11-lie-on-bench, to: normal}}
#   - {{group: anomaly-05-arson, to: environmental anomalies}}
# Groups of anomaly categories: {anomaly}.
# Groups of normal categories: {normal}.
taxonomy: {version}
operations: []

# --- for reference: the categories as they are, largest first
"""


def export_yaml(work: Workspace, file: str = "taxonomy.yaml") -> str:
    """The current version as a file to edit. Raises SvtaError before the first fit."""
    import yaml

    now = versions.current(work)
    if now.is_empty():
        raise SvtaError("no taxonomy yet: materialize clusters, or run `make demo`")
    pairs = dict(now.select("final_category", "pairs").iter_rows())
    ordered = sorted(final_categories(now), key=lambda one: (KINDS.index(one.kind), -pairs[one.slug], one.number))
    listed = {one.slug: {"group": one.group, "pairs": pairs[one.slug], "names": list(one.names)} for one in ordered}
    shown = {kind: ", ".join(groups()[kind]) for kind in KINDS}
    head = _HEAD.format(file=file, version=f'"{now["taxonomy"][0]}"', **shown)
    return head + yaml.safe_dump({"categories": listed}, sort_keys=False, allow_unicode=True, width=120)


def apply_file(work: Workspace, path: Path, by: str) -> tuple[str, Difference]:
    """Apply a reviewed file: the version it leads to becomes the current one, which somebody then approves.

    Returns the version and what changed. Raises OperationError naming the operation; nothing is written then.
    """
    version, operations, text = _parsed(path)
    now = versions.current(work)
    if now.is_empty() or now["taxonomy"][0] != version:
        known = "there is none" if now.is_empty() else f"the current one is {now['taxonomy'][0]}"
        raise OperationError(f"{path} was written from taxonomy {version}, but {known}: export it again")
    if not operations:
        raise OperationError(f"{path} has no operations: write what should change under `operations:`")
    try:
        return apply_to_current(work, operations, by, text)
    except OperationError as error:
        raise OperationError(f"{path}: {error}") from error


def apply_to_current(work: Workspace, operations: list[Operation], by: str, text: str) -> tuple[str, Difference]:
    """The same of operations that are at hand; `text` is kept as what was asked for. Raises OperationError."""
    now = versions.current(work)
    after = apply_operations(final_categories(now), operations)
    if after == final_categories(now):
        raise OperationError("what is asked for changes nothing")
    taxonomy = as_taxonomy(after, labelled(work), now["inputs_sha"][0])
    figures = _figures(work, after, now["taxonomy"][0])
    return taxonomy.version, versions.record(work, taxonomy, versions.REVIEW, figures, by, text)


def _figures(work: Workspace, after: list[FinalCategory], version: str) -> dict[str, versions.Figures]:
    """The k of the fit that the edited version goes back to, and the quality of the categories as edited."""
    recorded = versions.fit_figures(versions.last_entry(work, version))
    wanted, labels, embed = asked_k(work, recorded), labelled(work), work.embedder().encode
    figures = {}
    for kind in KINDS:
        mine = [one for one in after if one.labelled_kind == kind]
        k = recorded.get(kind, {}).get("k", len(mine))
        figures[kind] = versions.Figures(wanted[kind], k, quality(mine, name_counts(labels, kind), embed))
    return figures


def _parsed(path: Path) -> tuple[str, list[Operation], str]:
    """Version, operations and text of a file. Raises OperationError."""
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
        loaded = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError) as error:
        raise OperationError(f"cannot read {path}: {error}. Write one with `svta taxonomy export`") from error
    except yaml.YAMLError as error:
        raise OperationError(f"{path} is not valid YAML: {error}") from error
    try:
        return (*check_operations(loaded), text)
    except OperationError as error:
        raise OperationError(f"{path}: {error}") from error
