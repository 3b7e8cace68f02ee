"""The program's foundations: its environment, keys and logs, the web server, the broker, and the processes
themselves."""
