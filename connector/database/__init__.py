"""Django's own backend for PostgreSQL, with a cheaper look at whether an idle connection is still alive."""
