"""AnyMQ on RabbitMQ."""
