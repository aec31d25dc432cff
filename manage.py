#!/usr/bin/env python
import sys

from django.core.management import execute_from_command_line

from iiifserver import env

if __name__ == "__main__":
    env.select_settings()
    execute_from_command_line(sys.argv)
