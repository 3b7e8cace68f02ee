"""Serves datasets: exports, pages of rows, and the management API. Changes no row and no state itself."""
