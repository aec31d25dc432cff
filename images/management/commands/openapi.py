"""`manage.py openapi`: the description of the REST API, written to docs/openapi.yaml or compared with it."""

import argparse
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiYamlRenderer
from drf_spectacular.validation import validate_schema


class Command(BaseCommand):
    help = "Write docs/openapi.yaml, or with --check fail where it is not what the code says."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="compare only")

    def handle(self, *_args: Any, **options: Any) -> None:
        path = Path(settings.BASE_DIR) / "docs" / "openapi.yaml"
        text = self._schema()
        if not options["check"]:
            path.write_bytes(text)
            self.stdout.write(f"{path} is written.")
        elif not path.is_file() or path.read_bytes() != text:
            raise CommandError("docs/openapi.yaml is out of date: run manage.py openapi")

    @staticmethod
    def _schema() -> bytes:
        generator: Any = SchemaGenerator
        schema = generator().get_schema(request=None, public=True)
        validate_schema(schema)  # type: ignore[no-untyped-call]
        if GENERATOR_STATS:
            GENERATOR_STATS.emit_summary()
            raise CommandError("The schema has warnings; see above.")
        renderer: Any = OpenApiYamlRenderer()
        text: bytes = renderer.render(schema, renderer_context={})
        return text
