"""One SELECT over the caller's datasets, run by PostgreSQL as a role that may read nothing else.

Four layers of defence, each sufficient on its own:
  reader.py    the role: it owns nothing and may read nothing but what one transaction grants it
  sandbox.py   that transaction: read-only, with limits, always rolled back; the role cannot be left in it
  allowed.py   how PostgreSQL itself parsed the statement: tables, functions and types outside the list are refused
  sql_text.py  the text: the few words that PostgreSQL would not understand
"""
