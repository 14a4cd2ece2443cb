"""Zero-shot on real videos: what is missing is named, the rest is evaluated, and contamination is said."""

import shutil
from pathlib import Path

import polars as pl
import pytest

from svta_assets.benchmarks.ready import pairs_file, ready_benchmarks
from svta_assets.benchmarks.settings import BenchmarkError, read_benchmarks
from svta_assets.tables.evaluate import evaluate_model
from svta_assets.tables.misses import misses
from svta_assets.tables.render import write_tables
from svta_assets.workspace import Workspace
from tests.stages.evaluated_home import MODEL, VIDEOS, make_benchmark, make_home, write_settings


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_benchmark(tmp_path_factory.mktemp("sources"))


@pytest.fixture
def own_sources(sources: Path, tmp_path: Path) -> Path:
    """The sources to change; `SVTA_SOURCES_DIR` leads to them."""
    return Path(shutil.copytree(sources, tmp_path / "sources"))


@pytest.fixture
def work(tmp_path: Path) -> Workspace:
    return make_home(tmp_path / "home")


def _environ(folder: Path) -> dict[str, str]:
    return {"SVTA_SOURCES_DIR": str(folder)}


@pytest.fixture
def evaluated(work: Workspace, sources: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """The home after an evaluation on SVTA's test split and the dozen videos; their texts stand in `texts`."""
    monkeypatch.setenv("SVTA_SOURCES_DIR", str(sources))
    evaluate_model(work, MODEL, "latest", say=lambda line: None)
    return work


def test_a_complete_benchmark_gives_a_row_a_direction_and_a_rank_a_query(evaluated: Workspace) -> None:
    rows = evaluated.catalog.read("evaluations", MODEL).filter(benchmark="ucfcrime_ar")
    assert rows.select("direction", "pairs", "missing").sort("direction").rows() == [("t2v", 12, 0), ("v2t", 12, 0)]
    # The two equal captions tie with each other: two more ranks video to text, none text to video (all videos differ).
    assert dict(rows.select("direction", "ranks").iter_rows()) == {"t2v": 12, "v2t": 14}
    ranks = evaluated.catalog.read("query_ranks", MODEL).filter(benchmark="ucfcrime_ar", direction="t2v")
    assert ranks.height == 12
    assert set(ranks["category"]) == {
        "Abuse", "Arrest", "Arson", "Assault", "Burglary", "Explosion", "Fighting", "RoadAccidents", "Vandalism", "Normal",
    }  # fmt: skip
    assert not list((evaluated.home.path / "work").rglob("*.safetensors")), "what was kept to go on from is done with"


def test_the_zero_shot_table_stands_beside_the_papers_with_contamination(evaluated: Workspace) -> None:
    table = write_tables(evaluated)["table3"]
    assert "23.6" in table  # CLIP4Clip-MeanP in Table 3
    assert "Ours: 12 real videos" in table
    assert "0 of 12: equal captions" in table
    assert "12 untouched of 12 pairs" in table
    assert evaluated.catalog.read("evaluations", MODEL)["data_sha"].drop_nulls()[-1] in table
    reports = evaluated.home.path / "reports"
    assert pl.read_csv(reports / "table3.csv").filter(row="difference", direction="t2v").height == 1
    by_category = (reports / f"categories_ucfcrime_ar_{MODEL}.md").read_text()
    assert "| Normal | 3 |" in by_category and "--misses --benchmark ucfcrime_ar" in by_category


def test_misses_of_a_real_benchmark_lead_to_the_files(evaluated: Workspace) -> None:
    found = misses(evaluated, MODEL, "ucfcrime_ar")
    assert found["rank"].to_list() == sorted(found["rank"], reverse=True)
    assert found.height and all(Path(file).is_file() for file in (*found["file"], *found["wrong_file"]))
    assert set(found["caption"]) <= {caption for caption, _ in VIDEOS.values()}


def test_everything_wrong_is_named_at_once_and_nothing_is_evaluated(
    work: Workspace, own_sources: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SVTA_SOURCES_DIR", str(own_sources))
    anomaly, normal = own_sources / "videos" / "Anomaly", own_sources / "videos" / "Testing_Normal_Videos_Anomaly"
    (anomaly / "Abuse028_x264.mp4").unlink()
    (anomaly / "Arrest001_x264.mp4").write_bytes(b"no video at all")
    (normal / "Normal_Videos_003_x264.mp4").rename(normal / "Normal_Videos003_x264.mp4")
    shutil.copy(anomaly / "Arson009_x264.mp4", normal)
    with pytest.raises(BenchmarkError) as raised:
        evaluate_model(work, MODEL, "latest", say=lambda line: None)
    said = str(raised.value)
    assert "4 of 12 videos" in said
    assert "1 no file: Abuse028_x264" in said
    assert "1 the file cannot be read: Arrest001_x264" in said
    assert "Normal_Videos_003_x264 (found " in said and "Normal_Videos003_x264.mp4)" in said
    assert "1 several files: Arson009_x264" in said
    assert "allow_missing" in said
    listed = pl.read_csv(pairs_file(work, "ucfcrime_ar")).drop_nulls("problem").sort("video")
    assert listed["problem"].to_list() == ["missing", "unreadable", "twice", "name"]
    assert work.catalog.read("evaluations", MODEL).is_empty(), "found before anything is evaluated"


def test_with_allow_missing_the_others_are_evaluated_and_the_table_says_so(
    work: Workspace, own_sources: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SVTA_SOURCES_DIR", str(own_sources))
    write_settings(own_sources, allow_missing=True)
    (own_sources / "videos" / "Anomaly" / "Abuse028_x264.mp4").unlink()
    evaluate_model(work, MODEL, "latest", say=lambda line: None)
    rows = work.catalog.read("evaluations", MODEL).filter(benchmark="ucfcrime_ar")
    assert set(rows.select("pairs", "missing").iter_rows()) == {(11, 1)}
    assert "**1 of 12 are missing**" in write_tables(work)["table3"]


def _with_broken_pictures(path: Path) -> None:
    """Keep the header and destroy every picture."""
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat") + 4
    end = data.index(b"moov") - 4
    data[start:end] = bytes(end - start)
    path.write_bytes(data)


def test_pictures_that_do_not_decode_are_found_named_and_may_be_left_out(
    work: Workspace, own_sources: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SVTA_SOURCES_DIR", str(own_sources))
    broken = own_sources / "videos" / "Anomaly" / "Fighting018_x264.mp4"
    _with_broken_pictures(broken)
    with pytest.raises(BenchmarkError, match=r"1 of 12 videos[\s\S]*the file cannot be read: Fighting018_x264"):
        evaluate_model(work, MODEL, "latest", say=lambda line: None)
    done = work.catalog.read("evaluations", MODEL)
    assert set(done["benchmark"]) == {"svta"}, "Table 2's rows are kept"
    write_settings(own_sources, allow_missing=True)
    evaluate_model(work, MODEL, "latest", say=lambda line: None)
    rows = work.catalog.read("evaluations", MODEL).filter(benchmark="ucfcrime_ar")
    assert set(rows.select("pairs", "missing").iter_rows()) == {(11, 1)}
    listed = pl.read_csv(pairs_file(work, "ucfcrime_ar")).drop_nulls("problem")
    assert listed.select("video", "problem").rows() == [("Fighting018_x264", "unreadable")]


def test_a_wrong_number_of_captions_is_refused(work: Workspace, own_sources: Path) -> None:
    write_settings(own_sources, pairs=290)
    with pytest.raises(BenchmarkError, match=r"gives 12 pairs of ucfcrime_ar, not 290"):
        ready_benchmarks(work, environ=_environ(own_sources))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"videos": "nowhere"}, "nowhere is no folder"),
        ({"vidoes": "videos"}, "unknown setting vidoes"),
        ({"names": "video.mp4"}, "must be a file name with {video} in it"),
        ({"pairs": "many"}, "is no number of pairs"),
        ({"allow_missing": "perhaps"}, "is neither true nor false"),
        ({"captions": "nowhere"}, "nowhere is no folder"),
    ],
)
def test_settings_without_meaning_are_refused_by_name(
    own_sources: Path, changed: dict[str, object], message: str
) -> None:
    write_settings(own_sources, **changed)
    with pytest.raises(BenchmarkError) as raised:
        read_benchmarks(_environ(own_sources))
    assert message in str(raised.value) and "benchmarks.yaml, ucfcrime_ar" in str(raised.value)


def test_benchmarks_are_configured_by_a_file_named_in_the_environment(own_sources: Path, tmp_path: Path) -> None:
    assert read_benchmarks({}) == {}
    assert set(read_benchmarks(_environ(own_sources))) == {"ucfcrime_ar"}
    with pytest.raises(BenchmarkError, match="SVTA_BENCHMARKS is .*absent.yaml, which is no file"):
        read_benchmarks({"SVTA_BENCHMARKS": str(tmp_path / "absent.yaml")})
    other = tmp_path / "mine.yaml"
    other.write_text(f"ucfcrime_ar: {{videos: {own_sources}/videos, captions: {own_sources}/ucfcrime_ar, pairs: 12}}\n")
    assert read_benchmarks({"SVTA_BENCHMARKS": str(other)})["ucfcrime_ar"].pairs == 12


def test_a_benchmark_that_is_asked_for_and_not_configured_is_refused(work: Workspace, own_sources: Path) -> None:
    with pytest.raises(BenchmarkError, match="no benchmark oops is configured"):
        ready_benchmarks(work, ["oops"], _environ(own_sources))
    assert ready_benchmarks(work, [], _environ(own_sources)) == []
