"""Behind a proxy that speaks TLS; SECRET_KEY and ALLOWED_HOSTS come from the environment."""

from django.core.exceptions import ImproperlyConfigured

from iiifserver import env
from iiifserver.settings.base import *  # noqa: F403

if not env.SECRET_KEY:
    raise ImproperlyConfigured("SECRET_KEY must be set in the environment for production.")
if not env.ALLOWED_HOSTS:
    raise ImproperlyConfigured("ALLOWED_HOSTS must name the hosts under which the server is reached.")

SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")  # TrustedProxyMiddleware drops it from strangers
SECURE_SSL_REDIRECT = False  # the proxy redirects; IIIF must also answer over plain HTTP inside a network
SECURE_HSTS_SECONDS = 0  # a decision of whoever owns the domain, made at the proxy
SILENCED_SYSTEM_CHECKS = ["security.W004", "security.W008"]
