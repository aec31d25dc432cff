"""The WSGI application that granian serves."""

from django.core.wsgi import get_wsgi_application

from iiifserver import env

env.select_settings()

application = get_wsgi_application()

from images.services.decoding import start_decoders  # noqa: E402 - settings must be configured first

start_decoders()
