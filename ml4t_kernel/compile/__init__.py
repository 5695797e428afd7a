"""How the kernel is compiled; sorting."""
