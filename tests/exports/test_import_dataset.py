"""An existing dataset as a release: its split, bad rows named, stopped and repeated imports, one category made anew."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from svta_assets.clusters.organize import organize_labels
from svta_assets.exports import importing
from svta_assets.exports.checking import SPLIT_WORDS
from svta_assets.exports.export import FORMATS, Settings, export_release
from svta_assets.labels.facts import label_category
from svta_assets.splits.release import write_splits_and_release
from svta_assets.videos.plan import Mode
from svta_assets.videos.produce import produce
from svta_assets.workspace import Workspace, prepare_workspace
from svta_models.identity import text_id
from svta_models.media_store import sha256_hex
from svta_models.release import open_release, release_log, release_names
from svta_resources.profiles import PROFILES, Home
from svta_resources.video.clip_worker import ClipWorker
from svta_resources.video.encode import encode_mp4
from svta_resources.video.pool import InlinePool
from tests.exports.conftest import Svta
from tests.stages.toy_category import ToyGenerator
from tests.toy_home import clean_environment

CATEGORIES = {"Fire": "anomaly", "theft of a bicycle": "anomaly", "walking a dog": "normal"}
SPLITS = ("train", "train", "train", "Validation", "test")


def _mp4(seed: int) -> bytes:
    frames = np.random.default_rng(seed).integers(0, 255, (4, 32, 32, 3), dtype=np.uint8)
    return encode_mp4(frames, 8)


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fifteen clips of three categories with the CSV that came with them."""
    folder = tmp_path_factory.mktemp("theirs") / "dataset"
    (folder / "clips").mkdir(parents=True)
    rows = []
    for place, (category, kind) in enumerate(CATEGORIES.items()):
        for number, split in enumerate(SPLITS):
            name = f"clips/{place}_{number}.mp4"
            (folder / name).write_bytes(_mp4(10 * place + number))
            rows.append([name, f"A {category}, view {number}.", category, split, kind])
    _write_table(folder, rows)
    return folder


