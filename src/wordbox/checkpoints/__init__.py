"""Model files in and out: named arrays and plain facts, nothing executed."""
