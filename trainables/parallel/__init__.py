"""What passes between the processes that train one trial together. Knows tensors, no tasks."""
