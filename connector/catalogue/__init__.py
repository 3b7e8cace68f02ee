"""Declares what can be fetched from Amazon and how; does no input or output and knows no model."""
