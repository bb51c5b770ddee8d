"""Believable data of our own invention: the same every time for the same seed."""
