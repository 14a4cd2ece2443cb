"""The error every part of SVTA raises for something a person can put right."""


class SvtaError(Exception):
    """Says what went wrong, names the clip, file or setting, and gives the next step."""
