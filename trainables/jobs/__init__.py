"""What the driver hands to a worker and what comes back, as plain data. Knows no torch."""
