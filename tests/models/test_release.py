"""A release is named by its rows, never changes, and its log and names behave as people expect."""

import io

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from svta_models import open_release
from svta_models.media_store import open_store, sha256_hex
from svta_models.release import (
    COLUMNS,
    DamagedClip,
    Release,
    ReleaseError,
    name_release,
    read_rows,
    release_hash,
    release_log,
    release_names,
    resolve,
    write_release,
)
from tests.models.synthetic import make_release_rows


def rows(count: int = 6, caption: str = "A man falls.") -> pl.DataFrame:
    return pl.DataFrame(
        [
            {
                "pair_id": f"{number:020x}", "clip_id": f"{number:020x}-0", "uri": f"clips/falling/{number}.mp4",
                "sha256": f"{number:064x}", "caption": f"{caption} {number}", "category": "falling",
                "final_category": "Falling down", "kind": "anomaly", "group": None,
                "split": ("train", "val", "test")[number % 3],
            }
            for number in range(count)
        ],
        schema_overrides={"group": pl.String},
    )  # fmt: skip


@pytest.fixture
def store(tmp_path):
    return open_store(tmp_path)


def test_the_hash_is_a_constant_of_the_rows():
    # Written down once: a change here would rename every release people have cited.
    assert release_hash(rows()) == "0dfb7cffe71edbc3"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(order=st.permutations(range(6)), columns=st.permutations(COLUMNS))
def test_order_of_rows_and_columns_does_not_change_the_hash(order, columns):
    assert release_hash(rows()[list(order)].select(columns)) == release_hash(rows())


@given(st.integers(0, 5), st.sampled_from([name for name in COLUMNS if name not in ("split", "pair_id")]))
def test_any_changed_cell_changes_the_hash(row, column):
    changed = rows().with_columns(
        pl.when(pl.int_range(pl.len()) == row).then(pl.lit("changed")).otherwise(pl.col(column)).alias(column)
    )
    assert release_hash(changed) != release_hash(rows())


def test_the_parquet_writer_does_not_matter(store):
    digest = write_release(store, rows())
    other = io.BytesIO()
    rows().write_parquet(other, compression="uncompressed", row_group_size=2)
    store.put(f"releases/{digest}.parquet", other.getvalue())
    assert read_rows(store, digest).equals(rows())


def test_writing_again_adds_nothing_and_going_back_adds_an_entry(store):
    first = write_release(store, rows())
    assert write_release(store, rows()[::-1]) == first
    second = write_release(store, rows(caption="A woman falls."))
    assert resolve(store) == second != first
    assert write_release(store, rows()) == first
    assert [entry.hash for entry in release_log(store)] == [first, second, first]
    assert resolve(store) == first


def test_a_clock_set_back_does_not_bring_an_old_release_back(store, monkeypatch):
    write_release(store, rows())
    monkeypatch.setattr("svta_models.release.time.time_ns", lambda: 1)
    second = write_release(store, rows(caption="Later."))
    assert resolve(store) == second


def test_names_never_move(store):
    first = write_release(store, rows())
    assert name_release(store, "v1") == first
    assert name_release(store, "v1", first) == first
    second = write_release(store, rows(caption="New."))
    with pytest.raises(ReleaseError, match=f"'v1' already belongs to release {first}"):
        name_release(store, "v1")
    assert name_release(store, "v2") == second
    assert release_names(store) == {"v1": first, "v2": second}
    assert resolve(store, "v1") == resolve(store, first) == first


@pytest.mark.parametrize("name", ["latest", "0123456789abcdef", "a/b", "", "../x"])
def test_names_that_would_confuse_are_refused(store, name):
    write_release(store, rows())
    with pytest.raises(ReleaseError, match="cannot name a release"):
        name_release(store, name)


