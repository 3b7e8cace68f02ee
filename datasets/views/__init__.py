"""The pages of the Data Center."""
