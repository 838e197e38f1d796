"""Figures as the pages show them: what may be chosen beside each, and its drawing."""
