"""Making clips: generators, encoding, scores, previews and the worker pool (plain classes, no Dagster).

This file imports nothing: workers of the pool start in a fresh interpreter and must come up fast.
"""
