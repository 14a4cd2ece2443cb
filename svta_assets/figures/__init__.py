"""The paper's figures, and ours, drawn from the tables: plain functions that return SVG. No Dagster in here.

`drawn.py` finds the data of each figure in a home; every other module draws one figure from values it is given.
"""
