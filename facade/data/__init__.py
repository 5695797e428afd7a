"""Market data: read, checked, pivoted to a panel; corporate actions; time; selection."""
