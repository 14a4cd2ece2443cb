"""The command on a home that real runs have filled: one category regenerated, damaged, repaired and rolled back."""

import json

from svta_models import open_release
from tests.cli.conftest import Svta
from tests.toy_home import DrillHome

CATEGORY = "fighting"


def test_a_category_is_regenerated_repaired_and_rolled_back_and_nothing_else_changes(
    real: DrillHome, svta: Svta
) -> None:
    first = open_release(real.path, split="all")
    original, other = real.files(CATEGORY), real.files("normal-00")
    row = json.loads(svta("status", "--json", "-c", CATEGORY)[1])["categories"][0]
    assert (row["pairs"], row["current"], row["missing"], row["stale"]) == (40, 40, 0, 0)

    code, out, err = svta("regen", CATEGORY)
    assert code == 0, err
    second = open_release(real.path, split="all")
    assert f"release: {second.hash} (before: {first.hash})" in out
    same = ["pair_id", "split", "category", "final_category", "caption"]
    assert second.frame.select(same).equals(first.frame.select(same))
    assert set(second.frame.filter(second.frame["sha256"] != first.frame["sha256"])["category"]) == {CATEGORY}
    assert (second.frame["sha256"] != first.frame["sha256"]).sum() == 40
    assert real.files("normal-00") == other

    made = real.files(CATEGORY)
    victim = real.path / "clips" / CATEGORY / sorted(made.keys() - original.keys())[0]
    victim.write_bytes(victim.read_bytes()[:500])
    code, out, _ = svta("verify")
    assert (code, victim.name in out, victim.exists()) == (1, True, False)
    code, out, err = svta("regen", CATEGORY, "--mode", "missing")
    assert code == 0, err
    assert "(unchanged)" in out
    assert real.files(CATEGORY) == made
    assert svta("verify")[0] == 0

    code, out, err = svta("regen", CATEGORY, "--rollback")
    assert code == 0, err
    third = open_release(real.path, split="all")
    assert third.hash == first.hash
    assert third.frame.equals(first.frame)
