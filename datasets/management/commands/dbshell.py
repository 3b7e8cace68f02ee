"""Django's dbshell, which finds the embedded PostgreSQL's own psql: nothing has to be installed beside it."""

import os
from typing import Any

from django.conf import settings
from django.core.management.commands import dbshell

from connector.runtime.embedded.binaries import find_postgres


class Command(dbshell.Command):
    def handle(self, **options: Any) -> None:
        if not settings.DATABASE_IS_GIVEN:
            folder = find_postgres().bin
            if (folder / "psql").exists():
                os.environ["PATH"] = os.pathsep.join([str(folder), os.environ.get("PATH", os.defpath)])
        super().handle(**options)