def _write_table(folder: Path, rows: list[list[str]]) -> None:
    with open(folder / "annotations.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["video_path", "caption", "category", "split", "kind"])
        writer.writerows(rows)


def _rows(folder: Path) -> list[list[str]]:
    with open(folder / "annotations.csv", newline="") as file:
        return list(csv.reader(file))[1:]


@pytest.fixture
def theirs(dataset: Path, tmp_path: Path) -> Path:
    """The same dataset, to change."""
    return Path(shutil.copytree(dataset, tmp_path / "theirs"))


@pytest.fixture
def ask_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not load a language model where every label has a name already."""
    monkeypatch.setenv("SVTA_LABEL_ASK", "unnamed")


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home that nothing was written to, which the environment leads to."""
    path = tmp_path / "import-home"
    for name, value in clean_environment(path).items():
        monkeypatch.delenv(name, raising=False) if value is None else monkeypatch.setenv(name, value)
    return path


def _open(path: Path) -> Workspace:
    return prepare_workspace(Home(PROFILES["demo"], path, str(path)))


def test_a_folder_becomes_a_release_with_its_own_split(dataset: Path, empty: Path, svta: Svta) -> None:
    code, out, err = svta("import", "folder", str(dataset), "--name", "bikes")
    assert code == 0, err
    assert "15 of 15 rows can be imported (train 9, val 3, test 3)" in out and "named bikes" in out
    release = open_release(empty, "bikes", split="all")
    splits = {word: split for split, words in SPLIT_WORDS.items() for word in words}
    for file, caption, _, split, kind in _rows(dataset):
        row = release.frame.filter(pair_id=text_id("imported:bikes", file)).row(0, named=True)
        assert row["caption"] == caption and row["kind"] == kind and row["split"] == splits[split.lower()]
        assert row["final_category"].startswith(f"{kind}-0") and row["group"]
        assert release.clip_bytes(row) == (dataset / file).read_bytes()
    assert release.frame["final_category"].n_unique() == len(CATEGORIES)
    keys = dict(release.frame.select("final_category", "category").unique().iter_rows())
    assert keys["anomaly-01-fire"] == "fire", "the generation category of the same name"
    assert keys["anomaly-02-theft-of-a-bicycle"] == "stealing", "the one whose name is nearest"
    assert keys["normal-01-walking-a-dog"].startswith("normal-")
    clips = _open(empty).catalog.read("clips")
    assert set(clips["generator"]) == {"imported:bikes"} and set(clips["frames"]) == {4}
    sample = open_release(empty, "bikes", split="test").dataset(max_frames=4)[0]
    assert sample["frames"].shape == (4, 32, 32, 3) and sample["mask"].tolist() == [1, 1, 1, 1]
    assert svta("verify")[0] == 0


def test_a_second_import_changes_nothing_and_gives_the_same_release(dataset: Path, empty: Path, svta: Svta) -> None:
    svta("import", "folder", str(dataset), "--name", "bikes")
    work = _open(empty)
    tables = ("texts", "descriptions", "clips", "labels", "categories", "assignments", "splits", "releases")
    before = {name: work.catalog.read(name) for name in tables}
    code, out, _ = svta("import", "folder", str(dataset), "--name", "bikes")
    assert code == 0 and "0 clips copied, 15 were there" in out
    assert {name: work.catalog.read(name).equals(rows) for name, rows in before.items()} == dict.fromkeys(tables, True)
    assert len(release_log(work.store)) == 1
    other = _open(empty.parent / "other")
    records = importing_records(dataset)
    checked = importing.check_dataset(other, "bikes", records, empty.parent / "r.csv", importing.Choices())
    assert importing.import_dataset(other, checked).release == release_log(work.store)[-1].hash, "in any home"


def importing_records(folder: Path) -> list[importing.Record]:
    from svta_assets.exports.records import read_folder

    return read_folder(folder, None, {})


def test_bad_rows_are_named_and_the_rest_is_imported(theirs: Path, empty: Path, svta: Svta) -> None:
    rows = _rows(theirs)
    whole = (theirs / rows[0][0]).read_bytes()
    (theirs / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    (theirs / "text.mp4").write_text("this is no video")
    secret = theirs.parent / "secret.mp4"
    secret.write_bytes(whole)
    bad = {
        "gone.mp4": ["gone.mp4", "A man.", "fire", "train", "anomaly"],
        "cut.mp4": ["cut.mp4", "A man.", "fire", "train", "anomaly"],
        "text.mp4": ["text.mp4", "A man.", "fire", "train", "anomaly"],
        "../secret.mp4": ["../secret.mp4", "A man.", "fire", "train", "anomaly"],
        str(secret): [str(secret), "A man.", "fire", "train", "anomaly"],
        "1.mp4": ["1.mp4", "A man.", "fire", "holdout", "anomaly"],
        "2.mp4": ["2.mp4", " ...", "fire", "train", "anomaly"],
        "3.mp4": ["3.mp4", "A man.", "", "train", "anomaly"],
        "4.mp4": ["4.mp4", "A man.", "juggling", "train", ""],
        "5.mp4": ["5.mp4", "A man.", "fire", "train", "perhaps"],
    }
    _write_table(theirs, [*rows, *bad.values(), rows[3]])
    code, out, _ = svta("import", "folder", str(theirs), "--name", "bikes")
    assert code == 0 and "14 of 26 rows can be imported" in out and "12 rows are left out" in out
    table = pl.read_csv(empty / "reports" / "import-bikes-rejects.csv")
    reasons = {key: (place, reason) for place, key, reason, _ in table.iter_rows()}
    assert {key: reason for key, (_, reason) in reasons.items()} == {
        "gone.mp4": "missing file",
        "cut.mp4": "unreadable mp4",
        "text.mp4": "no mp4",
        "../secret.mp4": "missing file",
        str(secret): "missing file",
        "1.mp4": "unknown split",
        "2.mp4": "empty caption",
        "3.mp4": "no category",
        "4.mp4": "no kind",
        "5.mp4": "unknown kind",
        rows[3][0]: "repeated key",
    }
    assert table.filter(pl.col("key") == rows[3][0]).height == 2, "which of the two is right, nobody knows"
    assert reasons["gone.mp4"][0] == "annotations.csv, row 16"
    assert _open(empty).catalog.read("rejects").filter(stage="import").height == 12
    assert open_release(empty, "bikes", split="all").frame.height == 14


def test_nothing_is_written_before_everything_is_checked(theirs: Path, empty: Path, svta: Svta) -> None:
    _write_table(theirs, [["gone.mp4", "A man.", "fire", "train", "anomaly"]])
    code, _, err = svta("import", "folder", str(theirs), "--name", "bikes")
    assert code == 1 and "none of 1 rows can be imported" in err and "missing file" in err
    assert [path.name for path in empty.rglob("*") if path.is_file()] == ["import-bikes-rejects.csv"]
    (theirs / "annotations.csv").unlink()
    assert svta("import", "folder", str(theirs), "--name", "bikes")[0] == 1
    assert not (empty / "clips").exists()


def test_check_alone_writes_only_the_rejects(dataset: Path, empty: Path, svta: Svta) -> None:
    code, out, _ = svta("import", "folder", str(dataset), "--name", "bikes", "--check")
    assert code == 0 and "nothing is imported" in out and "walking a dog" in out
    assert [path.name for path in empty.rglob("*") if path.is_file()] == ["import-bikes-rejects.csv"]


def test_a_stopped_import_has_no_release_and_goes_on(
    dataset: Path, empty: Path, svta: Svta, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = importing._write_clip
    left = 7

    def stops(*arguments: object) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        write(*arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(importing, "_write_clip", stops)
        assert svta("import", "folder", str(dataset), "--name", "bikes")[0] == 130
    assert release_log(_open(empty).store) == []
    code, out, _ = svta("import", "folder", str(dataset), "--name", "bikes")
    assert code == 0 and "8 clips copied, 7 were there" in out
    assert open_release(empty, "bikes", split="all").frame.height == 15
    assert svta("verify")[0] == 0


def test_a_home_with_other_clips_and_a_changed_clip_are_refused(
    dataset: Path, own_copy: Workspace, empty: Path, svta: Svta, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _, err = svta("import", "folder", str(dataset), "--name", "bikes")
    assert code == 0
    code, _, err = svta("import", "folder", str(dataset), "--name", "cars")
    assert code == 1 and "holds imported:bikes" in err and "SVTA_HOME" in err
    monkeypatch.setenv("SVTA_HOME", str(own_copy.home.path))
    before = release_log(own_copy.store)
    code, _, err = svta("import", "folder", str(dataset), "--name", "bikes")
    assert code == 1 and "a home of its own" in err
    assert release_log(own_copy.store) == before


def test_what_changed_in_the_dataset_is_a_new_release_and_the_name_stays(theirs: Path, empty: Path, svta: Svta) -> None:
    svta("import", "folder", str(theirs), "--name", "bikes")
    first = open_release(empty, "bikes", split="all").frame
    rows = _rows(theirs)
    gone, corrected, moved, reshot = rows[0], rows[1], rows[2], rows[5]
    corrected[1], moved[3] = "A fire in a barn.", "test"
    (theirs / reshot[0]).write_bytes(_mp4(99))
    _write_table(theirs, rows[1:])
    code, out, _ = svta("import", "folder", str(theirs), "--name", "bikes")
    assert code == 0 and "the name bikes stays" in out
    latest = open_release(empty, split="all").frame
    assert open_release(empty, "bikes", split="all").frame.equals(first)
    ids = {name: text_id("imported:bikes", row[0]) for name, row in
           {"gone": gone, "corrected": corrected, "moved": moved, "reshot": reshot}.items()}  # fmt: skip
    now = {row["pair_id"]: row for row in latest.iter_rows(named=True)}
    assert set(first["pair_id"]) - set(now) == {ids["gone"]}
    assert now[ids["corrected"]]["caption"] == "A fire in a barn." and now[ids["moved"]]["split"] == "test"
    assert now[ids["reshot"]]["sha256"] == sha256_hex((theirs / reshot[0]).read_bytes())
    same = first.filter(~pl.col("pair_id").is_in(list(ids.values())))
    assert latest.filter(pl.col("pair_id").is_in(same["pair_id"].to_list())).equals(same)


@pytest.mark.parametrize("form", FORMATS)
def test_an_export_is_imported_with_its_categories_splits_and_clips(
    small: Workspace, rows: pl.DataFrame, tmp_path: Path, empty: Path, svta: Svta, form: str
) -> None:
    export_release(small, form, tmp_path / "e", "v1", Settings(shard_clips=5))
    code, _, err = svta("import", "svta", str(tmp_path / "e"), "--name", "again")
    assert code == 0, err
    found = open_release(empty, "again", split="all").frame
    prefix = "video" if form == "msrvtt" else ""
    ids = {text_id("imported:again", prefix + pair): pair for pair in rows["pair_id"]}
    names = ["pair_id", "caption", "sha256", "final_category", "kind", "split"]
    if form != "msrvtt":  # that layout has no generation category: the one of the same meaning is taken
        names.append("category")
    again = found.with_columns(pl.col("pair_id").replace_strict(ids)).select(names).sort("pair_id")
    assert again.equals(rows.with_columns(pl.col("caption").str.strip_chars()).select(names).sort("pair_id"))


def test_an_unfinished_export_and_an_unknown_folder_are_not_read(tmp_path: Path, empty: Path, svta: Svta) -> None:
    folder = tmp_path / "e"
    folder.mkdir()
    code, _, err = svta("import", "svta", str(folder), "--name", "x1")
    assert code == 1 and "svta import folder" in err
    (folder / ".svta-export.jsonl").write_text('{"format": "webdataset", "release": "r", "settings": {}}\n')
    code, _, err = svta("import", "svta", str(folder), "--name", "x1")
    assert code == 1 and "unfinished export" in err


def test_json_with_other_column_names_and_a_chosen_generation_category(
    dataset: Path, tmp_path: Path, empty: Path, svta: Svta
) -> None:
    listed = [{"mp4": row[0], "words": row[1], "action": row[2], "part": row[3]} for row in _rows(dataset)]
    table = tmp_path / "table.json"
    table.write_text(json.dumps(listed))
    given = ["import", "folder", str(dataset), "--name", "bikes", "--table", str(table)]
    code, _, err = svta(*given)
    assert code == 1 and "no column for file, caption, split" in err and "--column file=NAME" in err
    given += ["--column", "file=mp4", "--column", "caption=words", "--column", "split=part"]
    _, out, _ = svta(*given, "--check")
    assert "5 of 15 rows" in out and "no kind: 10" in out, "whether walking a dog is normal is written nowhere"
    table.write_text(json.dumps([{**row, "kind": CATEGORIES[row["action"]]} for row in listed]))
    code, _, err = svta(*given, "--map", "theft of a bicycle=burglarry")
    assert code == 2 and "burglary" in err
    code, _, err = svta(*given, "--map", "walking a dog=fire")
    assert code == 2 and "'walking a dog' is normal" in err
    assert svta(*given, "--map", "theft of a bicycle=burglary")[0] == 0
    frame = open_release(empty, "bikes", split="all").frame
    assert set(frame.filter(pl.col("caption").str.contains("bicycle"))["category"]) == {"burglary"}


def _regenerate(work: Workspace, key: str) -> None:
    """What `svta regen KEY` runs, here without Dagster's runs: videos, labels, clusters, splits."""
    generator = ToyGenerator()
    work.__dict__["generator"] = generator
    produce(
        work, key, Mode.NEW_TAKE, None, InlinePool(lambda: ClipWorker(generator, work.store, "own")), lambda *_: None
    )
    label_category(work, key, "run")
    organize_labels(work)
    write_splits_and_release(work)


@pytest.mark.usefixtures("ask_little")
def test_one_category_is_regenerated_by_ones_own_generator_and_all_else_stays(
    dataset: Path, empty: Path, svta: Svta
) -> None:
    svta("import", "folder", str(dataset), "--name", "bikes")
    before = open_release(empty, "bikes", split="all").frame
    _regenerate(_open(empty), "fire")
    after = open_release(empty, split="all").frame
    fire = pl.col("category") == "fire"
    names = ["clip_id", "uri", "sha256"]
    assert before.filter(~fire).equals(after.filter(~fire)), "not a byte of the rest"
    assert before.drop(names).equals(after.drop(names)), "captions, categories and splits of all pairs"
    assert set(after.filter(fire)["clip_id"].str.slice(-2)) == {"-1"}, "all five clips are new takes"
    clips = _open(empty).catalog.read("clips").filter("current")
    made = dict(clips.select("pair_id", "generator").iter_rows())
    assert {made[pair] for pair in after.filter(fire)["pair_id"]} == {"own"}
    assert release_names(_open(empty).store)["bikes"] != release_log(_open(empty).store)[-1].hash
    assert svta("verify")[0] == 0
    assert svta("import", "folder", str(dataset), "--name", "bikes")[0] == 0
    assert open_release(empty, split="all").frame.equals(after), "importing again takes nothing back"


@pytest.mark.usefixtures("ask_little")
def test_a_category_under_another_name_keeps_its_name_when_its_clips_are_made_anew(
    dataset: Path, empty: Path, svta: Svta
) -> None:
    svta("import", "folder", str(dataset), "--name", "bikes")
    before = open_release(empty, "bikes", split="all").frame
    _regenerate(_open(empty), "stealing")
    after = open_release(empty, split="all").frame
    names = ["pair_id", "caption", "final_category", "kind", "group", "split"]
    assert after.select(names).equals(before.select(names))
    assert set(after.filter(category="stealing")["clip_id"].str.slice(-2)) == {"-1"}


def test_an_import_into_a_bucket(
    theirs: Path, empty: Path, svta: Svta, new_bucket: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _write_table(theirs, _rows(theirs)[2:5])
    url = new_bucket()
    monkeypatch.setenv("SVTA_MEDIA_URL", url)
    code, _, err = svta("import", "folder", str(theirs), "--name", "bikes")
    assert code == 0, err
    release = open_release(url, "bikes", split="test")
    assert [sha256_hex(release.clip_bytes(row)) for row in release.frame.iter_rows(named=True)] == list(
        release.frame["sha256"]
    )
