"""What browsers see as it happens."""
