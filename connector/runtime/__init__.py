"""What the program stands on: its environment, keys and logs, the web server, the broker, and the processes themselves."""
