"""Regeneration: what is asked for, which pairs that means, what follows from it, and what the nights choose."""
