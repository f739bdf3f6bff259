"""Internal: the messages that came in over SMTP, and the page that shows them."""
