"""Tables that pandas works on: spreadsheets that people upload, and profiles of columns.

pandas runs in a process of its own (`child.py`, started by `isolated.py`): a hostile file or a wide sample meets limits on
memory and time there, and neither web server nor worker carries the library. The child knows no database and no secret.
"""
