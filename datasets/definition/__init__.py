"""What a dataset is to hold, as people and programs say it: checked, worded and saved."""