def test_errors_say_what_there_is_instead(store):
    with pytest.raises(ReleaseError, match=r"no release in .* yet: materialize `splits`"):
        open_release(store.url)
    digest = write_release(store, rows())
    with pytest.raises(ReleaseError, match=f"no release 'v9'.*latest, {digest}"):
        open_release(store.url, release="v9")
    with pytest.raises(ReleaseError, match=r"no split 'dev': use one of train, val, test"):
        open_release(store.url, split="dev")
    with pytest.raises(ReleaseError, match=r"no category 'faling'.*falling"):
        open_release(store.url, category="faling")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.drop("uri"), "missing: uri"),
        (lambda frame: pl.concat([frame, frame[:1]]), "listed twice"),
        (lambda frame: frame.with_columns(split=pl.lit("dev")), "split outside train, val, test"),
        (lambda frame: frame.with_columns(sha256=pl.lit(None, dtype=pl.String)), "has no sha256"),
    ],
)
def test_rows_that_are_no_release_write_nothing(store, change, message):
    with pytest.raises(ReleaseError, match=message):
        write_release(store, change(rows()))
    assert store.list("releases/") == []


def test_changed_rows_are_noticed(store):
    digest = write_release(store, rows())
    buffer = io.BytesIO()
    rows(caption="Tampered.").write_parquet(buffer)
    store.put(f"releases/{digest}.parquet", buffer.getvalue())
    with pytest.raises(ReleaseError, match="was changed"):
        open_release(store.url)
    store.put(f"releases/{digest}.parquet", b"PAR1 not really")
    with pytest.raises(ReleaseError, match="not readable"):
        open_release(store.url)


@pytest.fixture
def filled(store):
    write_release(store, make_release_rows(store, per_scene=2, scenes=6))
    return store


def test_either_kind_of_category_selects(filled):
    everything = open_release(filled.url, split="all")
    by_key = open_release(filled.url, split="all", category="squares")
    by_name = open_release(filled.url, split="all", category="Drifting squares")
    assert by_key.frame.equals(by_name.frame)
    assert 0 < len(by_key) < len(everything) == 12
    assert set(by_key.frame["category"]) == {"squares"}


def test_a_dataset_gives_caption_and_frames(filled):
    split = open_release(filled.url, split="train")
    item = split.dataset(max_frames=12, size=32)[0]
    assert item["caption"] == split.frame["caption"][0]
    assert item["frames"].shape == (12, 3, 32, 32)
    assert item["frames"].float().std() > 1
    assert item["mask"].tolist() == [1] * 12
    raw = split.dataset(max_frames=15)[0]
    assert raw["frames"].shape == (15, 48, 64, 3)
    assert raw["mask"].tolist() == [1] * 13 + [0] * 2
    assert raw["frames"][13:].max() == 0


def test_a_damaged_clip_is_named_with_the_next_step(filled):
    split = open_release(filled.url, split="train")
    row = split.frame.to_dicts()[0]
    data = filled.get(row["uri"])
    filled.put(row["uri"], data[: len(data) // 2])
    with pytest.raises(DamagedClip, match=rf"clip {row['clip_id']}: .* differs from the sha256.*svta verify"):
        split.dataset()[0]
    filled.delete([row["uri"]])
    with pytest.raises(DamagedClip, match=rf"clip {row['clip_id']}: .* is missing.*svta verify"):
        split.dataset()[0]


def test_a_clip_that_was_released_broken_is_named_too(filled):
    broken = b"\x00\x00\x00\x18ftypisom" + bytes(200)
    filled.put("clips/squares/broken.mp4", broken)
    rows_ = open_release(filled.url, split="all").frame.with_columns(
        uri=pl.lit("clips/squares/broken.mp4"), sha256=pl.lit(sha256_hex(broken))
    )
    split = Release(filled, write_release(filled, rows_)).split("train")
    with pytest.raises(DamagedClip, match=rf"clip {split.frame['clip_id'][0]} does not decode.*svta verify"):
        split.dataset()[0]
