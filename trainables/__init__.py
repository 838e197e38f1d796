"""Train, prune and retrain: the core, the procedure, and the Ray trainable around it."""
