"""`svta verify` misses nothing that a home holds: lost rows, cards, answers, tables, releases, also in a bucket."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from svta_cli.integrity import Findings, check_home
from svta_models.media_store import HASHED_AT_ONCE, open_store, sha256_hex
from svta_models.release import name_release, release_log
from svta_resources.answers import AnswerLog
from tests.cli.conftest import CAPTIONS, Svta, release_of
from tests.stages.toy_category import CATEGORY, ToyCategory


def _kinds(found: Findings) -> list[str]:
    return [problem.kind for problem in found.problems]


def _said(found: Findings) -> str:
    return "\n".join(f"{problem.kind}: {problem.what}" for problem in found.problems)


def test_a_clip_that_is_gone_with_its_card_is_named_and_made_again(toy: ToyCategory, svta: Svta) -> None:
    clip, whole = toy.file("p3-0"), toy.file("p3-0").read_bytes()
    clip.unlink()
    clip.with_suffix(".json").unlink()
    code, out, _ = svta("verify")
    assert code == 1
    assert f"missing with its recipe card, the row is dropped: clips/{CATEGORY}/{clip.name}" in out
    assert f"svta regen {CATEGORY} --mode missing" in out
    assert toy.run().made == 1
    assert clip.read_bytes() == whole
    assert svta("verify")[0] == 0


def test_a_category_that_lost_its_whole_folder_is_named(released: ToyCategory, svta: Svta) -> None:
    folder = released.work.home.path / "clips" / CATEGORY
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    code, out, _ = svta("verify")
    assert code == 1
    assert out.count("missing with its recipe card") == len(CAPTIONS)
    assert f"{len(CAPTIONS)} of its clips are damaged, missing or changed" in out
    released.run()
    assert svta("verify")[0] == 0, "equal recipes give equal bytes, so the release is whole again"


@pytest.mark.parametrize("content", ["{}", "[]", "null", "other recipe", "other clip"])
def test_a_card_that_is_json_but_not_this_clips_is_set_aside(toy: ToyCategory, content: str) -> None:
    card, other = toy.file("p3-0").with_suffix(".json"), toy.file("p4-0").with_suffix(".json")
    if content == "other recipe":
        facts = json.loads(card.read_text())
        facts["recipe"]["caption"] = "Another house burns."
        content = json.dumps(facts)
    elif content == "other clip":
        content = other.read_text()
    card.write_text(content)
    os.utime(card.with_suffix(".mp4"), (time.time() - 3600,) * 2)
    found = check_home(toy.work)
    assert f"clips/{CATEGORY}/{card.name}" in _said(found)
    assert "set aside in damaged/" in _said(found)
    assert (toy.work.home.path / "damaged" / "clips" / CATEGORY / card.name).exists()
    toy.run()
    assert check_home(toy.work).problems == []


def test_a_broken_mp4_that_a_killed_run_left_without_a_card_is_not_vouched_for(toy: ToyCategory) -> None:
    clip, whole = toy.file("p3-0"), toy.file("p3-0").read_bytes()
    clip.with_suffix(".json").unlink()
    clip.write_bytes(whole[: len(whole) // 2])
    toy.run()
    assert clip.read_bytes() == whole
    assert toy.current["p3"] == "p3-0"
    assert (toy.work.home.path / "damaged" / "clips" / CATEGORY / clip.name).stat().st_size == len(whole) // 2
    assert check_home(toy.work).problems == []


def test_damaged_answers_keep_their_whole_rows_and_the_rest_is_asked_again(toy: ToyCategory, svta: Svta) -> None:
    with AnswerLog(toy.work.store, f"answers/label/{CATEGORY}", "run") as log:
        for number in range(6):
            log.add({"request_sha": f"{number}", "answer": "yes"})
    (segment,) = [item.key for item in toy.work.store.list("answers")]
    path = toy.work.home.path / segment
    assert "6 answers" in svta("verify")[1]
    path.write_bytes(path.read_bytes()[:-20])
    code, out, _ = svta("verify")
    assert code == 1
    assert f"answers of label, set aside in damaged/: {segment}: 1 of 6 rows" in out
    kept = AnswerLog(toy.work.store, f"answers/label/{CATEGORY}", "reader").load()
    assert sorted(kept) == ["0", "1", "2", "3", "4"]
    code, out, _ = svta("verify")
    assert (code, "5 answers" in out) == (0, True)


def test_a_damaged_table_that_a_run_rebuilds_is_set_aside_and_any_other_stays(released: ToyCategory) -> None:
    catalog, home = released.work.catalog, released.work.home.path
    labels, splits = catalog.files("labels")[0].key, catalog.files("splits")[0].key
    for key in (labels, splits):
        (home / key).write_bytes((home / key).read_bytes()[:50])
    found = check_home(released.work)
    assert (
        f"metadata, set aside in damaged/: {labels} is unreadable; materialize labels of partition {CATEGORY}"
        in _said(found)
    )
    assert f"put {splits} back from a copy; its rows are nowhere else" in _said(found)
    assert (home / "damaged" / labels).exists() and not (home / labels).exists()
    assert (home / splits).exists(), "splits are drawn once: a run that finds no table would draw other ones"
    assert found.clips == len(CAPTIONS), "the rest is looked at"


def test_clips_rows_that_cannot_be_read_are_rebuilt_from_the_cards(toy: ToyCategory) -> None:
    rows = toy.clips
    (item,) = toy.work.catalog.files("clips")
    (toy.work.home.path / item.key).write_bytes(b"PAR1")
    assert _kinds(check_home(toy.work)) == ["metadata, set aside in damaged/"]
    assert toy.clips.equals(rows)
    assert check_home(toy.work).problems == []


def test_lost_descriptions_of_clips_are_named(toy: ToyCategory) -> None:
    for item in toy.work.catalog.files("descriptions"):
        (toy.work.home.path / item.key).unlink()
    assert "descriptions of fire are gone, its clips are there" in _said(check_home(toy.work))


def test_a_text_that_was_withdrawn_leaves_a_note_and_no_problem(toy: ToyCategory) -> None:
    rows = toy.work.catalog.read("descriptions", CATEGORY)
    toy.work.catalog.publish("descriptions", CATEGORY, rows.filter(pair_id="p1"))
    found = check_home(toy.work)
    assert found.problems == []
    assert f"table clips, {CATEGORY}: {len(CAPTIONS) - 1} rows name a description that is not there" in "".join(
        found.remarks
    )


def test_a_release_that_is_gone_is_named_for_whatever_names_it(released: ToyCategory) -> None:
    digest = release_log(released.work.store)[-1].hash
    name_release(released.work.store, "v1")
    (released.work.home.path / "releases" / f"{digest}.parquet").unlink()
    assert f"release: {digest}, named by the name v1, is gone" in _said(check_home(released.work))
    assert release_of(released) == digest, "nothing has changed: it is written again under its name"
    assert check_home(released.work).problems == []


def test_a_damaged_release_is_set_aside_so_that_it_can_be_written_again(released: ToyCategory) -> None:
    digest = release_log(released.work.store)[-1].hash
    path = released.work.home.path / "releases" / f"{digest}.parquet"
    path.write_bytes(path.read_bytes()[:300])
    assert _kinds(check_home(released.work)) == ["release"]
    assert not path.exists()
    assert release_of(released) == digest
    assert check_home(released.work).problems == []


def test_weights_without_a_row_are_named_once_no_training_can_be_at_them(toy: ToyCategory) -> None:
    toy.work.store.put("checkpoints/gram/0123456789abcdef/model.safetensors", b"weights")
    toy.work.store.put("checkpoints/gram/.training/ab/00000001-0123456789abcdef.pt", b"state")
    found = check_home(toy.work)
    assert found.problems == []
    assert any("checkpoints/gram/0123456789abcdef has no row" in remark for remark in found.remarks)
    for path in (toy.work.home.path / "checkpoints" / "gram" / "0123456789abcdef").iterdir():
        os.utime(path, (time.time() - 2 * 24 * 3600,) * 2)
    assert _kinds(check_home(toy.work)) == ["checkpoint"]


def test_a_bucket_is_verified_as_a_folder_is(new_bucket: Callable[[], str], tmp_path: Path) -> None:
    toy = ToyCategory(tmp_path / "home", {f"p{n}": f"House {n} burns." for n in range(4)}, media_url=new_bucket())
    toy.run()
    assert check_home(toy.work).problems == []
    rows = {row["clip_id"]: row["uri"] for row in toy.clips.to_dicts()}
    toy.work.store.put(rows["p1-0"], toy.work.store.get(rows["p1-0"])[:200])
    toy.work.store.delete([rows["p2-0"], rows["p3-0"], rows["p3-0"].replace(".mp4", ".json")])
    found = check_home(toy.work)
    assert sorted(_kinds(found)) == [
        "damaged, set aside in damaged/", "missing", "missing with its recipe card, the row is dropped",
    ]  # fmt: skip
    assert toy.work.store.exists(f"damaged/{rows['p1-0']}")
    toy.run()
    assert check_home(toy.work).problems == []


@pytest.mark.parametrize("extra", [-1, 0, 1])
def test_an_object_is_hashed_in_pieces_as_it_is_whole(
    new_bucket: Callable[[], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, extra: int
) -> None:
    for module in ("media_store", "s3_store"):
        monkeypatch.setattr(f"svta_models.{module}.HASHED_AT_ONCE", 1000)
    data = os.urandom(3000 + extra)
    for url in (str(tmp_path), new_bucket()):
        store = open_store(url)
        store.put("checkpoints/a/model.safetensors", data)
        store.put("empty", b"")
        assert store.sha256("checkpoints/a/model.safetensors") == sha256_hex(data)
        assert store.sha256("empty") == sha256_hex(b"")


def test_large_weights_are_never_held_whole(tmp_path: Path) -> None:
    """Under a limit on memory that the file alone would break."""
    weights = tmp_path / "model.safetensors"
    with open(weights, "wb") as file:
        file.truncate(40 * HASHED_AT_ONCE)
    program = (
        "import resource, sys; from svta_models.media_store import open_store; store = open_store(sys.argv[1]); "
        "limit = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize() + int(sys.argv[2]); "
        "resource.setrlimit(resource.RLIMIT_AS, (limit, limit)); print(store.sha256('model.safetensors'))"
    )
    limit = 8 * HASHED_AT_ONCE
    command = [sys.executable, "-c", program, str(tmp_path), str(limit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(done.stdout.strip()) == 64
