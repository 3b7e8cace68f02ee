"""Django settings: the environment is read once, through env.py.

Without any environment this is a development machine: manage.py, the tests and `make` set DATA_DIR and keep everything
under it. Where it runs for others, PUBLIC_URL begins with https:// and turns on all that belongs to that.
"""

from pathlib import Path
from urllib.parse import urlsplit

from connector.runtime import env, keys
from connector.runtime.embedded.services import left_to_us

BASE_DIR = Path(__file__).resolve().parent.parent
DEBUG = env.flag("DEBUG", False)
DATA_DIR = Path(env.text("DATA_DIR", str(BASE_DIR / "data"))).resolve()

# Keys: given, or made once beside the data. Beside data that nobody named they would be lost with the next release.
SECRET_KEY = env.text("SECRET_KEY")
FIELD_KEYS = env.words("FIELD_KEYS")
for name, given in (("SECRET_KEY", SECRET_KEY), ("FIELD_KEYS", FIELD_KEYS)):
    if not given and not DEBUG and not env.text("DATA_DIR"):
        raise env.Misconfigured(
            name,
            "it is unset, and so is DATA_DIR, where one could be made and kept. Set it "
            "(python -c 'import base64, os; print(base64.urlsafe_b64encode(os.urandom(32)).decode())'), "
            "or set DATA_DIR to a folder that outlives restarts.",
        )
SECRET_KEY = SECRET_KEY or keys.secret_key(DATA_DIR)
SECRET_KEY_FALLBACKS = env.words("SECRET_KEY_FALLBACKS")
FIELD_KEYS = FIELD_KEYS or keys.field_keys(DATA_DIR)

PORT = env.whole("PORT", 8000, least=1, most=65535)
PUBLIC_URL = env.origin("PUBLIC_URL", f"http://127.0.0.1:{PORT}")
PUBLIC_HOST = urlsplit(PUBLIC_URL).hostname
HTTPS = PUBLIC_URL.startswith("https://")
ALLOWED_HOSTS = [PUBLIC_HOST] if HTTPS else [PUBLIC_HOST, "127.0.0.1", "localhost", "[::1]"]
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.forms",  # its templates, for FORM_RENDERER
    "django_htmx",
    "template_partials",
    "django_celery_beat",
    "ninja",
    "connector",
    "connector.accounts",
    "datasets",
]
MIDDLEWARE = [
    "connector.health.Probes",
    "connector.headers.SecurityHeaders",
    "datasets.serving.http.problems.ProblemMiddleware",
    "datasets.serving.http.compression.Compression",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
ROOT_URLCONF = "connector.urls"
WSGI_APPLICATION = "connector.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"

# Database and broker: given, or our own under DATA_DIR.
_ours = left_to_us(DATA_DIR).environment()
DATABASE_IS_GIVEN = "DATABASE_URL" not in _ours
DATABASE_URL = env.text("DATABASE_URL") or _ours["DATABASE_URL"]
BROKER_URL = (
    env.url("BROKER_URL", "", schemes=("redis", "rediss", "amqp", "amqps", "redis+socket")) or _ours["BROKER_URL"]
)
DATABASES = {
    "default": env.database("DATABASE_URL", DATABASE_URL)
    | {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True, "ATOMIC_REQUESTS": False}
}
DATABASES["default"]["OPTIONS"] = {"connect_timeout": 5, "application_name": "backhaul"} | DATABASES["default"][
    "OPTIONS"
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# People.
AUTH_USER_MODEL = "accounts.User"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "datasets"
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

# The browser. Cookies ignore ports, so two installations on one machine need different names.
SESSION_COOKIE_NAME = "__Host-session" if HTTPS else f"session_{urlsplit(PUBLIC_URL).port or 80}"
CSRF_COOKIE_NAME = "__Host-csrf" if HTTPS else f"csrf_{urlsplit(PUBLIC_URL).port or 80}"
SESSION_COOKIE_AGE = 7 * 24 * 3600
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"  # Strict would lose the session on the way back from Amazon
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_SSL_REDIRECT = HTTPS
# We speak plain HTTP ourselves: an https PUBLIC_URL means a proxy in front, and this header is how it tells us.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if HTTPS else 0
SILENCED_SYSTEM_CHECKS = [
    "security.W005",  # HSTS for subdomains and preloading would affect hosts that are not ours
    "security.W021",
    *([] if HTTPS else ["security.W004", "security.W008", "security.W012", "security.W016"]),
]
SECURE_CSP = {
    "default-src": ["'self'"],
    "base-uri": ["'none'"],
    "object-src": ["'none'"],
    "frame-ancestors": ["'none'"],
}  # form-action is added by headers.py: it names the consent hosts

USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
STATIC_URL = "/static/"
STATIC_ROOT = Path(env.text("STATIC_ROOT", str(BASE_DIR / "staticfiles"))).resolve()
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "connector.static.HashedFiles"},
}
WHITENOISE_KEEP_ONLY_HASHED_FILES = True
WHITENOISE_SKIP_COMPRESS_EXTENSIONS = ("map", "jpg", "jpeg", "png", "gif", "webp", "woff", "woff2", "gz", "br", "zip")
DATA_UPLOAD_MAX_MEMORY_SIZE = 2_500_000
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1000

