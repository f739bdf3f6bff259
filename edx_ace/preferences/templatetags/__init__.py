"""Internal: tags for the templates of messages."""
