"""What all responses to programs share: problems, validators, compression, addresses, and the body of a download."""
