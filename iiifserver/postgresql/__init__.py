"""Django's backend for PostgreSQL, with an end to waiting: the ENGINE where DATABASE_URL names PostgreSQL."""
