"""What a study answers: statements computed from its frames, and the sentences that say them."""
