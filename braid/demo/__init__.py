"""What `braid demo` does and shows."""
