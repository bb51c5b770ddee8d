"""Sales: what was issued and sold, and whether it met its quota."""
