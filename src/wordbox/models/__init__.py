"""The model inside the package: weights, word table and card."""
