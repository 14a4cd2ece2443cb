"""The procedural generator: draws what a caption names, on a CPU. For laptops, CI and teaching; no video model."""
