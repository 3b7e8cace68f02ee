"""Reading a dataset's rows: what somebody asks for, what they may see, and the snapshot that both are answered from. Knows no HTTP."""
