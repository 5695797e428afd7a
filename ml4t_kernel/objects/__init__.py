"""Makes the shared objects of the kernel, and puts them into wheels."""
