"""An nginx of the test's own, from the text of its configuration."""

import os
from pathlib import Path

from tests.support.services import Service, needed

_MAIN = """
daemon off;
{user}
worker_processes 2;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 1024; }}
http {{
    include {mime};
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {http}
}}
"""


class Nginx(Service):
    """`http` is what stands in the http block; `{port}` and `{folder}` in it are replaced."""

    def __init__(self, http: str) -> None:
        self.program = needed("nginx")
        super().__init__()
        self.http = http

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def errors(self) -> str:
        return (self.folder / "error.log").read_text(errors="replace")

    def prepare(self) -> None:
        text = _MAIN.format(
            user="user root;" if os.geteuid() == 0 else "",  # it reads folders that only the test's user may
            folder=self.folder,
            mime="/etc/nginx/mime.types" if Path("/etc/nginx/mime.types").exists() else "/dev/null",
            http=self.http.replace("{port}", str(self.port)).replace("{folder}", str(self.folder)),
        )
        (self.folder / "nginx.conf").write_text(text)

    def command(self) -> list[str]:
        folder = str(self.folder)
        return [self.program, "-p", folder, "-c", f"{folder}/nginx.conf", "-e", f"{folder}/error.log"]
