"""The web server's way in."""

import os

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "connector.settings")
application = get_wsgi_application()
# Every page is loaded before the server's processes part: they share the memory, and no first reader waits for it.
PAGES = get_resolver().url_patterns
