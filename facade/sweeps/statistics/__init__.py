"""What many trials do to the best of them."""
