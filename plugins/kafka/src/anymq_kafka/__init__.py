"""AnyMQ on Apache Kafka."""
