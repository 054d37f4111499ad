"""What commands have in common: options, sources, tables, errors, progress."""
