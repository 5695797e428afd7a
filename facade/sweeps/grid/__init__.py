"""What a sweep is asked for: axes of distinct values and codes, checked before anything runs."""
