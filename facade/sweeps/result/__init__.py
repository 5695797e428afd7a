"""What a sweep found: tables, ranking, figures, files."""
