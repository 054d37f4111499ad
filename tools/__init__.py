"""What tests and benchmarks share and nobody installs."""
