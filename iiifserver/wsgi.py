"""The WSGI application that granian serves: the short way for tiles that are there, Django for everything else."""

import gc

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver, resolve

from iiifserver import env

env.select_settings()

django_application = get_wsgi_application()

from caching.bus import get_bus  # noqa: E402 - settings must be configured first
from caching.traffic import get_traffic  # noqa: E402
from iiifserver.origins import Origins  # noqa: E402
from iiifserver.postgresql.patience import limit_waiting  # noqa: E402
from iiifserver.starting import refuse_wrong_settings  # noqa: E402
from images.selectors.ahead import count_ahead, prepare_questions  # noqa: E402
from images.services.decoding import start_decoders  # noqa: E402
from images.services.offload import get_offload  # noqa: E402
from images.views.offloading import OffloadingShortcut  # noqa: E402
from images.views.shortcut import Shortcut  # noqa: E402

refuse_wrong_settings()
limit_waiting(settings.IIIF_DATABASE_SECONDS)

offload = get_offload()
if offload is None:
    application = Shortcut(django_application, Origins())
else:
    application = OffloadingShortcut(django_application, Origins(), offload)
    offload.start()

start_decoders()
get_bus().listen()
prepare_questions()
count_ahead()

# Pages, admin and API are loaded now: the first visitor would wait for them, and they would not be part of what stays.
get_resolver().url_patterns  # noqa: B018 - to be loaded
resolve("/iiif/3/none/info.json")
get_traffic()

# What is loaded now stays, and requests leave next to no cycles: to look for them among hundreds of thousands of
# objects took a fifth of the time of a tile.
gc.collect()
gc.freeze()
gc.set_threshold(20_000, 20, 20)
