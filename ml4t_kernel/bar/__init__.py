"""What happens in a bar, in the order of the contract."""
