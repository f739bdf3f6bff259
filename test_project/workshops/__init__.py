"""Internal: workshops that people host for one another, and what is written to them by itself."""
