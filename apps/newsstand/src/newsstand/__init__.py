"""The newsstand: a product built on AnyMQ."""
