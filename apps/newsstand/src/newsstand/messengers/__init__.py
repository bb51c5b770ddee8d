"""Messengers: who delivers the publications of a vendor, how they are added and announced."""
