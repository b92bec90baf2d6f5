"""What a run leaves for people and programs: ``report.json``, one HTML page, and two such folders side by side."""
