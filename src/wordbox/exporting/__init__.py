"""Models for other programs: the deployed graph in a file, its Manifest inside, and proof that it computes the same."""
