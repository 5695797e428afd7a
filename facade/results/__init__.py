"""What a run wrote, decoded, measured, shown and kept."""
