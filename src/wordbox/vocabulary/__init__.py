"""Words, and the vectors that stand for them."""
