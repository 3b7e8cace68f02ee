"""Datasets as an OData 4.0 service, for Excel, Power BI and Tableau: the subset those send, read-only."""
