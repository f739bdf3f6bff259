"""Internal: the test project's site: settings and addresses."""
