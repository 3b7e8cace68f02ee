"""Profiles of a dataset's columns: made by a worker after a run, kept, and shown beside what they were made from."""
