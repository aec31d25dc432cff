"""nginx: the front of IIPImage, and by itself the ceiling, with files that lie ready."""

import subprocess
from pathlib import Path

from benchmarks.commands import find_program
from benchmarks.servers import HOST

CONFIGURATION = """
daemon off;
master_process on;
worker_processes 2;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000;
  default_type image/jpeg;
  open_file_cache max=10000 inactive=60s;
  client_body_temp_path {folder}/temporary;
  proxy_temp_path {folder}/temporary;
  fastcgi_temp_path {folder}/temporary;
  uwsgi_temp_path {folder}/temporary;
  scgi_temp_path {folder}/temporary;
  {upstream}
  server {{
    listen {host}:{port} reuseport;
    {location}
  }}
}}
"""
FASTCGI_FIELDS = (
    "QUERY_STRING $query_string",
    "REQUEST_METHOD $request_method",
    "REQUEST_URI $request_uri",
    "SERVER_PROTOCOL $server_protocol",
    "SERVER_NAME $host",
    "SERVER_PORT $server_port",
    "HTTP_HOST $http_host",
)


def write_configuration(folder: Path, port: int, location: str, upstream: str = "") -> list[str | Path]:
    """Writes the configuration; returns the command that starts nginx with it.

    Raises:
        Missing: nginx is not on this machine.
    """
    program = find_program("nginx", package="nginx-light")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "nginx.conf"
    path.write_text(CONFIGURATION.format(folder=folder, port=port, host=HOST, location=location, upstream=upstream))
    return [program, "-p", folder, "-c", path, "-e", folder / "nginx-error.log"]


def fastcgi_location() -> str:
    fields = "\n".join(f"fastcgi_param {field};" for field in FASTCGI_FIELDS)
    return f"location / {{ fastcgi_pass image_server; {fields} }}"


def nginx_version() -> str:
    program = find_program("nginx", package="nginx-light")
    said = subprocess.run([str(program), "-v"], capture_output=True, text=True, check=False)
    return said.stderr.strip().removeprefix("nginx version: ")
