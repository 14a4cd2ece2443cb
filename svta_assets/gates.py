"""Gates: plain functions with a stored verdict.

A Dagster blocking check acts only inside the run that evaluates it. So the *downstream asset asks the gate first*
(`require`), and the asset check only shows the stored verdict.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import polars as pl

from svta_assets.workspace import Workspace, utc_now
from svta_resources.errors import SvtaError

if TYPE_CHECKING:
    from svta_models.release import Release


class GateShut(SvtaError):
    """A gate forbids the next stage; the message says why and what to do."""


@dataclass(frozen=True)
class Verdict:
    """What a gate says. `level` is ok, warn (passed with a remark) or shut."""

    gate: str
    passed: bool
    level: str
    reason: str

    @classmethod
    def of(cls, gate: str, level: str, reason: str) -> "Verdict":
        return cls(gate, level != "shut", level, reason)


@lru_cache(maxsize=1)
def _settings() -> dict[str, Any]:
    import yaml

    loaded: dict[str, Any] = yaml.safe_load((files("svta_assets") / "gates.yaml").read_text())
    return loaded


def gate_settings(profile: str) -> dict[str, Any]:
    """The gates of a profile, from `gates.yaml`."""
    settings: dict[str, Any] = _settings()[profile]
    return settings


def load_thresholds(profile: str) -> dict[str, float]:
    """The clip thresholds of a profile."""
    thresholds: dict[str, float] = gate_settings(profile)["clips"]
    return thresholds


def require(work: Workspace, verdicts: list[Verdict], partition: str = "all") -> list[Verdict]:
    """Store verdicts and stop at the first shut one. Raises GateShut."""
    rows = [{**asdict(verdict), "partition": partition, "at": utc_now()} for verdict in verdicts]
    work.catalog.append("gates", partition, rows)
    for verdict in verdicts:
        if not verdict.passed:
            raise GateShut(f"gate {verdict.gate} is shut: {verdict.reason}")
    return verdicts


def stored_verdicts(work: Workspace, gates: list[str], partition: str = "all") -> list[Verdict]:
    """The newest stored verdict of each named gate; absent ones were never asked."""
    log = work.catalog.read("gates", partition).filter(pl.col("gate").is_in(gates)).sort("at")
    newest = {row["gate"]: row for row in log.iter_rows(named=True)}
    return [Verdict(row["gate"], row["passed"], row["level"], row["reason"]) for row in newest.values()]


# -- before splits -------------------------------------------------------------------------------------------------


def label_review(work: Workspace) -> Verdict:
    """Label accuracy of the reviewed sample against the bar (SVTA paper: above 97%)."""
    settings = gate_settings(work.profile.name)
    level = settings["label_review"]
    reason = "labels are not reviewed yet"
    if level == "shut":
        bar = settings["min_label_accuracy"]
        reason += f": review the 10% sample (bar {bar:.0%}), or set label_review: warn in svta_assets/gates.yaml"
    return Verdict.of("label_review", level, reason)


def taxonomy_approval(work: Workspace) -> Verdict:
    """Whether people have approved the current taxonomy version."""
    categories = work.catalog.read("categories")
    if categories.is_empty():
        return Verdict.of("taxonomy_approval", "shut", "there is no taxonomy yet: materialize clusters")
    version = categories["taxonomy"][0]
    if gate_settings(work.profile.name)["taxonomy_approval"] == "auto":
        return Verdict.of("taxonomy_approval", "ok", f"taxonomy {version} approved by the profile, not by people")
    approvals = {item.key.rsplit("/", 1)[-1] for item in work.store.list("taxonomy/approved")}
    if version in approvals:
        return Verdict.of("taxonomy_approval", "ok", f"taxonomy {version} is approved")
    reason = f"taxonomy {version} is not approved: look at it with `svta taxonomy`, then `svta taxonomy --approve`"
    return Verdict.of("taxonomy_approval", "shut", reason)


# -- before model_checkpoints --------------------------------------------------------------------------------------


def leakage(work: Workspace, release: "Release") -> Verdict:
    """Share of test captions that also stand in the training split."""
    ceiling = gate_settings(work.profile.name)["max_leakage"]
    frame = release.frame
    train = set(frame.filter(pl.col("split") == "train")["caption"].str.to_lowercase())
    test = frame.filter(pl.col("split") == "test")["caption"].str.to_lowercase()
    share = sum(caption in train for caption in test) / len(test) if len(test) else 0.0
    text = f"{share:.1%} of the test captions also stand in training (ceiling {ceiling:.0%})"
    if share > ceiling:
        return Verdict.of("leakage", "shut", f"{text}: raise max_leakage in gates.yaml or remove the repeated captions")
    return Verdict.of("leakage", "warn" if share else "ok", text)


def one_generator(work: Workspace, release: "Release") -> Verdict:
    """A release must not mix clips of several generators: toy and real clips are never compared."""
    clips = work.catalog.read("clips").filter(pl.col("clip_id").is_in(release.frame["clip_id"].to_list()))
    generators = sorted(set(clips["generator"]))
    if len(generators) > 1:
        reason = f"release {release.hash} mixes clips of {', '.join(generators)}: regenerate with `mode: stale`"
        return Verdict.of("one_generator", "shut", reason)
    return Verdict.of("one_generator", "ok", f"all clips by {', '.join(generators) or 'nobody'}")


# -- before eval_tables --------------------------------------------------------------------------------------------


def train_meets_test(work: Workspace, trained_on: "Release", evaluated_on: "Release") -> Verdict:
    """Pairs a checkpoint was trained on must not be among the pairs it is evaluated on."""
    train = set(trained_on.frame.filter(pl.col("split") != "test")["pair_id"])
    test = evaluated_on.frame.filter(pl.col("split") == "test")["pair_id"]
    shared = sum(pair in train for pair in test)
    if shared > gate_settings(work.profile.name)["max_train_test_overlap"] * len(test):
        reason = f"{shared} of {len(test)} test pairs were trained on: train on release {evaluated_on.hash} first"
        return Verdict.of("train_meets_test", "shut", reason)
    return Verdict.of("train_meets_test", "ok", f"none of {len(test)} test pairs was trained on")


GATES_BEFORE: dict[str, tuple[str, ...]] = {
    "splits": ("label_review", "taxonomy_approval"),
    "model_checkpoints": ("leakage", "one_generator"),
    "eval_tables": ("train_meets_test",),
}
WORK_GATES: dict[str, Callable[[Workspace], Verdict]] = {
    "label_review": label_review,
    "taxonomy_approval": taxonomy_approval,
}
