"""`braid doctor`: all is well in the sandbox, and each thing that is set up wrongly is said."""

from __future__ import annotations

import datetime
import ipaddress
import json
import os
import socket
import sqlite3
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from sqlalchemy import make_url

from braid.diagnosis import registration
from braid.diagnosis.server import _get
from flows.sandbox import Sandbox
from provenance_store import open_store
from provenance_store.extras import EXTRAS
from provenance_store.opening import engine_at
from provenance_store.sql import schema
from provenance_store.transfer import condition
from tests.functional.cli.servers import served
from tests.support.command_line import Braid
from tests.support.permissions import as_anybody
from tests.support.postgres import PostgresServer


@pytest.fixture
def registered(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings of a server that is set up well are those of the command line too."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)


Doctor = Callable[..., dict[str, dict[str, str]]]


@pytest.fixture
def doctor(braid: Braid) -> Doctor:
    """Call `braid doctor`; what it found by the name of the check."""

    def call(*args: object, code: int) -> dict[str, dict[str, str]]:
        answer = braid("doctor", *args, "--format", "json")
        assert (answer.code, answer.err) == (code, ""), answer.out
        return {check["check"]: check for check in json.loads(answer.out)["checks"]}

    return call


def test_all_is_well_in_the_sandbox(
    braid: Braid, server: str, registered: None, tmp_path: Path
) -> None:
    store = tmp_path / "server.db"
    open_store(f"sqlite:///{store}").close()
    answer = braid("doctor", "--server", server, "--store", store)
    assert (answer.code, answer.err) == (0, "")
    lines = answer.out.splitlines()
    assert {line[:4] for line in lines} == {"ok  "}, answer.out
    assert {line[6:].partition(":")[0] for line in lines} >= {
        *("installed", "settings", "spool", "client", "clock", "scope", "scope of groups"),
        *("address", "description", "ready", "caller", "workers"),
        *("store", "schema", "integrity", "store rights", "disk room", "store log"),
    }


def test_who_has_a_store_alone_is_asked_for_nothing_that_a_server_needs(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("server", "globus"):
        monkeypatch.setitem(EXTRAS, name, ("no_such_module",))
    monkeypatch.setenv("GLOBUS_SDK_SERVICE_URL_AUTH", "http://127.0.0.1:9/")  # of globus-sdk
    open_store(f"sqlite:///{tmp_path / 's.db'}").close()
    found = doctor("--store", tmp_path / "s.db", code=0)
    assert {check["status"] for check in found.values()} == {"ok", "skip"}
    skipped = {name for name, check in found.items() if check["status"] == "skip"}
    assert skipped == {"server"}
    assert "--server" in found["server"]["todo"]
    assert "store" in doctor("--store", "no/folder.db", code=1)


@pytest.mark.parametrize("name", ["BRAID_SCOPE", "BRAID_CLIENT_ID", "BRAID_VISIBLE_TO"])
def test_where_one_setting_of_a_server_is_set_the_others_are_asked_for(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "public")
    found = doctor(code=1)
    assert found["client"]["status"] == "fail"
    assert "BRAID_CLIENT_SECRET" in found["client"]["said"]
    assert "register-with-globus-auth" in found["client"]["todo"]
    assert (found["server"]["status"], found["store"]["status"]) == ("skip", "warn")


def test_offline_nobody_is_asked_and_nothing_fails(
    doctor: Doctor, registered: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLOBUS_SDK_SERVICE_URL_AUTH", "http://127.0.0.1:9/")
    found = doctor("--offline", "--server", "https://127.0.0.1:9", code=0)
    assert {found[name]["status"] for name in ("client", "server")} == {"skip"}


SCOPES: Mapping[str, Callable[[Sandbox, Any], str]] = {
    "bare": lambda sandbox, client: sandbox.add_scope(client, "bare", dependencies=()),
    "optional": lambda sandbox, client: sandbox.add_scope(
        client,
        "optional",
        dependencies=(
            "*urn:globus:auth:scope:groups.api.globus.org:view_my_groups_and_memberships",
        ),
    ),
    "another's": lambda sandbox, client: sandbox.add_scope(sandbox.add_client("other"), "all"),
}


@pytest.mark.parametrize(
    ("changes", "check", "status", "said"),
    [
        ({"BRAID_CLIENT_SECRET": "wrong"}, "client", "fail", "does not take BRAID_CLIENT_ID"),
        ({"BRAID_CLIENT_SECRET": ""}, "client", "fail", "BRAID_CLIENT_SECRET is not set"),
        ({"BRAID_SCOPE": "https://auth.globus.org/scopes/x/all"}, "scope", "fail", "not know"),
        ({"BRAID_SCOPE": "another's"}, "scope", "fail", "belongs to another client"),
        ({"BRAID_SCOPE": "bare"}, "scope of groups", "warn", "nobody can read, or record"),
        ({"BRAID_SCOPE": "bare"}, "scope of harvests", "warn", "ConsentRequired"),
        ({"BRAID_SCOPE": "optional"}, "scope of groups", "warn", "optional"),
        ({"BRAID_CLIENT_SECERT": "s3"}, "settings", "warn", "BRAID_CLIENT_SECERT is set"),
        ({"BRAID_READER_GROUP": "us"}, "settings", "fail", "BRAID_READER_GROUP is not valid"),
        ({"GLOBUS_SDK_SERVICE_URL_AUTH": "closed"}, "client", "fail", "cannot be reached"),
        ({"BRAID_STORE_URL": "mysql://h/d"}, "store", "fail", "sqlite:///FILE"),
        ({"BRAID_STORE_URL": "sqlite:///no/folder.db"}, "store", "fail", "does not exist"),
    ],
)
def test_what_is_set_wrongly_is_said_with_what_to_do(
    doctor: Doctor,
    registered: None,
    environ: dict[str, str],
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, str],
    check: str,
    status: str,
    said: str,
) -> None:
    for name, value in changes.items():
        if value in SCOPES:
            value = SCOPES[value](sandbox, sandbox.directory.client(environ["BRAID_CLIENT_ID"]))
        if value == "closed":
            with socket.create_server(("127.0.0.1", 0)) as taken:
                value = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        monkeypatch.setenv(name, value)
    found = doctor(code=1 if status == "fail" else 0)[check]
    assert found["status"] == status
    assert said in found["said"]
    assert found["todo"]
    for secret in (environ["BRAID_CLIENT_SECRET"], "s3"):
        assert secret not in json.dumps(found)


class Answering(BaseHTTPRequestHandler):
    """Says of every token that it is not valid, at a time of its own."""

    behind = datetime.timedelta(0)

    def do_POST(self) -> None:
        body = b'{"active": false, "scopes": []}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST

    def date_time_string(self, timestamp: float | None = None) -> str:
        now = datetime.datetime.now(datetime.UTC) - self.behind
        return now.strftime("%a, %d %b %Y %H:%M:%S GMT")

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def answering(context: ssl.SSLContext | None = None) -> Iterator[int]:
    """The port of a server that is no Braid."""
    with HTTPServer(("127.0.0.1", 0), Answering) as server:
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("seconds", "status", "said"), [(30, "warn", "ahead"), (-3600, "fail", "behind")]
)
def test_a_clock_that_is_wrong_is_said(
    doctor: Doctor,
    registered: None,
    monkeypatch: pytest.MonkeyPatch,
    seconds: int,
    status: str,
    said: str,
) -> None:
    monkeypatch.setattr(Answering, "behind", datetime.timedelta(seconds=seconds))
    with answering() as port:
        monkeypatch.setenv("GLOBUS_SDK_SERVICE_URL_AUTH", f"http://127.0.0.1:{port}/")
        found = doctor(code=1)
    assert found["clock"]["status"] == status
    assert said in found["clock"]["said"]
    assert found["scope"]["status"] == "fail"  # which that server does not know


@pytest.mark.parametrize(
    ("more", "check", "status", "said"),
    [
        ({"BRAID_VISIBLE_TO": "all_authenticated_users"}, "description", "fail", "not logged in"),
        (
            {"BRAID_VISIBLE_TO": "urn:globus:auth:identity:00000000-0000-4000-8000-000000000001"},
            *("description", "fail", "not logged in"),
        ),
        ({"BRAID_SCOPE": "https://auth.globus.org/scopes/x/y"}, "description", "fail", "asks for"),
        ({"BRAID_CLIENT_SECRET": "wrong"}, "caller", "fail", "answered 503"),
        (
            {"BRAID_RUNNABLE_BY": "urn:globus:auth:identity:00000000-0000-4000-8000-000000000001"},
            *("caller", "warn", "may not record"),
        ),
    ],
)
def test_a_server_that_is_set_up_wrongly_is_told_from_outside(
    doctor: Doctor,
    registered: None,
    environ: dict[str, str],
    tmp_path: Path,
    more: dict[str, str],
    check: str,
    status: str,
    said: str,
) -> None:
    with served(environ, tmp_path / "s.db", **more) as url:
        found = doctor("--server", url, code=1 if status == "fail" else 0)[check]
    assert found["status"] == status
    assert said in found["said"]
    assert found["todo"]


def test_a_server_without_its_store_is_not_ready(
    doctor: Doctor, registered: None, environ: dict[str, str], tmp_path: Path
) -> None:
    with served(environ, tmp_path / "s.db") as url:
        assert doctor("--server", url, code=0)["ready"]["status"] == "ok"
        (tmp_path / "s.db").rename(tmp_path / "elsewhere.db")
        found = doctor("--server", url, code=1)
    assert (found["ready"]["status"], found["workers"]["status"]) == ("fail", "ok")
    assert "moved" in found["ready"]["said"]


def test_an_address_that_globus_cannot_call_is_said(
    doctor: Doctor, registered: None, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = doctor("--server", "http://braid.example.org", code=1)["address"]
    assert (found["status"], "is not https" in found["said"]) == ("fail", True)
    with answering() as port:
        found = doctor("--server", f"http://127.0.0.1:{port}", code=1)["description"]
        assert "is not an action provider" in found["said"]
        found = doctor("--server", f"https://127.0.0.1:{port}", code=1)["certificate"]
        assert "does not speak TLS" in found["said"]
    found = doctor("--server", f"https://127.0.0.1:{port}", code=1)["address"]
    assert "cannot be reached" in found["said"]
    monkeypatch.delenv("GLOBUS_SDK_SERVICE_URL_AUTH")
    monkeypatch.delenv("BRAID_CLIENT_ID")
    found = doctor("--server", server, code=0)
    assert (found["client"]["status"], found["address"]["status"]) == ("skip", "warn")
    assert "Globus Flows cannot call" in found["address"]["said"]


@pytest.mark.parametrize(
    "address",
    ["https://x:hunter2", "http://[::1", "https://" + "a" * 70, "http://me:hunter2@127.0.0.1:9"],
)
def test_an_address_that_is_none_is_said_without_a_password(
    doctor: Doctor, registered: None, address: str
) -> None:
    found = doctor("--server", address, code=1)
    assert found["address"]["status"] == "fail"
    assert "hunter2" not in str(found)
    assert "store" in found or any(name.startswith("store") for name in found)


@pytest.mark.parametrize("leads", ["another scope", "elsewhere"])
def test_a_token_goes_to_nobody_else(
    doctor: Doctor,
    registered: None,
    environ: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    leads: str,
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(
        registration, "token_of_the_login", lambda scope: asked.append(scope) or "a-token"
    )
    heard: list[str | None] = []

    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(self.headers.get("Authorization"))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    if leads == "another scope":
        other = environ | {"BRAID_SCOPE": "https://auth.globus.org/scopes/other/all"}
        with served(other, tmp_path / "s.db") as url:
            doctor("--server", url, code=1)
        assert asked == [environ["BRAID_SCOPE"]]
        return
    with HTTPServer(("127.0.0.1", 0), Elsewhere) as there:
        threading.Thread(target=there.serve_forever, daemon=True).start()

        class Leads(Elsewhere):
            def do_GET(self) -> None:
                self.send_response(302)
                self.send_header("Location", f"http://localhost:{there.server_port}/")
                self.end_headers()

        with HTTPServer(("127.0.0.1", 0), Leads) as here:
            threading.Thread(target=here.serve_forever, daemon=True).start()
            _get(f"http://127.0.0.1:{here.server_port}/", "a-token")
            here.shutdown()
        there.shutdown()
    assert heard == [None]


def certificate(folder: Path, *, days: int, name: str = "127.0.0.1") -> Path:
    """A certificate with its key that ends in so many days, and that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days, minutes=1)
    ip = x509.IPAddress(ipaddress.ip_address(name))
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(end - datetime.timedelta(days=90))
        .not_valid_after(end)
        .add_extension(x509.SubjectAlternativeName([ip]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / f"{name}-{days}.pem"
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    file.write_bytes(
        made.public_bytes(pem) + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    )
    return file


@pytest.mark.parametrize(
    ("options", "trusted", "status", "said"),
    [
        ({"days": 60}, True, "ok", "in 60 days"),
        ({"days": 5}, True, "warn", "in 5 days"),
        ({"days": -5}, True, "fail", "expired"),
        ({"days": 60}, False, "fail", "self-signed certificate"),
        ({"days": 60, "name": "127.0.0.2"}, True, "fail", "not valid for '127.0.0.1'"),
    ],
)
def test_a_certificate_that_globus_would_not_take_is_said(
    doctor: Doctor,
    registered: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, Any],
    trusted: bool,
    status: str,
    said: str,
) -> None:
    file = certificate(tmp_path, **options)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with answering(context) as port:
        found = doctor("--server", f"https://127.0.0.1:{port}", code=1)["certificate"]
    assert found["status"] == status
    assert said in found["said"]


def older(file: Path) -> None:
    engine = engine_at(f"sqlite:///{file}", create=True)
    schema.upgrade(engine, "0003")
    engine.dispose()


def newer(file: Path) -> None:
    open_store(f"sqlite:///{file}").close()
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.execute("UPDATE store_info SET value = '9999'")


def damaged(file: Path) -> None:
    with open_store(f"sqlite:///{file}") as store:
        for number in range(300):
            store.data(f"scan-{number}", tags={"n": number})
    data = bytearray(file.read_bytes())
    with closing(sqlite3.connect(file)) as connection:
        query = "SELECT rootpage FROM sqlite_master WHERE name = 'tag'"
        (page,) = connection.execute(query).fetchone()
    data[(page - 1) * 4096 + 100 : page * 4096] = b"\xff" * 3996
    file.write_bytes(data)


def readable(file: Path) -> None:
    open_store(f"sqlite:///{file}").close()
    file.chmod(0o644)


@pytest.mark.parametrize(
    ("make", "check", "status", "said"),
    [
        (older, "schema", "warn", "has schema 0003"),
        (newer, "schema", "fail", "newer than this Braid"),
        (damaged, "integrity", "fail", "reports damage"),
        (readable, "store privacy", "warn", "can read"),
        (lambda file: file.write_text("no database" * 99), "store", "fail", "not a SQLite"),
        (lambda file: file.mkdir(), "store", "fail", "is a folder"),
    ],
)
def test_a_store_that_is_not_well_is_said(
    doctor: Doctor,
    registered: None,
    tmp_path: Path,
    make: Callable[[Path], Any],
    check: str,
    status: str,
    said: str,
) -> None:
    make(file := tmp_path / "s.db")
    before = None if file.is_dir() else file.read_bytes()
    found = doctor("--store", f"sqlite:///{file}", code=1 if status == "fail" else 0)[check]
    assert found["status"] == status
    assert said in found["said"]
    assert found["todo"]
    assert before is None or file.read_bytes() == before


def test_spool_files_that_wait_are_counted(
    doctor: Doctor, braid: Braid, registered: None, tmp_path: Path
) -> None:
    assert braid("record", "data", "scan", "--spool", "braid-spool").code == 0
    (tmp_path / "braid-spool" / "bad").mkdir(exist_ok=True)
    found = doctor(code=0)["spool"]
    assert (found["status"], found["todo"]) == ("warn", "braid spool load braid-spool")
    os.rename(
        next((tmp_path / "braid-spool" / "new").glob("*.braid")),
        tmp_path / "braid-spool" / "bad" / "x.braid",
    )
    assert "Refused or damaged: 1 file" in doctor(code=0)["spool"]["said"]


def test_a_store_that_may_only_be_read_is_said(
    doctor: Doctor, registered: None, postgres_server: PostgresServer
) -> None:
    with tempfile.TemporaryDirectory() as folder:  # others may not look into pytest's
        file = Path(folder) / "s.db"
        open_store(f"sqlite:///{file}").close()
        Path(folder).chmod(0o755)
        file.chmod(0o644)
        with as_anybody():
            found = doctor("--store", f"sqlite:///{file}", code=1)
    assert (found["store"]["status"], found["store rights"]["status"]) == ("ok", "fail")
    url = postgres_server.new_store()
    assert doctor("--store", url, code=0)["schema"]["status"] == "ok"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE ROLE only_reads LOGIN PASSWORD 'hunter2'")
        connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO only_reads")
    reading = make_url(url).set(username="only_reads", password="hunter2")
    found = doctor("--store", reading.render_as_string(hide_password=False), code=1)
    assert "may not INSERT or UPDATE or DELETE" in found["store rights"]["said"]
    assert "hunter2" not in json.dumps(found)


def test_a_disk_or_log_that_is_too_full_is_said(
    doctor: Doctor, registered: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 's.db'}"
    monkeypatch.setattr(condition, "LOG_WARN", 1000)
    with open_store(url) as store:
        store.data("scan")
        found = doctor("--store", url, code=0)["store log"]
        assert (found["status"], "which are not in the file" in found["said"]) == ("warn", True)
    monkeypatch.setattr(condition, "ROOM_WARN", 1 << 60)
    found = doctor("--store", url, code=0)["disk room"]
    assert (found["status"], "braid store reduce" in found["todo"]) == ("warn", True)
    monkeypatch.setattr(condition, "ROOM_FAIL", 1 << 60)
    assert doctor("--store", url, code=1)["disk room"]["status"] == "fail"


def test_a_store_on_a_network_file_system_is_said(
    doctor: Doctor, registered: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 's.db'}"
    open_store(url).close()
    assert "store disk" not in doctor("--store", url, code=0)
    kinds = {line.split()[2] for line in Path("/proc/self/mounts").read_text().splitlines()}
    monkeypatch.setattr(condition, "NETWORK", kinds)
    assert "PostgreSQL" in doctor("--store", url, code=1)["store disk"]["todo"]


def test_an_extra_that_a_server_needs_is_said(
    doctor: Doctor, registered: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(EXTRAS, "server", ("no_such_module",))
    found = doctor(code=1)["installed"]
    assert (found["status"], found["todo"]) == ("fail", "pip install 'braid-provenance[server]'")
