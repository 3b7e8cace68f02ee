"""The file formats that rows are written in. Each is declared once, in `index.py`; nothing here knows of HTTP or of datasets."""
