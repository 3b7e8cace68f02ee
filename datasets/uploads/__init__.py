"""Spreadsheets that people upload: read once, kept as tables of texts, shown, and loaded into datasets."""
