"""Network modules that a plain chain of layers cannot express."""
