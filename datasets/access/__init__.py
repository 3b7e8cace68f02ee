"""Who asks: access tokens and sessions, what each may know of, how often they may ask, and who has read what."""
