"""`manage.py make_samples`: pictures to try the server with, computed on this machine and registered."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from images.conf import conf
from images.services.registration import register_local


class Command(BaseCommand):
    help = "Make the sample images that are missing, and register them."

    def handle(self, *_args: Any, **_options: Any) -> None:
        registered = []
        argv = [sys.executable, "-m", "images.samples", str(conf.data_dir / "samples")]
        with subprocess.Popen(argv, cwd=settings.BASE_DIR, stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout or ():
                facts = json.loads(line)
                register_local(Path(facts["path"]), identifier=facts["identifier"], label=facts["label"])
                registered.append(facts["identifier"])
        if process.returncode:
            raise CommandError("Some sample images could not be made; the reasons are above.")
        self.stdout.write(f"The sample images are ready: {', '.join(registered)}.")
