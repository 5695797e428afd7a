"""What the kernel reads, made of a panel, a configuration and a strategy."""
