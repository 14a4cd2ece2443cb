"""`svta evaluate --similarity`: the figures of a model of one's own, from a matrix computed elsewhere."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from svta_models import open_release
from tests.cli.conftest import Svta
from tests.stages.toy_category import ToyCategory


@pytest.fixture
def pairs(released: ToyCategory) -> list[str]:
    """Test pairs of the release, in the matrix's order."""
    return open_release(released.work.home.path, split="test").frame["pair_id"].to_list()


def test_a_perfect_matrix_finds_every_clip_and_its_ranks_are_written(
    svta: Svta, pairs: list[str], tmp_path: Path
) -> None:
    np.save(tmp_path / "perfect.npy", np.eye(len(pairs), dtype=np.float32))
    code, out, err = svta("evaluate", "--similarity", f"{tmp_path}/perfect.npy", "--ranks", f"{tmp_path}/ranks.csv")
    assert code == 0, err
    assert f"{len(pairs)} pairs" in out
    assert out.count("100.0") >= 6
    ranks = pl.read_csv(tmp_path / "ranks.csv")
    assert sorted(ranks.filter(direction="t2v")["pair_id"]) == sorted(pairs)
    assert set(ranks["rank"]) == {1.0}


def test_rows_are_captions_and_columns_clips(svta: Svta, pairs: list[str], tmp_path: Path) -> None:
    """Every caption prefers the first clip: one caption finds its own, while every clip is as near to all captions."""
    matrix = np.zeros((len(pairs), len(pairs)))
    matrix[:, 0] = 1.0
    np.save(tmp_path / "first.npy", matrix)
    assert svta("evaluate", "--similarity", f"{tmp_path}/first.npy", "--ranks", f"{tmp_path}/ranks.csv")[0] == 0
    ranks = pl.read_csv(tmp_path / "ranks.csv")
    t2v = dict(ranks.filter(direction="t2v").select("pair_id", "rank").iter_rows())
    assert t2v[pairs[0]] == 1.0
    assert all(t2v[pair] > 1.0 for pair in pairs[1:])
    assert ranks.filter(direction="v2t")["rank"].n_unique() == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (np.zeros((1, 3)), "one row per caption and one column per clip"),
        (np.zeros(3), "a matrix (N captions, N clips) of floats is wanted"),
        (np.zeros((2, 2), dtype=np.int64), "of floats is wanted"),
        (None, "is not a NumPy array"),
    ],
)
def test_a_file_that_is_no_such_matrix_is_refused(
    svta: Svta, pairs: list[str], tmp_path: Path, content: np.ndarray | None, message: str
) -> None:
    file = tmp_path / "matrix.npy"
    file.write_text("no array") if content is None else np.save(file, content)
    code, _, err = svta("evaluate", "--similarity", str(file))
    assert code == 1
    assert message in " ".join(err.split())


def test_wrong_usage_is_told_apart_from_a_problem(svta: Svta, pairs: list[str], tmp_path: Path) -> None:
    assert svta("evaluate", "--similarity", f"{tmp_path}/absent.npy")[0] == 2
    assert svta("evaluate", "--ranks", f"{tmp_path}/ranks.csv")[0] == 2
