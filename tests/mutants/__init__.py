"""A kernel broken on purpose, one place at a time: each break must fail the test that claims to notice it."""
