"""Log formatters (structlog), which keep secrets out of every line."""

import logging
import re

import structlog

_SECRETS = (
    # Up to the last @ before the path: passwords have some, too.
    (re.compile(r"(\w+://)[^/?#\s'\"]+@"), r"\1***@"),
    (
        re.compile(
            r"(?i)([?&](?:x-(?:amz|goog)-[a-z-]+|(?:[a-z0-9]+[_-]?)?(?:sig|signature|token|key|secret|password|credential)"
            r"|awsaccesskeyid|googleaccessid|policy|key-pair-id)=)[^&\s\"']+"
        ),
        r"\1***",
    ),
    (re.compile(r"(?i)(authorization['\"]?\s*[:=]\s*['\"]?(?:basic|bearer|token)\s+)[^\s'\",]+"), r"\1***"),
    (re.compile(r"(?i)((?:x-api-key|x-auth-token|cookie)['\"]?\s*[:=]\s*['\"]?)[^\s'\",]+"), r"\1***"),
)

_PROCESSORS: tuple[structlog.typing.Processor, ...] = (
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.ExtraAdder(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)
_CONSOLE = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)


def redact(text: str) -> str:
    """Replace credentials in URLs, signed query arguments and Authorization values by ***."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


class _Redacting(structlog.stdlib.ProcessorFormatter):
    """Redacts the finished line: a secret may also stand in a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


def console_formatter() -> logging.Formatter:
    """Plain lines; tracebacks without local variables, which may hold secrets."""
    return _Redacting(foreign_pre_chain=_PROCESSORS, processor=_CONSOLE)


def json_formatter() -> logging.Formatter:
    return _Redacting(
        foreign_pre_chain=(*_PROCESSORS, structlog.processors.format_exc_info),
        processor=structlog.processors.JSONRenderer(),
    )
