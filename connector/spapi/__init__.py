"""Speaks HTTP to Amazon's Selling Partner API; knows no report, no dataset and no Django."""
