"""Weights that others published: what they are called and where they lie."""