# Amazon: each host replaceable, so that tests and the demo meet the simulator over real HTTP.
SPAPI_ENDPOINTS = {
    region: endpoint
    for region in ("NA", "EU", "FE")
    if (endpoint := env.url(f"SPAPI_ENDPOINT_{region}", "", schemes=("http", "https")))
}
LWA_TOKEN_URL = env.url("LWA_TOKEN_URL", "https://api.amazon.com/auth/o2/token", schemes=("http", "https"))
SELLER_CENTRAL_URL = env.url("SELLER_CENTRAL_URL", "", schemes=("http", "https"))
VENDOR_CENTRAL_URL = env.url("VENDOR_CENTRAL_URL", "", schemes=("http", "https"))
SPAPI_DOCUMENT_HOSTS = env.words("SPAPI_DOCUMENT_HOSTS")
SPAPI_RATE_FACTOR = env.number("SPAPI_RATE_FACTOR", 1.0, least=0.001)
LWA_CLIENT_ID = env.text("LWA_CLIENT_ID")
LWA_CLIENT_SECRET = env.text("LWA_CLIENT_SECRET")
SPAPI_APPLICATION_ID = env.text("SPAPI_APPLICATION_ID")

# How much programs may ask of the API.
REQUESTS_PER_MINUTE = env.whole("REQUESTS_PER_MINUTE", 60_000, least=1, most=10_000_000)
WRONG_TOKENS_PER_MINUTE = env.whole("WRONG_TOKENS_PER_MINUTE", 10, least=1, most=10_000)
EXPORTS_PER_CALLER = env.whole("EXPORTS_PER_CALLER", 4, least=1, most=1000)
EXPORTS_AT_ONCE = env.whole("EXPORTS_AT_ONCE", 32, least=1, most=1000)
EXPORTS_STALL_SECONDS = env.whole("EXPORTS_STALL_SECONDS", 120, least=1, most=3600)

LOG_LEVEL = env.one_of("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR"))
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "connector.runtime.logs.Discreet",
            "format": "{asctime} {levelname} {name}: {message}",
            "style": "{",
        }
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        "django": {"handlers": [], "level": LOG_LEVEL, "propagate": True},
        "django.server": {"handlers": [], "level": LOG_LEVEL, "propagate": True},
        # a line for every tick would bury the others; failures are still logged
        **{name: {"level": "WARNING"} for name in ("celery.beat", "celery.worker.strategy", "celery.app.trace")},
        # these write whole addresses, and a document's address is a key to it
        **{name: {"level": "WARNING"} for name in ("httpx", "httpx2", "httpcore2", "authlib", "urllib3")},
    },
}
