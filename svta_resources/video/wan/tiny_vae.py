"""The VAE of the preset `tiny`. Imported only by diffsynth's loader, which finds model classes by their dotted name."""

from diffsynth.models.wan_video_vae import VideoVAE_, WanVideoVAE  # noqa: TID253

WIDTH, LATENTS = 8, 16  # channels; Wan's own VAE has a width of 96


class TinyWanVae(WanVideoVAE):  # type: ignore[misc]
    """Wan's VAE with a twelfth of its channels."""

    def __init__(self) -> None:
        super().__init__(z_dim=LATENTS)
        self.model = VideoVAE_(dim=WIDTH, z_dim=LATENTS).eval().requires_grad_(False)
