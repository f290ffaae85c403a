"""Boxes, frames and suppression: mathematics on arrays, with no settings and no state."""
