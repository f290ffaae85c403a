"""How good a detector is on labelled pictures."""
