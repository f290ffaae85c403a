"""Labelled pictures, whatever format they come in."""
