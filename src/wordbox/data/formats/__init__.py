"""One module a label format, each ending in the same records."""
