"""Read studies: frames, statistics, tables, figures, report, dashboard. Never imports torch."""
