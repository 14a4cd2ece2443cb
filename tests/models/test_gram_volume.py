"""The GRAM volume: exact, differentiable, finite, in blocks."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.overrides import TorchFunctionMode

from svta_models.gram import gramian, volume
from svta_models.gram.gramian import adjugate
from svta_models.gram.losses import Volumes, area_loss, volumes
from tests.models.golden import FOLDER

TEMPERATURE = 0.07


@pytest.fixture(scope="module")
def stored():
    torch.set_num_threads(1)
    with np.load(FOLDER / "gram_volume.npz") as arrays:
        return {name: torch.from_numpy(array) for name, array in dict(arrays).items()}


def by_determinant(anchor, *modalities):
    """The definition, a k x k matrix and its determinant for every pair, in double precision."""
    rows = [
        anchor[:, None].expand(-1, len(modalities[0]), -1),
        *(m[None].expand(len(anchor), -1, -1) for m in modalities),
    ]
    vectors = torch.stack(rows, dim=2).double()
    return torch.linalg.det(vectors @ vectors.transpose(2, 3)).abs().sqrt()


@pytest.mark.parametrize("gradients", [False, True])
@pytest.mark.parametrize("k", [2, 3, 4, 5])
def test_volumes_equal_the_published_ones(stored, k, gradients):
    for case, relative in (("unit", 0.0), ("raw", 1e-6)):
        anchor = stored[f"{case}/anchor"].clone().requires_grad_(gradients)
        measured = volume(anchor, *(stored[f"{case}/mod{number}"] for number in range(1, k)))
        assert measured.requires_grad == gradients
        np.testing.assert_allclose(
            measured.detach(), stored[f"{case}/volume_{k}modalities"], rtol=relative, atol=2e-6, err_msg=case
        )


@pytest.mark.parametrize(
    ("modalities", "expected"),
    [(["mod1"], "volume_2"), (["mod1_neg"], "volume_2_neg"), (["mod1", "mod2"], "volume_3")],
)
def test_degenerate_volumes_are_near_zero_where_the_published_ones_are(stored, modalities, expected):
    measured = volume(stored["degenerate/anchor"], *(stored[f"degenerate/{name}"] for name in modalities))
    recorded = stored[f"degenerate/{expected}"]
    zero = recorded < 1e-3
    assert zero.sum() == 4
    np.testing.assert_allclose(measured[zero], recorded[zero], rtol=0, atol=1e-3)
    np.testing.assert_allclose(measured[~zero], recorded[~zero], rtol=0, atol=2e-6)


def test_two_vectors_cannot_tell_an_opposite(stored):
    anchor = stored["unit/anchor"]
    np.testing.assert_allclose(volume(anchor, stored["unit/mod1"]), volume(-anchor, stored["unit/mod1"]), rtol=1e-6)


@given(st.integers(0, 10_000), st.integers(2, 6))
@settings(max_examples=30, deadline=None)
def test_volumes_equal_the_definition_in_any_order_and_at_any_length(seed, k):
    random = torch.Generator().manual_seed(seed)
    anchor, *others = (torch.randn(4, 9, generator=random, dtype=torch.double) for _ in range(k))
    measured = volume(anchor, *others)
    np.testing.assert_allclose(measured, by_determinant(anchor, *others), rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(volume(anchor, *reversed(others)), measured, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(volume(2 * anchor, *others), 2 * measured, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_adjugates_hold_for_singular_matrices_too(size):
    factor = torch.randn(6, size, size, dtype=torch.double, generator=torch.Generator().manual_seed(size))
    if size > 1:
        factor[3:, -1] = factor[3:, 0]
    matrix = factor @ factor.transpose(1, 2)
    found, determinant = adjugate(matrix)
    expected = torch.linalg.det(matrix)
    np.testing.assert_allclose(determinant, expected, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(matrix @ found, expected[:, None, None] * torch.eye(size), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("k", [2, 3, 4, 5])
def test_gradients_are_those_of_the_definition(k):
    random = torch.Generator().manual_seed(k)
    vectors = [torch.randn(3, 7, generator=random, dtype=torch.double, requires_grad=True) for _ in range(k)]
    weight = torch.randn(3, 3, generator=random, dtype=torch.double)
    ours = torch.autograd.grad((weight * volume(*vectors)).sum(), vectors)
    plain = torch.autograd.grad((weight * by_determinant(*vectors)).sum(), vectors)
    for mine, theirs in zip(ours, plain, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("k", [2, 3, 4, 5])
def test_gradients_are_finite_at_zero_volume(k):
    anchor = torch.tensor([[1.0, 0, 0, 0, 0], [0.6, 0.8, 0, 0, 0]], requires_grad=True)
    others = [anchor.detach().clone().requires_grad_() for _ in range(k - 1)]
    zeros = torch.zeros_like(anchor).requires_grad_()
    for modalities in (others, [zeros, *others[1:]], [-other for other in others]):
        measured = volume(anchor, *modalities)
        assert measured.diagonal().max() < 1e-3
        for gradient in torch.autograd.grad(measured.sum(), [anchor, modalities[0]]):
            assert gradient.isfinite().all()


class Largest(TorchFunctionMode):
    """Numbers of elements of the tensors that operations make, views of the result left out."""

    def __init__(self):
        super().__init__()
        self.made = []

    def __torch_function__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        if isinstance(out, torch.Tensor) and out._base is None:
            self.made.append(out.numel())
        return out


def test_memory_beside_the_result_is_a_few_blocks(monkeypatch):
    monkeypatch.setattr(gramian, "BLOCK_ROWS", 16)
    monkeypatch.setattr(gramian, "BLOCK_COLUMNS", 32)
    random = torch.Generator().manual_seed(0)
    vectors = [torch.randn(150, 8, generator=random) for _ in range(4)]
    with Largest() as seen:
        blocked = volume(*vectors)
    made = sorted(seen.made)
    assert made[-1] == 150 * 150, "the result"
    assert made[-2] <= 3 * 150 * 8, "no other tensor grows with the number of pairs"
    np.testing.assert_allclose(blocked, by_determinant(*vectors), rtol=1e-4)


def test_the_full_gallery_stays_below_two_gibibytes():
    pairs, block = 8309, gramian.BLOCK_ROWS * gramian.BLOCK_COLUMNS
    vectors = 4 * pairs * 512 * 3  # as given, stacked, and their products in double precision: generous
    assert 4 * (pairs * pairs + 5 * block + vectors) < 2 * 2**30


def test_half_precision_and_autocast_are_computed_in_single_precision(stored):
    anchor, first, second = (stored[f"unit/{name}"] for name in ("anchor", "mod1", "mod2"))
    expected = volume(anchor, first, second)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(volume(anchor, first, second), expected)
    assert volume(anchor.bfloat16(), first, second).dtype == torch.float32


def test_shapes_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match="at least two vectors"):
        volume(torch.ones(2, 3))
    with pytest.raises(ValueError, match=r"anchors are \(2, 3\) and modality 1 is \(5, 3\)"):
        volume(torch.ones(2, 3), torch.ones(4, 3), torch.ones(5, 3))


@pytest.mark.parametrize("k", [3, 4, 5])
def test_the_volume_loss_and_its_gradients_equal_the_published_ones(stored, k):
    prefix = f"contrastive{k}"
    features = [stored[f"{prefix}/feat{number}"].clone().requires_grad_() for number in range(k)]
    temperature = torch.tensor(TEMPERATURE, requires_grad=True)
    measured = volumes(features[0], tuple(features[1:]), temperature)
    np.testing.assert_allclose(measured.of_texts.detach(), stored[f"{prefix}/volume_over_temp"], rtol=0, atol=3e-5)
    np.testing.assert_allclose(measured.of_clips.detach(), stored[f"{prefix}/volumeT_over_temp"], rtol=0, atol=3e-5)
    loss = area_loss(measured)
    assert loss.item() == pytest.approx(float(stored[f"{prefix}/loss"]), abs=1e-5)
    loss.backward()
    for number, feature in enumerate(features):
        np.testing.assert_allclose(feature.grad, stored[f"{prefix}/grad_feat{number}"], rtol=0, atol=2e-5)
    assert temperature.grad.item() == pytest.approx(float(stored[f"{prefix}/grad_temperature"]), rel=1e-3)


def test_a_smaller_own_volume_is_a_smaller_loss():
    near, far = torch.full((3, 3), 5.0), torch.full((3, 3), 5.0)
    near.fill_diagonal_(1.0)
    assert area_loss(Volumes(near, near)) < area_loss(Volumes(far, far))
