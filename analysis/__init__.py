"""Read studies: frames, statistics, tables, figures, report and dashboard. Never imports torch or ray."""
