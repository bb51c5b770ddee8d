"""AnyMQ on Redis and Valkey streams."""
