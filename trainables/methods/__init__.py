"""One file a method: what it does before the forward, to the gradients, after the step, at ends."""
