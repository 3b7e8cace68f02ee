"""Raw answers of Amazon's, read once into a file a day. Pure of the ledger: what to read is told, what came is answered."""
