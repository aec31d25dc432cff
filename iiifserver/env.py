"""The only reader of the environment.

Every variable that the server understands is read here, once, into a typed constant; docs/configuration.md lists them.
"""

import os
import secrets
from pathlib import Path

import environ

BASE_DIR = Path(__file__).resolve().parent.parent

_env = environ.Env()

PORT = _env.int("PORT", default=8000)
HOST = _env.str("HOST", default="127.0.0.1")
DATA_DIR = Path(_env.str("IIIF_DATA_DIR", default=str(BASE_DIR / "var"))).resolve()
SECRET_KEY: str = _env.str("SECRET_KEY", default="")
ALLOWED_HOSTS: list[str] = _env.list("ALLOWED_HOSTS", default=[])
TRUSTED_PROXIES: list[str] = _env.list("TRUSTED_PROXIES", default=[])
REDIS_URL: str = _env.str("REDIS_URL", default="")
IIIF_BASE_URL: str = _env.str("IIIF_BASE_URL", default="").rstrip("/")
IIIF_EVENTS_SECRET: str = _env.str("IIIF_EVENTS_SECRET", default="")
IIIF_ADMIN_PASSWORD: str = _env.str("IIIF_ADMIN_PASSWORD", default="")
IIIF_DERIVATIVE_CACHE: str = _env.str("IIIF_DERIVATIVE_CACHE", default="on")
IIIF_OFFLOAD: str = _env.str("IIIF_OFFLOAD", default="")
DECODE_ISOLATION: str = _env.str("DECODE_ISOLATION", default="pool")
WEB_WORKERS: int = _env.int("WEB_WORKERS", default=1)
WEB_THREADS: int = _env.int("WEB_THREADS", default=32)
WORKER_CONCURRENCY: int = _env.int("WORKER_CONCURRENCY", default=2)
SOURCE_NETWORKS: list[str] = _env.list("IIIF_SOURCE_NETWORKS", default=[])
METRICS_NETWORKS: list[str] = _env.list("IIIF_METRICS_NETWORKS", default=["127.0.0.0/8", "::1/128"])
LOG_FORMAT: str = _env.str("LOG_FORMAT", default="console")


def database() -> dict[str, object]:
    """Django's configuration of the default database: DATABASE_URL, else SQLite in the data directory."""
    default = f"sqlite:///{DATA_DIR / 'db.sqlite3'}"
    return dict(_env.db_url("DATABASE_URL", default=default))


def default_settings_module() -> str:
    """Production where a SECRET_KEY is given; else the embedded default, which makes its own."""
    return "iiifserver.settings.production" if SECRET_KEY else "iiifserver.settings.development"


def select_settings() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", default_settings_module())


def generated_secret_key() -> str:
    """The key kept in the data directory, made on first use; readable by its owner only."""
    path = DATA_DIR / "secret-key"
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        pass
    DATA_DIR.mkdir(parents=True, exist_ok=True)
    candidate = path.with_name(f".secret-key-{os.getpid()}")
    candidate.touch(mode=0o600)
    candidate.write_text(secrets.token_urlsafe(50))
    try:
        os.link(candidate, path)  # the first of several starting processes wins
    except FileExistsError:
        pass
    finally:
        candidate.unlink()
    return path.read_text().strip()


def variables_below(prefix: str) -> dict[str, str]:
    """The variables whose names begin with `prefix`, by the rest of their names: credentials that records refer to."""
    return {name[len(prefix) :]: value for name, value in os.environ.items() if name.startswith(prefix)}
