"""The GRAM volume: how much space a caption and the modalities of a clip span; small means that they agree.

The volume of k vectors is sqrt(|det G|), G their k x k matrix of dot products (Cicchetti et al. 2024, section 3).
Shape letters: N anchors (captions), M gallery items (clips), D embedding, P = k - 1 modalities of a gallery item.
Unusual: no determinant is ever taken per pair. The P x P part of G belongs to the gallery item alone, so its adjugate
A and determinant d are computed M times, and each of the N x M pairs costs only |t|^2 d - c' A c with c its P dot
products. That is a polynomial, so gradients are finite; the root's is taken as 0 where the volume is exactly 0.
With k = 2 the volume is sqrt(1 - cos^2) of unit vectors: it cannot tell a vector from its opposite.
"""

import torch
from torch import Tensor

BLOCK_ROWS, BLOCK_COLUMNS = 256, 1024
"""Pairs computed at a time where no gradient is needed: 1 MiB a buffer, k + 1 buffers, whatever N and M are."""


def volume(anchor_ND: Tensor, *modalities_MD: Tensor) -> Tensor:
    """Volumes (N, M) of anchor i with modalities j, in float32 (float64 if all are), k = 1 + modalities vectors.

    The vectors need no particular length; of unit vectors the volume lies in [0, 1]. True zeros come out at up to about
    7e-4 in float32. With gradients everything is held for the backward pass; without, memory beside the result is a
    few blocks. Raises ValueError for no modality or for shapes that do not fit.
    """
    _check(anchor_ND, modalities_MD)
    vectors = (anchor_ND, *modalities_MD)
    dtype = torch.float64 if all(tensor.dtype == torch.float64 for tensor in vectors) else torch.float32
    with torch.autocast(anchor_ND.device.type, enabled=False):
        anchor_ND, *others_MD = (tensor.to(dtype) for tensor in vectors)
        if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in vectors):
            return _root(_determinants(anchor_ND, others_MD, *_own_part(others_MD)))
        return _in_blocks(anchor_ND, others_MD)


def _check(anchor_ND: Tensor, modalities_MD: tuple[Tensor, ...]) -> None:
    if not modalities_MD:
        raise ValueError("a volume needs at least two vectors: give the anchors and one modality or more")
    expected = (len(modalities_MD[0]), anchor_ND.shape[-1])
    for number, tensor in enumerate(modalities_MD):
        if anchor_ND.ndim != 2 or tensor.shape != expected:
            raise ValueError(
                f"anchors are {tuple(anchor_ND.shape)} and modality {number} is {tuple(tensor.shape)}: give (N, D) "
                "and, for every modality, (M, D) with the same M and D"
            )


def _own_part(modalities_MD: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Of every gallery item's own P x P products: adjugate (P, P, M) and determinant (M,)."""
    vectors_MPD = torch.stack(modalities_MD, dim=1)
    products_MPP = vectors_MPD @ vectors_MPD.transpose(1, 2)
    adjugate_MPP, determinant_M = adjugate(products_MPP.double())
    dtype = vectors_MPD.dtype
    return adjugate_MPP.permute(1, 2, 0).contiguous().to(dtype), determinant_M.to(dtype)


def adjugate(matrix_MPP: Tensor) -> tuple[Tensor, Tensor]:
    """Adjugates (M, P, P) and determinants (M,) of symmetric matrices; singular ones are as good as any other."""
    size = matrix_MPP.shape[-1]
    if size == 1:
        return torch.ones_like(matrix_MPP), matrix_MPP[:, 0, 0]
    if size == 2:
        a, b, c = matrix_MPP[:, 0, 0], matrix_MPP[:, 0, 1], matrix_MPP[:, 1, 1]
        return torch.stack([c, -b, -b, a], dim=1).view(-1, 2, 2), a * c - b * b
    if size == 3:
        first, second, third = matrix_MPP.unbind(dim=1)
        rows = torch.linalg.cross(second, third), torch.linalg.cross(third, first), torch.linalg.cross(first, second)
        return torch.stack(rows, dim=1), (first * rows[0]).sum(dim=1)
    return _adjugate_by_traces(matrix_MPP)


def _adjugate_by_traces(matrix_MPP: Tensor) -> tuple[Tensor, Tensor]:
    """The same for any size, by the Faddeev-LeVerrier recursion: products and traces, no division by a pivot."""
    size = matrix_MPP.shape[-1]
    unit_PP = torch.eye(size, dtype=matrix_MPP.dtype, device=matrix_MPP.device)
    current_MPP = unit_PP.expand_as(matrix_MPP)
    for step in range(1, size):
        product_MPP = matrix_MPP @ current_MPP
        current_MPP = product_MPP - _trace(product_MPP)[:, None, None] / step * unit_PP
    adjugate_MPP = current_MPP if size % 2 else -current_MPP
    return adjugate_MPP, _trace(matrix_MPP @ adjugate_MPP) / size


def _trace(matrix_MPP: Tensor) -> Tensor:
    return matrix_MPP.diagonal(dim1=1, dim2=2).sum(dim=1)


def _determinants(anchor_ND: Tensor, others_MD: list[Tensor], adjugate_PPM: Tensor, own_M: Tensor) -> Tensor:
    """det G of all pairs (N, M), with gradients."""
    products = [anchor_ND @ other_MD.T for other_MD in others_MD]
    result_NM = (anchor_ND * anchor_ND).sum(dim=1, keepdim=True) * own_M
    for number, left_NM in enumerate(products):
        sum_NM = adjugate_PPM[number, number] * left_NM
        for other in range(number + 1, len(products)):
            sum_NM = sum_NM + 2 * adjugate_PPM[number, other] * products[other]
        result_NM = result_NM - left_NM * sum_NM
    return result_NM


def _root(determinant_NM: Tensor) -> Tensor:
    """sqrt(|x|), whose gradient at exactly 0 is 0 instead of infinite."""
    zero_NM = determinant_NM == 0
    return torch.where(zero_NM, 0.0, torch.where(zero_NM, 1.0, determinant_NM).abs().sqrt())


@torch.no_grad()
def _in_blocks(anchor_ND: Tensor, others_MD: list[Tensor]) -> Tensor:
    adjugate_PPM, own_M = _own_part(others_MD)
    squares_N1 = (anchor_ND * anchor_ND).sum(dim=1, keepdim=True)
    result_NM = anchor_ND.new_empty(len(anchor_ND), len(others_MD[0]))
    for left in range(0, result_NM.shape[1], BLOCK_COLUMNS):
        columns = slice(left, left + BLOCK_COLUMNS)
        clips = [other_MD[columns].T for other_MD in others_MD]
        part_PPM = adjugate_PPM[:, :, columns]
        for top in range(0, len(result_NM), BLOCK_ROWS):
            rows = slice(top, top + BLOCK_ROWS)
            products = [anchor_ND[rows] @ clip_DM for clip_DM in clips]
            out = torch.mul(squares_N1[rows], own_M[columns], out=products[0].new_empty(products[0].shape))
            sum_NM = torch.empty_like(out)
            for number, product_NM in enumerate(products):
                torch.mul(product_NM, part_PPM[number, number], out=sum_NM)
                for other in range(number + 1, len(products)):
                    sum_NM.addcmul_(products[other], part_PPM[number, other], value=2)
                out.addcmul_(product_NM, sum_NM, value=-1)
            torch.sqrt(out.abs_(), out=result_NM[rows, columns])
    return result_NM
