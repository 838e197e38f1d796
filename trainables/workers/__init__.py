"""A job on a worker, and the Ray Trainable around it."""
