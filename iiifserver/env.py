"""The only reader of the environment. Names and defaults are the contract of docs/configuration.md."""

from pathlib import Path

import environ

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()

DATA_DIR = Path(env.str("IIIF_DATA_DIR", default=str(BASE_DIR / "var"))).resolve()
