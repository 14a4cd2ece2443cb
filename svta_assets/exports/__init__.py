"""A release in other tools' formats, an existing dataset as a release, and what people should know of a dataset.

Lies in `svta_assets` and not beside `release.py`: who made a clip, which source a text comes from and under which terms
stand in the metadata tables, whose meaning is declared here. No Dagster in any module.
"""
