"""Serving the newsstand: one stop for everything that waits, and a server of our own making."""
