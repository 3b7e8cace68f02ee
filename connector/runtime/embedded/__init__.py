"""PostgreSQL and Valkey for people who have none: started on a data folder, stopped with the process that started them.

Knows nothing of Django. What uses the servers is other rooms' business; here they are found, made, started and stopped.
"""
