"""Translation, text by text: network, tokens, decoding, measures, and where texts are from."""
