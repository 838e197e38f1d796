"""The course of training: learning rates step by step, and what is learnt under them."""
