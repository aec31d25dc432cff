"""Where object stores tell that something has changed: POST /api/v1/events/s3/."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from images.conf import conf
from images.services.events import EventError, events_apply, is_signed, parse_events

_MAX_BYTES = 1_048_576
"""Four times what SNS, SQS and EventBridge carry."""


@csrf_exempt
def s3_events_view(request: HttpRequest) -> HttpResponse:
    """202 with the number of images that are looked at; 404 where IIIF_EVENTS_SECRET is not set."""
    secret = conf.events_secret
    if not secret:
        return _problem(404, "Not found", "Notifications are switched off: IIIF_EVENTS_SECRET is not set.")
    if request.method != "POST":
        response = _problem(405, "Method not allowed", "Only POST is answered here.")
        response["Allow"] = "POST"
        return response
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not length.isdecimal() or int(length) > _MAX_BYTES:
        return _problem(413, "Too large", f"A notification has at most {_MAX_BYTES:,} bytes.")
    body = request.read(_MAX_BYTES + 1)
    if len(body) > _MAX_BYTES:
        return _problem(413, "Too large", f"A notification has at most {_MAX_BYTES:,} bytes.")
    if not is_signed(body, request.headers.get("X-Signature", ""), secret):
        return _problem(403, "Forbidden", "X-Signature is not the HMAC-SHA256 of the body under the shared secret.")
    try:
        objects = parse_events(body)
    except EventError as error:
        return _problem(400, "Bad request", str(error))
    return JsonResponse({"objects": len(objects), "images": events_apply(objects)}, status=202)


def _problem(status: int, title: str, detail: str) -> HttpResponse:
    """RFC 9457."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return JsonResponse(body, status=status, content_type="application/problem+json")
