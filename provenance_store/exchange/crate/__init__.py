"""RO-Crate, in and out."""
