"""Zero filters and heads taken out of a masked network: what may go, the smaller one, the proof."""
