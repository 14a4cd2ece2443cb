"""How near two clips are: PSNR and SSIM."""

import math

import numpy as np

_WINDOW, _SIGMA = 11, 1.5  # Wang et al. 2004
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def psnr(reference: np.ndarray, other: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB of two uint8 arrays; infinite for equal ones."""
    error = float(np.mean((reference.astype(np.float64) - other.astype(np.float64)) ** 2))
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def ssim(reference: np.ndarray, other: np.ndarray) -> float:
    """Mean structural similarity of two clips (T, H, W, 3) uint8, on luma, with the usual Gaussian window."""
    import torch

    axis = torch.arange(_WINDOW, dtype=torch.float64) - _WINDOW // 2
    gauss = torch.exp(-(axis**2) / (2 * _SIGMA**2))
    window = torch.outer(gauss, gauss) / gauss.sum() ** 2
    luma = torch.tensor([0.299, 0.587, 0.114], dtype=torch.float64)
    x, y = ((torch.from_numpy(clip).double() @ luma)[:, None] for clip in (reference, other))

    def blur(image: "torch.Tensor") -> "torch.Tensor":
        return torch.nn.functional.conv2d(image, window[None, None])

    mean_x, mean_y = blur(x), blur(y)
    var_x, var_y = blur(x * x) - mean_x**2, blur(y * y) - mean_y**2
    covariance = blur(x * y) - mean_x * mean_y
    value = (2 * mean_x * mean_y + _C1) * (2 * covariance + _C2)
    value /= (mean_x**2 + mean_y**2 + _C1) * (var_x + var_y + _C2)
    return float(value.mean())
