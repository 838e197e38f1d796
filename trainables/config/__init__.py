"""What a trial may be told: catalog, keys, rules, fingerprints. Knows no torch."""
