"""Migrations of the database, applied by ``newsstand db upgrade``."""
