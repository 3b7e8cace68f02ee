"""Static files under names that change with their content, gzipped beside themselves.

Brotli at its best quality would save a few kilobytes and cost fourteen seconds of the first start.
"""

from typing import Any

from whitenoise.compress import Compressor
from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedFiles(CompressedManifestStaticFilesStorage):
    def create_compressor(self, **arguments: Any) -> Compressor:
        return Compressor(**arguments | {"use_brotli": False})
