"""Debian's nginx with our configuration, in a folder of its own."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.functional.provider.harvests import wait_until
from tests.support.needs import missing
from tests.support.processes import ROOT

__all__ = ["Proxy", "proxy_to"]

CONFIGURATION = ROOT / "deploy" / "nginx.conf"
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


class Proxy(NamedTuple):
    """Where nginx listens for TLS and without, and the certificate it shows."""

    url: str
    plain_url: str
    certificate: Path
    log: Path


@contextmanager
def proxy_to(url: str, folder: Path) -> Iterator[Proxy]:
    """Run nginx in front of a server. Skips the test, or fails in continuous integration, where
    nginx or openssl is not installed."""
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    if nginx is None or shutil.which("openssl") is None:
        missing("nginx or openssl is not installed")
    folder.mkdir()
    certificate = _certificate(folder)
    secure, plain = _free_port(), _free_port()
    main = folder / "nginx.conf"
    main.write_text(_main(folder, _site(url, folder, secure, plain)))
    command = [nginx, "-p", str(folder), "-c", str(main), "-e", str(folder / "error.log")]
    tested = subprocess.run([*command, "-t"], stderr=subprocess.PIPE, text=True, check=False)
    assert tested.returncode == 0, tested.stderr
    process = subprocess.Popen(command)
    try:
        wait_until(lambda: _listens(secure), "nginx")
        yield Proxy(
            f"https://127.0.0.1:{secure}",
            f"http://127.0.0.1:{plain}",
            certificate,
            folder / "access.log",
        )
    finally:
        process.terminate()
        process.wait(20)


def _site(url: str, folder: Path, secure: int, plain: int) -> str:
    """The file as it is delivered, with what an operator changes, and nothing else, changed."""
    changes = {
        r"server 127\.0\.0\.1:8000;": f"server {url.removeprefix('http://')};",
        r"listen 80;": f"listen 127.0.0.1:{plain};",
        r"listen 443 ssl;": f"listen 127.0.0.1:{secure} ssl;",
        r"listen \[::\]:\d+(?: ssl)?;": "",
        r"server_name braid\.example\.org;": "server_name 127.0.0.1;",
        r"/etc/ssl/braid/": f"{folder}/",
        r"/var/log/nginx/braid\.log": f"{folder}/access.log",
    }
    site = CONFIGURATION.read_text()
    for pattern, replacement in changes.items():
        site, count = re.subn(pattern, replacement, site)
        if not count:
            pytest.fail(f"the configuration has no {pattern}")
    return site


def _main(folder: Path, site: str) -> str:
    temporary = "\n".join(f"{name}_temp_path {folder}/{name};" for name in TEMPORARY)
    return (
        f"daemon off;\nmaster_process off;\npid {folder}/nginx.pid;\n"
        f"events {{ worker_connections 512; }}\nhttp {{\n{temporary}\naccess_log off;\n{site}\n}}\n"
    )


def _certificate(folder: Path) -> Path:
    certificate = folder / "fullchain.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
    command += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", str(folder / "privkey.pem"), "-out", str(certificate)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return certificate


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
