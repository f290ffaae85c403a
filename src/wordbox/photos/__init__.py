"""Two photos that anyone may use, for checks and timings on real pictures; README.md says whose they are."""
