"""Everything about the configured benchmarks that can go wrong, found before a model is loaded."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from svta_assets.benchmarks.pairs import benchmark_pairs
from svta_assets.benchmarks.settings import FILE, SETTING, BenchmarkError, read_benchmarks
from svta_assets.benchmarks.videos import FoundVideos, Problem, find_videos, videos_table
from svta_assets.workspace import Workspace
from svta_models.gallery import VideoGallery


def ready_benchmarks(
    work: Workspace, names: Sequence[str] | None = None, environ: Mapping[str, str] | None = None
) -> list[FoundVideos]:
    """Read captions and find videos of the benchmarks (None: all that are configured); list them in `reports/`.

    Raises BenchmarkError that names what is wrong with all of them at once.
    """
    configured = read_benchmarks(environ)
    absent = [name for name in names or () if name not in configured]
    if absent:
        raise BenchmarkError(
            f"no benchmark {', '.join(absent)} is configured (there is {', '.join(configured) or 'none'}): describe it "
            f"in {FILE}, in SVTA_SOURCES_DIR or where {SETTING} says"
        )
    found, wrong = [], []
    for name in configured if names is None else names:
        try:
            videos = find_videos(configured[name], benchmark_pairs(configured[name]))
            videos.require_all(write_list(work, videos))
            found.append(videos)
        except BenchmarkError as error:
            wrong.append(str(error))
    if wrong:
        raise BenchmarkError("\n".join(wrong))
    return found


def write_list(work: Workspace, videos: FoundVideos) -> Path:
    """Write `reports/<benchmark>_pairs.csv`: every annotation, whether it is a pair and why not, its file."""
    path = pairs_file(work, videos.settings.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    videos_table(videos).write_csv(path)
    return path


def pairs_file(work: Workspace, benchmark: str) -> Path:
    """Where the list of a benchmark's pairs is."""
    return work.home.path / "reports" / f"{benchmark}_pairs.csv"


def gallery_of(videos: FoundVideos) -> VideoGallery:
    """The pairs whose video was found."""
    rows = videos.pairs.kept.filter(videos.pairs.kept["pair_id"].is_in(list(videos.paths)))
    if rows.is_empty():
        raise BenchmarkError(f"benchmark {videos.settings.name}: none of its videos is in {videos.settings.videos}")
    pair_ids = rows["pair_id"].to_list()
    paths = [videos.paths[pair] for pair in pair_ids]
    return VideoGallery(pair_ids, rows["caption"].to_list(), rows["category"].to_list(), paths)


def with_undecodable(videos: FoundVideos, gallery: VideoGallery, reasons: dict[int, str]) -> FoundVideos:
    """Add the files whose header was fine and whose pictures are not. `reasons`: number in the gallery -> why."""
    names = dict(videos.pairs.kept.select("pair_id", "video").iter_rows())
    problems = [Problem(names[gallery.pair_ids[number]], "unreadable", why) for number, why in reasons.items()]
    return replace(videos, problems=[*videos.problems, *problems])
