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
    """Whether enough of the sample of labels was judged, and its accuracy reaches the bar (SVTA paper: above 97%)."""
    from svta_assets.labels.review_report import label_report

    settings = gate_settings(work.profile.name)
    limits, level = settings["labels"], settings["label_review"]
    report = label_report(work, limits["sample"])
    total, bar = report.total, limits["min_accuracy"]
    if total.share is None or report.now is None:
        reason = "labels are not reviewed yet"
        if level == "shut":
            reason += f": review the {report.share:.0%} sample (bar {bar:.0%}) with `svta review labels --sample`, "
            reason += "or set label_review: warn in svta_assets/gates.yaml"
        return Verdict.of("label_review", level, reason)
    found = f"{report.now:.1%} of the labels are right by {total.judged} of a sample of {total.sample}"
    if total.judged < limits["reviewed"] * total.sample:
        needed = f"of which {limits['reviewed']:.0%} must be judged: `svta review labels --sample` writes it anew"
        return Verdict.of("label_review", level, f"{found}, {needed}")
    found += f" ({total.share:.1%} as labelled, 95% interval {total.low:.1%} to {total.high:.1%}), bar {bar:.0%}"
    if report.now < bar:
        waiting = f"; {report.waiting} corrections wait: materialize labels" if report.waiting else ""
        return Verdict.of("label_review", level, f"{found}{waiting}; `svta review labels --report` shows where")
    return Verdict.of("label_review", "ok", found)


def taxonomy_approval(work: Workspace) -> Verdict:
    """Whether people have approved the current taxonomy version, or it only adds names to one they approved."""
    from svta_assets.clusters.versions import is_approved, last_entry

    categories = work.catalog.read("categories")
    if categories.is_empty():
        return Verdict.of("taxonomy_approval", "shut", "there is no taxonomy yet: materialize clusters")
    version = categories["taxonomy"][0]
    if gate_settings(work.profile.name)["taxonomy_approval"] == "auto":
        return Verdict.of("taxonomy_approval", "ok", f"taxonomy {version} approved by the profile, not by people")
    if is_approved(work, version):
        return Verdict.of("taxonomy_approval", "ok", f"taxonomy {version} is approved")
    parent = (last_entry(work, version) or {}).get("parent")
    look = f"`svta taxonomy diff {parent} {version}`" if parent else "`svta taxonomy`"
    reason = f"taxonomy {version} is not approved: look at it with {look}, then `svta taxonomy --approve`"
    return Verdict.of("taxonomy_approval", "shut", reason)


# -- before model_checkpoints --------------------------------------------------------------------------------------


def leakage(work: Workspace, release: "Release") -> Verdict:
    """What the test pairs share with training pairs, against the ceilings of gates.yaml."""
    from svta_assets.splits.leakage import find_leaks, share_of
    from svta_assets.splits.release import source_videos

    ceilings = gate_settings(work.profile.name)["max_leakage"]
    leaks = work.catalog.read("leakage", release.hash)
    if leaks.is_empty():  # a release from elsewhere, or of before the report
        leaks = find_leaks(release.frame, dict(source_videos(work).iter_rows()))
    shares = {kind: share_of(leaks, kind) for kind in ceilings}
    parts = [
        f"{shares[kind]:.1%} of the test {_SHARED[kind]} (ceiling {ceiling:.0%})" for kind, ceiling in ceilings.items()
    ]
    over = [place for place, (kind, ceiling) in enumerate(ceilings.items()) if shares[kind] > ceiling]
    if over:
        step = (
            "raise max_leakage in gates.yaml, remove what is repeated, or `svta release --resplit --strategy grouped`"
        )
        return Verdict.of("leakage", "shut", f"{'; '.join(parts[place] for place in over)}: {step}")
    identical = any(shares.get(kind) for kind in ("captions", "same_pixels"))
    return Verdict.of("leakage", "warn" if identical else "ok", "; ".join(parts))


_SHARED = {
    "captions": "captions also stand in training",
    "near_captions": "captions stand nearly so in training",
    "same_pixels": "clips also stand in training",
    "source_videos": "pairs share their source video with training",
}


def one_generator(work: Workspace, release: "Release") -> Verdict:
    """A release must not mix clips of several generators: toy and real clips are never compared."""
    clips = work.catalog.read("clips").filter(pl.col("clip_id").is_in(release.frame["clip_id"].to_list()))
    generators = sorted(set(clips["generator"]))
    if len(generators) > 1:
        reason = f"release {release.hash} mixes clips of {', '.join(generators)}: regenerate with `mode: stale`"
        return Verdict.of("one_generator", "shut", reason)
    return Verdict.of("one_generator", "ok", f"all clips by {', '.join(generators) or 'nobody'}")


# -- before eval_tables --------------------------------------------------------------------------------------------


def train_meets_test(work: Workspace, trained_on: "Release | None", evaluated_on: "Release") -> Verdict:
    """Pairs a checkpoint was trained on must not be among the pairs it is evaluated on (None: published weights)."""
    if trained_on is None:
        return Verdict.of("train_meets_test", "ok", "published weights, trained on no release")
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
