"""The WSGI entry point."""

import os

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "connector.settings")
application = get_wsgi_application()
# Every page is loaded before the server forks: processes share the memory, and no first request waits for loading.
PAGES = get_resolver().url_patterns
