"""The calls beside the management API, for the OpenAPI document: files, pages, SQL, OData, and those in Domo's shape."""
