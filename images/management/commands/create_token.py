"""`manage.py create_token`: a token for a program that uses the REST API."""

import argparse
from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from images.models import Collection, TokenScope
from images.services.registration import validation_messages
from images.services.tokens import token_create


class Command(BaseCommand):
    help = "Make a token for the REST API. It is printed once, to standard output, and can't be shown again."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("name", help="what uses the token")
        parser.add_argument("--user", required=True, help="whose permissions it has")
        parser.add_argument(
            "--scope", action="append", choices=TokenScope.values, help="what it is for (repeatable; read)"
        )
        parser.add_argument("--collection", action="append", default=[], help="only images in this (repeatable)")
        parser.add_argument("--expires-days", type=int, metavar="DAYS", help="how long it is accepted (for ever)")

    def handle(self, *_args: Any, **options: Any) -> None:
        user = get_user_model().objects.filter(username=options["user"]).first()
        if user is None:
            raise CommandError(f"There is no user {options['user']!r}.")
        collections = list(Collection.objects.filter(name__in=options["collection"]))
        missing = sorted(set(options["collection"]) - {collection.name for collection in collections})
        if missing:
            raise CommandError(f"There is no collection {missing[0]!r}.")
        days = options["expires_days"]
        if days is not None and days < 1:
            raise CommandError("--expires-days must be 1 or more.")
        expires = None if days is None else timezone.now() + timedelta(days=days)
        scopes = options["scope"] or [TokenScope.READ]
        try:
            new = token_create(options["name"], user, scopes, collections=collections, expires=expires)
        except ValidationError as error:
            raise CommandError(validation_messages(error)) from error
        self.stdout.write(new.secret)
