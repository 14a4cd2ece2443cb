"""What `svta verify` asks of releases, checkpoints and taxonomies: each whole, each named, each with what it names."""

import json
import time
from typing import Any

from svta_cli.integrity import Findings, Problem, set_aside
from svta_models.errors import SvtaError

SHOWN = 5  # clips named per release
BEING_TRAINED_S = 24 * 3600.0  # weights come before the row; a killed training adds it when it is run again
_TRAINING = "/.training/"  # states of trainings under way
_AGAIN = "materialize splits, which writes it again if nothing has changed, or put it back from a copy"


def check_releases(work: Any, bytes_now: dict[str, str], found: Findings) -> None:
    """Name each release that cannot be read whole any more, or that is gone although something names it."""
    from svta_models.release import ReleaseError, read_rows

    stored = release_hashes(work.store)
    for digest in stored:
        found.releases += 1
        try:
            rows = read_rows(work.store, digest).select("uri", "sha256").iter_rows()
        except ReleaseError as error:
            set_aside(work.store, f"releases/{digest}.parquet")
            found.problems.append(Problem("release", f"{error}. Set aside in damaged/; {_AGAIN}"))
            continue
        lost = [uri for uri, sha in rows if bytes_now.get(uri) != sha]
        if lost:
            more = f" and {len(lost) - SHOWN} more" if len(lost) > SHOWN else ""
            what = (
                f"{digest}: {len(lost)} of its clips are damaged, missing or changed: {', '.join(lost[:SHOWN])}{more}"
            )
            found.problems.append(Problem("release", what))
    try:
        named = named_releases(work)
    except SvtaError as error:
        found.problems.append(Problem("not checked", f"what names a release: {error}"))
        return
    for digest in sorted(named.keys() - set(stored)):
        found.problems.append(Problem("release", f"{digest}, named by {named[digest]}, is gone; {_AGAIN}"))


def release_hashes(store: Any) -> list[str]:
    """Every stored release, whether or not it ever became the latest."""
    keys = [item.key for item in store.list("releases") if item.key.endswith(".parquet")]
    return [key.rsplit("/", 1)[-1].removesuffix(".parquet") for key in keys]


def named_releases(work: Any) -> dict[str, str]:
    """Every release that something rests on, with one that does: checkpoints, the log of the latest, names of people.

    The table `releases` is a history and does not count: a copy of one release (`svta mirror --release`) has it whole.
    """
    from svta_models.release import release_log, release_names

    named = dict.fromkeys(work.catalog.read("checkpoints")["release"].drop_nulls(), "the table checkpoints")
    named |= {entry.hash: "the release log" for entry in release_log(work.store)}
    return named | {digest: f"the name {name}" for name, digest in release_names(work.store).items()}


def check_checkpoints(work: Any, found: Findings) -> None:
    """Compare every checkpoint with its name and its weights with its config; needs no torch."""
    try:
        rows = work.catalog.read("checkpoints").select("model", "uri").iter_rows()
    except SvtaError as error:
        found.problems.append(Problem("not checked", f"checkpoints: {error}"))
        return
    recorded = set()
    for model, folder in rows:
        found.checkpoints += 1
        recorded.add(folder)
        if fault := _checkpoint_fault(work.store, folder):
            again = f"materialize model_checkpoints of {model} with `retrain: true`"
            found.problems.append(Problem("checkpoint", f"{fault}; {again}"))
    _check_unrecorded(work.store, recorded, found)


def _checkpoint_fault(store: Any, folder: str) -> str | None:
    """What is wrong with a checkpoint. A changed object is set aside: an equal training gives it the same name."""
    from svta_models.media_store import MissingObject, sha256_hex

    try:
        config = store.get(f"{folder}/config.json")
        weights = store.sha256(f"{folder}/model.safetensors")
    except MissingObject as error:
        return str(error)
    if not sha256_hex(config).startswith(folder.rsplit("/", 1)[-1]):
        set_aside(store, f"{folder}/config.json")
        return f"{folder}/config.json does not match its folder's name, set aside in damaged/"
    if weights != json.loads(config)["weights_sha256"]:
        set_aside(store, f"{folder}/model.safetensors")
        return f"{folder}/model.safetensors differs from the sha256 in its config.json, set aside in damaged/"
    return None


def _check_unrecorded(store: Any, recorded: set[str], found: Findings) -> None:
    """Report weights that no row names."""
    newest: dict[str, float] = {}
    for item in store.list("checkpoints"):
        folder = item.key.rpartition("/")[0]
        if _TRAINING not in item.key and folder not in recorded:
            newest[folder] = max(newest.get(folder, 0.0), item.modified)
    for folder, modified in sorted(newest.items()):
        model = folder.split("/")[1] if "/" in folder else folder
        what = f"{folder} has no row in checkpoints: run model_checkpoints of {model} again, or delete the folder"
        if time.time() - modified < BEING_TRAINED_S:
            found.remarks.append(what)
        else:
            found.problems.append(Problem("checkpoint", what))


def check_taxonomy(store: Any, found: Findings) -> None:
    """Read every taxonomy version, approval and entry of the release log: small JSON, written once."""
    for folder in ("taxonomy", "releases/log"):
        for item in store.list(folder):
            try:
                json.loads(store.get(item.key))
            except ValueError:
                found.problems.append(Problem("unreadable", f"{item.key}; put it back from a copy"))
