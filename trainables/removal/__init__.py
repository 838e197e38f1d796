"""Zero filters taken out of a masked network: what may go, the smaller network, the proof."""
