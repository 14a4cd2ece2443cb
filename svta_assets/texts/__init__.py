"""Texts: read the sources, clean and flag what they say, and give each text its generation category."""
