"""Pictures in: reading, finding and placing them on the canvas."""
