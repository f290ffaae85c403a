"""The narrow waist: named arrays in, named arrays out, whatever runtime does the work."""
