"""REST: how it is read, checked, written and described, and how much it takes."""

from typing import Any

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "images.api.authentication.TokenAuthentication",
        "images.api.authentication.HeaderSessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["images.api.access.NeedsPermission"],
    "DEFAULT_THROTTLE_CLASSES": ["images.api.throttles.CallerThrottle"],
    "DEFAULT_PARSER_CLASSES": ["images.api.parsers.JSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_METADATA_CLASS": None,
    "EXCEPTION_HANDLER": "images.api.problems.exception_handler",
    "URL_FORMAT_OVERRIDE": None,
}
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "IIIF image server",
    "DESCRIPTION": "Registering images, watching them become ready, and looking after stores and caches.",
    "VERSION": "1",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "ImageState": "images.models.ImageState",
        "ImageCopyPolicy": "images.models.ImageCopyPolicy",
        "CopyPolicy": "images.models.CopyPolicy",
        "BatchState": "images.models.BatchState",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "images.api.documents.add_problems",
    ],
}

IIIF_API_MAX_BODY_BYTES = 20 * 2**20  # a batch of 10,000 rows of 2 KB each
IIIF_BATCH_MAX_ROWS = 10_000
IIIF_API_PAGE_SIZE = 50
IIIF_API_MAX_PAGE_SIZE = 500
IIIF_API_REQUIRE_IF_MATCH = False
IIIF_API_RATES = {"anonymous": "60/min", "read": "1200/min", "write": "600/min"}
