"""The management API: what people do on the pages, for programs. JSON in, JSON out, problems as problem+json."""
