"""Clips drawn from captions on the CPU: for laptops, CI and teaching. It never pretends to be a video model.

The way of a caption: `lexicon` (what words mean) -> `reading` (caption to `Scene`) -> a motion program of `acts_*`
(scene and time to drawable items) -> `generator` (items over a painted place to frames).
"""
