"""Find the file of every video of a benchmark, and say of all that cannot be used what is wrong, in one go."""

import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from svta_assets.benchmarks.pairs import BenchmarkPairs
from svta_assets.benchmarks.settings import BenchmarkError, BenchmarkSettings
from svta_models.frames import DecodeError, probe_video

SUFFIXES = frozenset((".mp4", ".avi", ".mkv", ".webm", ".mov"))
SHOWN = 8  # names in an error; the list has all
PROBLEMS = {
    "missing": "no file",
    "name": "a file of a similar name, but not of this one",
    "twice": "several files",
    "unreadable": "the file cannot be read",
}
_MARKS = re.compile(r"(_?x264$)|[\W_]+")


@dataclass(frozen=True)
class Problem:
    """A video that cannot be used: `kind` is a key of PROBLEMS."""

    video: str
    kind: str
    detail: str


@dataclass(frozen=True)
class FoundVideos:
    """`paths`: pair_id -> file. `problems`: of the pairs that have none."""

    settings: BenchmarkSettings
    pairs: BenchmarkPairs
    paths: dict[str, Path]
    problems: list[Problem]

    def require_all(self, listed: Path | None = None) -> None:
        """Raise BenchmarkError for any problem, unless the settings allow it. `listed`: where all of them stand."""
        if self.problems and not self.settings.allow_missing:
            raise BenchmarkError(refusal(self.settings, self.problems, self.pairs.kept.height, listed))


def find_videos(settings: BenchmarkSettings, pairs: BenchmarkPairs) -> FoundVideos:
    """Match every pair's video with a file by the name rule and read its header."""
    files = _files(settings.videos)
    by_stem: dict[str, list[Path]] = defaultdict(list)
    by_name: dict[str, list[Path]] = defaultdict(list)
    for path in files:
        by_stem[path.stem].append(path)
        by_name[path.name].append(path)
    similar = {_plain(stem): paths for stem, paths in by_stem.items()}
    found, problems = {}, []
    for pair, video in pairs.kept.select("pair_id", "video").iter_rows():
        rule = settings.names
        candidates = by_name.get(rule.replace("{video}", video), []) if rule else by_stem.get(video, [])
        problem = _problem(video, candidates, similar.get(_plain(video), []))
        if problem:
            problems.append(problem)
        else:
            found[pair] = candidates[0]
    return FoundVideos(settings, pairs, found, problems)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())


def _plain(stem: str) -> str:
    """A name without what often differs: case, marks and UCF-Crime's codec."""
    return _MARKS.sub("", stem.casefold())


def _problem(video: str, candidates: list[Path], similar: list[Path]) -> Problem | None:
    if len(candidates) > 1:
        return Problem(video, "twice", ", ".join(map(str, candidates)))
    if not candidates:
        return Problem(video, "name" if similar else "missing", ", ".join(map(str, similar)))
    try:
        info = probe_video(candidates[0])
    except DecodeError as error:
        return Problem(video, "unreadable", str(error))
    return None if info.frames and info.fps else Problem(video, "unreadable", f"{candidates[0]} says it has no frames")


def refusal(settings: BenchmarkSettings, problems: list[Problem], pairs: int, listed: Path | None) -> str:
    """What to say of problems: how many of each kind, the first names, where all are, and what to do."""
    lines = [f"benchmark {settings.name}: {len(problems)} of {pairs} videos in {settings.videos} cannot be used"]
    for kind, meaning in PROBLEMS.items():
        ours = [problem for problem in problems if problem.kind == kind]
        if ours:
            names = ", ".join(problem.video + _hint(problem) for problem in ours[:SHOWN])
            lines.append(f"  {len(ours)} {meaning}: {names}" + (", ..." if len(ours) > SHOWN else ""))
    lines += [f"  all of them: {listed}"] if listed else []
    lines.append(
        f"put the files there, set `names:`, or set `allow_missing: true` for {settings.name} in benchmarks.yaml to "
        "evaluate on the others"
    )
    return "\n".join(lines)


def _hint(problem: Problem) -> str:
    return f" (found {problem.detail})" if problem.kind == "name" else ""


def videos_table(found: FoundVideos) -> pl.DataFrame:
    """One row per annotation: what was decided, its file, and what is wrong with it."""
    problems = {problem.video: problem for problem in found.problems}
    rows = [
        {
            **row,
            "file": str(found.paths[row["pair_id"]]) if row["pair_id"] in found.paths else None,
            "problem": problems[row["video"]].kind if row["video"] in problems else None,
            "detail": problems[row["video"]].detail if row["video"] in problems else None,
        }
        for row in found.pairs.listed.iter_rows(named=True)
    ]
    return pl.DataFrame(rows, schema_overrides={"file": pl.String, "problem": pl.String, "detail": pl.String})
