"""One SELECT over the caller's datasets, carried out by PostgreSQL as somebody who may read nothing else.

Four walls, each of which holds alone:
  reader.py    the role: it owns nothing and may read nothing but what one transaction grants it
  sandbox.py   that transaction: read-only, with limits, always rolled back; the role cannot be left in it
  allowed.py   what PostgreSQL itself understood of the statement: other tables, functions and types than these are refused
  sql_text.py  the text: the few words that PostgreSQL would not understand
"""
