"""AnyMQ: one application, any broker."""
