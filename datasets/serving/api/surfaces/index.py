"""All of them: {path: {method: operation}}, as OpenAPI has it."""

from datasets.serving.api.surfaces.data import DATA
from datasets.serving.api.surfaces.domo import DOMO
from datasets.serving.api.surfaces.odata import ODATA
from datasets.serving.api.surfaces.sql import SQL

PATHS = DATA | SQL | ODATA | DOMO
