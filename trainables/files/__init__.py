"""The files of a study folder, on a disk or in an object store. Knows no torch."""
