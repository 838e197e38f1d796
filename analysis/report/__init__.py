"""The report: one HTML file that says what a study found and shows how it is known."""
