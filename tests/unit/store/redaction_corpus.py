"""Labelled inputs of redaction: what must be gone, and what must stay as it is.

Tokens are made here and not written out, so that nobody who scans the project takes them for real.
Each is random, but the same every time.
"""

from __future__ import annotations

import base64
import json
import random
import string
from dataclasses import dataclass, field
from typing import Any

from tests.unit.store import redaction_contexts as contexts

LOWER, HEX = string.ascii_lowercase + string.digits, "0123456789abcdef"
UPPER = string.ascii_uppercase + string.digits
ALNUM = string.ascii_letters + string.digits
URLSAFE = ALNUM + "-_"
S = "hun7er2Zq9"
"""A password of no special look: only its surroundings give it away."""


@dataclass(frozen=True)
class Labelled:
    """One input. Secret when something must be gone from it, else to be kept as it is."""

    kind: str
    value: Any
    gone: tuple[str, ...] = ()
    stays: tuple[str, ...] = field(default=())

    @property
    def is_secret(self) -> bool:
        return bool(self.gone)


def made(start: str, alphabet: str, length: int, end: str = "") -> str:
    """A token of this look, which has a digit, a small and a capital letter if it may."""
    chance = random.Random(start + alphabet + str(length))
    sure = "".join(c for c in "7qZ" if c in alphabet)
    rest = "".join(chance.choice(alphabet) for _ in range(length - len(sure)))
    return f"{start}{sure}{rest}{end}"


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _jwt() -> str:
    def part(document: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")

    head = part({"alg": "HS256", "typ": "JWT"})
    return f"{head}.{part({'sub': 'braid', 'iat': 1700000000})}.{made('', URLSAFE, 43)}"


JWT = _jwt()
BLOCK = "\n".join(made("", ALNUM + "+/", 64) for _ in range(4))

TOKENS = {
    "Globus": made("Ag", ALNUM, 89),
    "Globus refresh": made("Ag", ALNUM, 48),
    "GitHub personal": made("ghp_", ALNUM, 36),
    "GitHub app": made("ghs_", ALNUM, 36),
    "GitHub OAuth": made("gho_", ALNUM, 36),
    "GitHub fine-grained": made("github_pat_", ALNUM, 22, "_" + made("", ALNUM, 59)),
    "GitLab": made("glpat-", URLSAFE, 20),
    "GitLab trigger": made("glptt-", HEX, 40),
    "GitLab deploy": made("gldt-", URLSAFE, 20),
    "GitLab runner": made("GR1348941", URLSAFE, 20),
    "npm": made("npm_", ALNUM, 36),
    "PyPI": made("pypi-AgEIcHlwaS5vcmc", URLSAFE, 150),
    "Docker": made("dckr_pat_", URLSAFE, 27),
    "Artifactory": made("AKCp8", ALNUM, 68),
    "AWS id": made("AKIA", UPPER, 16),
    "AWS session id": made("ASIA", UPPER, 16),
    "Google key": made("AIza", URLSAFE, 35),
    "Google access": made("ya29.", URLSAFE, 120),
    "Google client secret": made("GOCSPX-", URLSAFE, 28),
    "Azure client secret": made("", ALNUM, 3) + "8Q~" + made("", ALNUM + "_~.-", 34),
    "DigitalOcean": made("dop_v1_", HEX, 64),
    "Vault": made("hvs.", URLSAFE, 95),
    "OpenAI": made("sk-", ALNUM, 20) + "T3BlbkFJ" + made("", ALNUM, 20),
    "OpenAI project": made("sk-proj-", URLSAFE, 48) + "T3BlbkFJ" + made("", URLSAFE, 48),
    "Anthropic": made("sk-ant-api03-", URLSAFE, 93, "AA"),
    "OpenRouter": made("sk-or-v1-", HEX, 64),
    "Hugging Face": made("hf_", string.ascii_letters, 34),
    "Groq": made("gsk_", ALNUM, 52),
    "Replicate": made("r8_", ALNUM, 37),
    "NVIDIA": made("nvapi-", URLSAFE, 64),
    "Perplexity": made("pplx-", ALNUM, 48),
    "Pinecone": made("pcsk_", ALNUM, 60),
    "LangSmith": made("lsv2_pt_", HEX, 32) + "_" + made("", HEX, 10),
    "Databricks": made("dapi", HEX, 32),
    "Prefect": made("pnu_", ALNUM, 36),
    "Slack bot": "xoxb-2345678901-2345678901234-" + made("", ALNUM, 24),
    "Slack user": "xoxp-234567890123-234567890123-234567890123-" + made("", HEX, 32),
    "Slack app": "xapp-1-A0123456789-1234567890123-" + made("", HEX, 64),
    "Stripe": made("sk_live_", ALNUM, 24),
    "Stripe restricted": made("rk_live_", ALNUM, 24),
    "Stripe webhook": made("whsec_", ALNUM, 32),
    "SendGrid": made("SG.", URLSAFE, 22) + "." + made("", URLSAFE, 43),
    "Twilio": made("SK", HEX, 32),
    "Telegram": "123456789:" + made("AA", URLSAFE, 33),
    "Discord bot": made("M", ALNUM, 23) + "." + made("", URLSAFE, 6) + "." + made("", URLSAFE, 27),
    "Mailchimp": made("", HEX, 32) + "-us12",
    "Mailgun": made("key-", HEX, 32),
    "Shopify": made("shpat_", HEX, 32),
    "Square": made("sq0csp-", URLSAFE, 43),
    "Linear": made("lin_api_", ALNUM, 40),
    "Notion": made("ntn_", ALNUM, 46),
    "Postman": made("PMAK-", HEX, 24) + "-" + made("", HEX, 34),
    "Grafana": made("glsa_", ALNUM, 32) + "_" + made("", HEX, 8),
    "New Relic": made("NRAK-", UPPER, 27).replace("NRAK-7", "NRAK-a7"),
    "Sentry": made("sntryu_", HEX, 64),
    "Tailscale": made("tskey-auth-", ALNUM, 17) + "-" + made("", ALNUM, 32),
    "age": made("AGE-SECRET-KEY-1", string.ascii_uppercase, 58),
    "JWT": JWT,
    "Kubernetes account": JWT.replace("eyJ", "eyJ", 1),
    "OpenSSH key in base64": made("b3BlbnNzaC1rZXktdjEAAAAA", ALNUM + "+/", 120),
    "PEM in base64": _b64("-----BEGIN RSA PRIVATE KEY-----\n" + BLOCK),
    "crypt": "$6$rounds$" + made("", ALNUM + "./", 86),
    "bcrypt": "$2b$12$" + made("", ALNUM + "./", 53),
    "Slack webhook": "T0123ABCD/B0123ABCD/" + made("", ALNUM, 24),
}

SECRET: list[Labelled] = []
HARMLESS: list[Labelled] = []


def secret(kind: str, *values: Any, gone: str = S, stays: str = "") -> None:
    kept = tuple(stays.split())
    SECRET.extend(Labelled(kind, value, (gone,), kept) for value in values)


def harmless(kind: str, *values: Any) -> None:
    HARMLESS.extend(Labelled(kind, value) for value in values)


for _of, _token in TOKENS.items():
    if _of == "Slack webhook":
        secret(
            "token", f"https://hooks.slack.com/services/{_token}", gone=_token, stays="hooks.slack"
        )
    else:
        secret("token", f"epoch 3 done {_token} next", gone=_token, stays="epoch 3 done next")
for _of in ("Globus", "GitHub personal", "OpenAI", "Hugging Face", "AWS id", "JWT"):
    _t = TOKENS[_of]
    secret("token in a list", {"items": ["a", _t, 3]}, [_t], gone=_t)
    secret("token in a sentence", f"I used {_t}, then it failed.", f"({_t})", gone=_t)
    secret("token in code", f"x = '{_t}'", f'client("{_t}")', gone=_t)
secret("token as a key", {TOKENS["GitHub personal"]: 1}, gone=TOKENS["GitHub personal"])
secret(
    "token",
    f"https://discord.com/api/webhooks/123456789012345678/{made('', URLSAFE, 68)}",
    gone=made("", URLSAFE, 68),
)
secret("token", f"AKIA{made('', UPPER, 16)} {made('', ALNUM, 40)}", gone=made("", ALNUM, 40))

_HEX64 = made("", HEX, 64)
secret(
    "token with a name",
    f'ibm_cloud_iam_api_key = "{made("", URLSAFE, 44)}"',
    gone=made("", URLSAFE, 44),
)
secret(
    "token with a name",
    f'cos_hmac_secret_access_key = "{made("", HEX, 48)}"',
    gone=made("", HEX, 48),
)
secret("token with a name", f'cloudant_password = "{_HEX64}"', gone=_HEX64)
secret("token with a name", f"https://acct:{_HEX64}@acct.cloudant.com", gone=_HEX64)
secret("token with a name", f'softlayer_api_key = "{_HEX64}"', gone=_HEX64)
secret(
    "token with a name",
    f"AccountKey={made('', ALNUM + '+/', 86)}==",
    gone=made("", ALNUM + "+/", 86),
)
secret(
    "token with a name",
    "//registry.npmjs.org/:_authToken=ddb59aef-6d04-11e5-ba46-22000b92c6ec",
    gone="ddb59aef-6d04-11e5-ba46-22000b92c6ec",
)
secret(
    "token with a name",
    f"aws_secret_access_key = '{made('', ALNUM + '+/', 40)}'",
    gone=made("", ALNUM + "+/", 40),
)

# --- keys of documents ---
_KEYS = (
    "password passwd pwd pw db_pass smtp_pass dbPass DB_PASS mysql_pwd userPassword user-password "
    "adminpass PGPASSWORD MYSQL_ROOT_PASSWORD passphrase passcode ldap_bind_pass key_pass "
    "secret client_secret clientSecret CLIENT-SECRET app_secrets secretkey webhook_secret "
    "token accessToken access_token refresh-token id_token BOT_TOKEN mytoken X-Auth-Token "
    "api_key apiKey API_KEY x-api-key apikey apikeys OPENAI_KEY WANDB_KEY anthropic_api_key "
    "aws_secret_access_key AWS_SESSION_TOKEN private_key privateKey ssh_key signing_key authkey "
    "creds credential credentials gcp_credentials Authorization proxy-authorization cookie "
    "Set-Cookie bearer jwt session_key sessionid PHPSESSID JSESSIONID otp totp contraseña "
    "encryption_key account_key service_key db_key client_key deploy_key hmac_key _private_x"
).split()
for _key in _KEYS:
    secret("key of a document", {"a": {_key: S, "n": 1}}, stays="n")
secret("key of a document", {"credentials": {"user": "me", "x": S}}, {"passwords": ["a1", S]})
secret("key by its value", {"pass": S}, {"auth": f"me:{S}"}, {"basic_auth": S})
secret("key by its value", {"SOME_SERVICE_KEY": TOKENS["Azure client secret"]}, gone="8Q~")
secret("key by its value", {"acme_key": "aB3dE6gH9jK2mN5pQ8sT"}, gone="aB3dE6gH9jK2mN5pQ8sT")
secret(
    "key by its value",
    {"REDISCLI_AUTH": S},
    {"sess": {"session_id": "aB3dE6gH9jK2mN5pQ8sT"}, "password": S},
)

# --- lists of pairs ---
secret(
    "pairs",
    [["X-Auth-Token", S]],
    [["Accept", "*/*"], ["Authorization", f"Bearer {S}"]],
    [("x-api-key", S), ("Accept", "json")],
    {"headers": [["Cookie", f"a={S}"]]},
    [{"name": "Authorization", "value": S}],
    [{"key": "password", "value": S}],
    {"env": [{"name": "DB_PASS", "value": S}, {"name": "HOST", "value": "h"}]},
    {"Name": "api_key", "Value": S},
    [f"X-Auth-Token: {S}", "Accept: json"],
    [f"Authorization: Bearer {S}"],
    f"[('X-Auth-Token', '{S}')]",
    f'headers.set("Authorization", "{S}")',
    f"os.environ.setdefault('DB_PASSWORD', '{S}')",
    {"headers": {"X-Auth-Token": [S]}},
)

# --- command lines ---
_LINES = (
    f"curl -u me:{S} https://h/x",
    f"curl -s --user me:{S} https://h/x",
    f"curl -ume:{S} https://h/x",
    f"curl -x http://p:1 --proxy-user me:{S} https://h",
    f"mysql -h db -u me -p{S} shop",
    f"mysqldump -p{S} shop",
    f"sshpass -p {S} ssh me@h",
    f"sshpass -p{S} ssh me@h",
    f"run --password {S} --x",
    f"run --password={S} --x",
    f"run -password {S}",
    f"run --db-pass {S}",
    f"run --api-key {S}",
    f"run --token={S}",
    f"run --client-secret {S}",
    f"docker login -u me -p {S} registry.example.org",
    f"docker run -e DB_PASS={S} -p 80:80 image",
    f"docker run --env API_TOKEN={S} image",
    f"DB_PASS={S} ./run --fast",
    f"env A_TOKEN={S} cmd",
    f"redis-cli -h r -a {S} ping",
    f"ldapsearch -x -D cn=me -w {S} -b dc=x",
    f"mongosh -u me -p {S} db",
    f"sqlcmd -S h -U me -P {S}",
    f"smbclient //h/s -U me%{S}",
    f"openssl rsa -in k.pem -passin pass:{S}",
    f"7z x -p{S} a.7z",
    f"zip -P {S} a.zip b",
    f"twine upload -u __token__ -p {S} dist/x.whl",
    f"skopeo copy --src-creds me:{S} docker://a docker://b",
    f"git config --global user.password {S}",
    f"aws configure set aws_secret_access_key {S}",
    f"dvc remote modify origin password {S}",
    f"wandb login {S}",
    f"kubectl create secret generic x --from-literal=password={S}",
    f"helm install x --set db.password={S}",
    f"http -a me:{S} GET h/x",
    f"mosquitto_pub -u me -P {S} -t a",
    f"gpg --batch --passphrase {S} -d f",
    f"keytool -storepass {S} -list",
)
for _line in _LINES:
    secret("command as text", _line)
    secret("command as list", _line.split())
secret(
    "command as text",
    f"curl -H 'Authorization: Bearer {S}' https://h",
    f'curl -H "X-Api-Key: {S}" https://h',
    f"run --password \\\n  {S}",
    f"export GITHUB_TOKEN={S}",
    f"export DB_PASS='{S} with space'",
    f"setenv API_TOKEN {S}",
    f"set -x API_TOKEN {S}",
    f"$env:API_TOKEN = '{S}'",
    f"wget --http-password={S} https://h",
    f"sudo -E curl -u me:{S} https://h | jq .",
    f"cd /x && mysql -p{S} < dump.sql",
    f"net use /user:me /password:{S}",
    f"curl -b 'session_token={S}' https://h",
    f"true; curl -u me:{S} h",
)
secret(
    "command as list",
    ["curl", "-H", f"Authorization: Bearer {S}", "https://h"],
    ["/usr/bin/curl", "-u", f"me:{S}", "https://h"],
    ["docker", "run", "-e", f"DB_PASS={S} {S}", "i"],
    ["srun", "-n", "4", "python", "train.py", "--wandb-key", S],
    {"args": ["--secret", S]},
    {"command": ["sh", "-c", f"mysql -p{S} shop"]},
)

# --- URLs and connection strings ---
secret(
    "URL",
    f"https://me:{S}@h/x",
    f"https://{S}{S}@h/x",
    f"https://h/?token={S}&page=2",
    f"https://h/?X-Amz-Signature={S}&X-Amz-Date=1",
    f"https://acct.blob.core.windows.net/c/f?sv=2022-11-02&sig={S}",
    f"https://storage.googleapis.com/b/o?GoogleAccessId=me&Signature={S}",
    f"https://h/cb#access_token={S}&state=1",
    f"https://h/cb?code={S}",
    f"https://h/?r=https%3A%2F%2Fq%3Ftoken%3D{S}",
    f"git clone https://oauth2:{S}@gitlab.com/a/b.git",
    f"ftp://me:{S}@h/f",
    f"https://h/a;jsessionid={S}/b",
)
secret(
    "connection string",
    f"postgresql://me:{S}@db:5432/x",
    f"postgresql+psycopg://me:{S}@db/x",
    f"amqp://me:{S}@mq:5672/v",
    f"redis://:{S}@r:6379/0",
    f"mongodb+srv://me:{S}@c.example.org/db",
    f"mysql+pymysql://me:{S}@h/db",
    f"jdbc:postgresql://h/db?user=me&password={S}",
    f"jdbc:sqlserver://h:1433;user=me;password={S};encrypt=true",
    f"jdbc:oracle:thin:scott/{S}@//h:1521/x",
    f"jdbc:mysql://me:{S}@h/db",
    f"Server=h;Database=d;User Id=me;Password={S};",
    f"Data Source=h;User ID=me;Pwd={S}",
    f"host=db user=me password={S} dbname=x",
    f"DefaultEndpointsProtocol=https;AccountName=a;AccountKey={S}==;EndpointSuffix=c",
    f"Endpoint=sb://n.servicebus.windows.net/;SharedAccessKeyName=r;SharedAccessKey={S}=",
    f"me:{S}@tcp(db:3306)/x",
    f"db:5432:shop:me:{S}",
    f"sqlplus scott/{S}@orcl",
    {"dsn": f"host=db password={S}"},
    {"url": f"redis://:{S}@r"},
)

# --- files inside text ---
secret(
    "notation",
    f"<password>{S}</password>",
    f"<server><username>me</username><password>{S}</password></server>",
    f"<ns:Password xmlns:ns='x'>{S}</ns:Password>",
    f'<add key="Password" value="{S}" />',
    f'<property name="db.password" value="{S}"/>',
    f'<property name="db.password">{S}</property>',
    f'<entry key="api_key">{S}</entry>',
    f'<user name="me" password="{S}"/>',
    f"<token><![CDATA[{S}]]></token>",
    f"<key>Password</key>\n<string>{S}</string>",
    f'<input type="hidden" name="csrf_token" value="{S}">',
    f"db:\n  password: {S}\n  host: h",
    f'db:\n  password: "{S}"\n',
    f"db:\n  password: '{S}'\n",
    f"password: |\n  {S}\n  {S}\nhost: h",
    f"passwords:\n  - a\n  - {S}\nhost: h",
    f"{{user: me, password: {S}}}",
    f"- name: x\n  token: {S}",
    f"[db]\nuser = me\npassword = {S}\n",
    f'[tool]\napi_key = "{S}"\n',
    f"API_TOKEN={S}\nHOST=h\n",
    f"export SECRET_KEY='{S}'\n",
    f"machine h login me password {S}",
    f"machine h\n  login me\n  password {S}\n",
    f"default login me password {S}",
    f"//registry.npmjs.org/:_authToken={S}",
    f"ENV API_TOKEN {S}\nRUN x",
    f"aws_access_key_id = x\naws_secret_access_key = {S}",
    f'{{"password": "{S}"}}',
    f'{{"a": {{"accessToken": "{S}"}}}}',
    f'got {{"token": "{S}", "n": 1}} back',
    f'log: {{"credentials": {{"user": "a", "x": "{S}"}}}} end',
    f'x {{\\"password\\": \\"{S}\\"}} y',
    f"{{'password': '{S}'}}",
    f"Login(user='me', password='{S}')",
    f'password = "{S}"',
    f'password: str = "{S}"',
    f'password := "{S}"',
    f"password => '{S}'",
    f'password = """{S}"""',
    f"password = b'{S}'",
    f'os.environ["API_TOKEN"] = "{S}"',
    f"config:password={S}",
    f"OPTS=--password={S}",
    f"CREATE USER me IDENTIFIED BY '{S}'",
    f"ALTER ROLE me WITH PASSWORD '{S}'",
    f"token%3D{S}%26x",
    f"Authorization%3A%20Bearer%20{S}",
    f"Authorization: Bearer {S}\nAccept: x",
    f"Authorization: token {S}",
    f"2024-05-01 INFO login password: {S} ok",
    f"failed with password={S}, retrying",
    f"user=me&password={S}&x=1",
    {"log": f"POST /x HTTP/1.1\r\nAuthorization: Bearer {S}\r\nHost: h"},
    {"text": json.dumps({"password": S})},
    {"text": json.dumps({"inner": json.dumps({"api_key": S})})},
)
secret("header", f"Bearer {S}", f"proxy said Bearer {S}")
secret(
    "header", f"Basic {_b64('me:' + S)}", f"-H 'x: Basic {_b64('me:' + S)}'", gone=_b64("me:" + S)
)
secret("token", f"https://api.telegram.org/bot{TOKENS['Telegram']}/getMe", gone=TOKENS["Telegram"])
for _kind in ("RSA ", "EC ", "OPENSSH ", "ENCRYPTED ", "DSA ", ""):
    _pem = f"-----BEGIN {_kind}PRIVATE KEY-----\n{BLOCK}\n-----END {_kind}PRIVATE KEY-----"
    secret("private block", f"before\n{_pem}\nafter", gone=BLOCK[:64], stays="before after")
secret("private block", f"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n{BLOCK}\n", gone=BLOCK[:64])
secret("private block", f"-----BEGIN RSA PRIVATE KEY-----\\n{BLOCK[:64]}\\n", gone=BLOCK[:64])
secret("private block", f"PuTTY-User-Key-File-3: x\nPrivate-Lines: 1\n{BLOCK}", gone=BLOCK[:64])

# --- harmless ---
for _name, _value in (
    ("max_tokens", 512), ("num_tokens", 3), ("token_count", 9), ("tokenizer", "bpe"),
    ("tokens", 1523), ("tokens", [101, 2023, 102]), ("tokens", ["the", "cat", "sat"]),
    ("tokens_per_second", 99.5), ("input_tokens", 12), ("prompt_tokens", 40),
    ("pad_token", "<pad>"),
    ("eos_token", "</s>"), ("pad_token_id", 0), ("token_embeddings", "wte"),
    ("special_tokens", ["a"]),
    ("token_type_ids", [0, 1]), ("cls_token", "[CLS]"), ("token_dropout", 0.1), ("n_tokens", 5),
    ("secretary", "Ann"), ("secretome", "human"), ("gamma_secretase", "inhibited"), ("passes", 3),
    ("n_pass", 12), ("pass", True), ("pass", 4), ("pass", "yes"), ("first_pass", "done"),
    ("bandpass", "2-8 Hz"), ("low_pass", "30"), ("highpass_hz", 0.5), ("pass_energy_eV", 20),
    ("pass_rate", 0.97), ("passed", 17), ("compass", "north"), ("bypass", "open"),
    ("keypoints", [[1, 2], [3, 4]]), ("key_frames", [1, 9]), ("keywords", ["a", "b"]),
    ("key", "temperature"), ("keys", ["a", "b"]), ("primary_key", "id"), ("sort_key", "date"),
    ("foreign_key", "sample_id"), ("cache_key", "sha256:" + "ab" * 32),
    ("s3_key", "runs/7/model.pt"),
    ("partition_key", "run7"), ("public_key", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0"),
    ("ssh_public_key", "ssh-rsa AAAAB3NzaC1yc2EAAAADAQ"), ("prng_key", [0, 42]), ("jax_key", "0"),
    ("key_fingerprint", "SHA256:uNiVztksCsDhcc0u9e8BgrJXVGDPF7J0"), ("author", "A. Curie"),
    ("authors", ["A", "B"]), ("authority", "NIST"), ("authored_by", "me"), ("credit", "NASA"),
    ("credits", 12), ("auth", "globus"), ("auth_type", "oauth2"), ("auth_method", "none"),
    ("password_file", "/etc/braid/db"), ("token_url", "https://h/token"), ("password_length", 12),
    ("secret_name", "db-main"), ("token", None), ("password", ""), ("use_token", True),
    ("session_id", "ddb59aef-6d04-11e5-ba46-22000b92c6ec"), ("session", "morning"),
    ("signature", "f(x: int) -> int"), ("code", "H5"), ("pin", 7), ("salt", "NaCl"),
    ("cookiecutter", "v2"), ("basic", "yes"), ("basis", "6-31G*"), ("sig", 0.05),
    ("password", "$DB_PASSWORD"), ("token", "${{ secrets.TOKEN }}"), ("password", "********"),
    ("hash_key", "id"), ("dict_key", "x"), ("answer_key", "B"), ("monkey", "rhesus"),
    ("turkey", "x"), ("keyboard", "qwerty"), ("seed", 42), ("nonce", 7),
):  # fmt: skip
    harmless("key of a document", {_name: _value})
harmless(
    "packages",
    {"PyJWT": "2.8.0", "pytest-secrets": "1.0", "detect-secrets": "1.5.0", "tokenizers": "0.15.2"},
    {"packages": {"PyJWT": "2.8", "cookiecutter": "2.5.0", "passlib": "1.7.4", "keyring": "24.3"}},
    "PyJWT==2.8.0\ntokenizers==0.15.2\npasslib==1.7.4\n",
    "pyjwt=2.8.0=pyhd8ed1ab_0",
    "numpy>=1.26, tokenizers<0.20, python-jose~=3.3",
    ["PyJWT==2.8", "pytest-secrets==1.0"],
    {"flask-jwt-extended": "4.6.0", "google-auth": "2.27.0", "django-secrets": "1.0.2"},
    "secrets: 1.0.2",
)
_SHA, _MD5 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "ab" * 16
harmless(
    "digest or id",
    f"sha256:{_SHA}",
    _SHA,
    _MD5,
    f"md5 {_MD5} model.pt",
    {"digest": f"sha256:{_SHA}", "commit": "c34067d1f0c0f0d7e1f2a3b4c5d6e7f8a9b0c1d2"},
    "ddb59aef-6d04-11e5-ba46-22000b92c6ec",
    "globus://ddb59aef-6d04-11e5-ba46-22000b92c6ec/run/frame_000123.h5",
    "urn:uuid:ddb59aef-6d04-11e5-ba46-22000b92c6ec",
    "urn:braid:018f3a5c-1b2c-7d3e-8f4a-5b6c7d8e9f0a:3.17",
    "urn:globus:auth:identity:ddb59aef-6d04-11e5-ba46-22000b92c6ec",
    "urn:globus:auth:scope:transfer.api.globus.org:all",
    "https://auth.globus.org/scopes/ddb59aef-6d04-11e5-ba46-22000b92c6ec/https",
    "10.1038/s41586-021-03819-2",
    "doi:10.5281/zenodo.1234567",
    "BSYNRYMUTXBXSQ-UHFFFAOYSA-N",
    "InChI=1S/C9H8O4/c1-6(10)13-8-5-3-2-4-7(8)9(11)12/h2-5H,1H3,(H,11,12)",
    "CC(=O)OC1=CC=CC=C1C(=O)O",
    "CN1C=NC2=C1C(=O)N(C(=O)N2C)C",
    "C[C@@H](N)C(=O)O",
    "commit c34067d1f0c0f0d7e1f2a3b4c5d6e7f8a9b0c1d2",
    "ghcr.io/org/image@sha256:" + _SHA,
    "MKTAYIAKQRQISFVKSHFSRQVKEERLGLIEVQAPILSRVGDGTQDNLSGAEKAVQ",
    "ATGGCCATTGTAATGGGCCGCTGAAAGGGTGCCCGATAG",
    ">sp|P69905|HBA_HUMAN Hemoglobin subunit alpha OS=Homo sapiens",
    "SHA256:uNiVztksCsDhcc0u9e8BgrJXVGDPF7J0kGGDPxrTd0E",
    "orcid:0000-0002-1825-0097",
    "chr1:55516888:A:G",
    "01HV5Z8K9QX3T2R1W0YB4N6M7P",
)
harmless(
    "base64 of data",
    "data:image/png;base64," + base64.b64encode(bytes(range(256)) * 8).decode(),
    {"thumbnail": base64.b64encode(random.Random(1).randbytes(6000)).decode()},
    base64.b64encode(random.Random(2).randbytes(300)).decode(),
    base64.urlsafe_b64encode(random.Random(3).randbytes(3000)).decode(),
    _b64(json.dumps({"a": [1, 2, 3]})),
    "-----BEGIN CERTIFICATE-----\n" + BLOCK + "\n-----END CERTIFICATE-----",
    "-----BEGIN PUBLIC KEY-----\n" + BLOCK + "\n-----END PUBLIC KEY-----",
    "-----BEGIN PGP PUBLIC KEY BLOCK-----\n" + BLOCK + "\n-----END PGP PUBLIC KEY BLOCK-----",
)
harmless(
    "path or name",
    "/lus/eagle/projects/braid/run_0042/frames/f_001234.h5",
    "/entry/instrument/detector/pass_energy",
    "/entry/sample/key_frames[0]",
    "C:\\data\\tokens\\vocab.json",
    "file:///scratch/secretome/passes/epoch_12.pt",
    "s3://bucket/keypoints/train/part-00001.parquet",
    "models/tokenizer.json",
    "https://example.org/data/run_0042/model.pt?page=2&max_tokens=5",
    "https://github.com/org/pytest-secrets/tree/v1.0.2",
    "XF:11IDB-ES{Det:Eig1M}cam1:AcquireTime",
    "IOC:m1.RBV",
    "2bmb:rotary:key:RBV",
    "S:SRcurrentAI:KEY1",
    "http://localhost:8080/x, me@example.org",
    "me@example.org:/data/run7",
    "sk-learn-pipeline-with-a-rather-long-name-v2",
    "risk-assessment-of-a-very-long-experiment-name-2024",
    "hf_datasets_cache_directory_for_training",
    "key-value-store-benchmark-with-many-runs",
    "task-0123456789abcdef0123456789abcdef",
    "AgNanoparticles_on_TiO2_batch_17_annealed_at_450K",
    "AgBr",
    "model-us-east-1",
    "host:8080:tcp",
)
harmless(
    "command",
    "python train.py --max-tokens 512 --tokenizer bpe --key-frames 10",
    ["python", "train.py", "--max-tokens", "512", "--lr", "0.1"],
    "docker run -p 8080:80 -u 1000:1000 image",
    ["docker", "run", "-p", "8080:80", "-u", "1000:1000", "image"],
    "mkdir -p /scratch/run && cp -p a b",
    "ssh -p 2222 me@login.example.org",
    "srun -n 64 -p debug -A proj ./lmp -in in.key",
    "sbatch --partition=debug --account=key_science job.sh",
    "curl -s https://example.org/data.h5 -o data.h5",
    'curl -u "$CLIENT_ID:$CLIENT_SECRET" https://h',
    "mysql -h db -u me -p shop",
    "zip -r a.zip b -x '*.pyc'",
    "git commit -m 'Describe the token embedding'",
    "grep -w password README.md",
    "SLURM_JOB_ID=123 SLURM_NTASKS_PER_NODE=4 OMP_NUM_THREADS=8 ./run",
    "export PATH=/usr/bin:$PATH KMP_AFFINITY=compact",
    "--password-file /run/db.txt",
    "git config --global user.name me",
    "mpiexec -n 8 python -m braid.demo --pass-energy 20",
)
harmless(
    "sentence",
    "Basic research on basic things",
    "the bearer of bad news",
    "a secret garden, its key and the password policy",
    "if token == 3",
    "two passes over the data, 12 of 13 tests pass",
    "sorted by key frames of the trajectory",
    "the author has the authority to sign",
    "band-pass filter: 2-8 Hz",
    "monkey: 3",
    "Key: value pairs of the table",
    "pass 3: loss 0.12",
    "tokens: 1523",
    "max_tokens=512, temperature=0.7",
    "n_pass=12 n_fail=0",
    "keypoints: [[1, 2], [3, 4]]",
    "author = {Curie, M.}",
    "login node 4, config of the run",
    "Author: me <me@example.org>",
    "the token: a unit of text",
    "<pad> is the padding token",
    "<author>Curie</author>",
    "<keyword>neutron</keyword>",
    '{"a":  1, "tokenizer": "x"}',
    "key=temperature",
    "sort_key: date",
    "pass_energy = 20 eV",
    "loss[token] = 0.3",
    "E = m c^2, ratio 3:1, 12:00:00",
    "next(token for token in tokens)",
    "the compass and the passenger at sea level",
    "a cookie-cutter model of basin hopping",
    "oauth2 flow of the authors",
    "Authentication is done by Globus",
    "cred limit: 5",
)

# --- written after the rules, to see what they miss ---
secret(
    "seen elsewhere",
    f"connect with user admin and password {S}",
    f"psql 'host=h password={S}'",
    f"PGPASSWORD={S} psql -h h",
    f"PGPASSWORD='{S} x' psql",
    ["env", "PGPASSWORD=" + S, "psql"],
    {"cmd": f"export AWS_SECRET_ACCESS_KEY={S}; aws s3 ls"},
    f"smtp_pass: {S}",
    f"SMTP_PASS = {S}",
    {"SMTP": {"pass": S}},
    {"smtpPass": S},
    {"mailPassword": S},
    f"https://h/?api_key={S}&a=1",
    f"https://h/?apikey={S}",
    f"wss://h/?auth_token={S}",
    f"s3://me:{S}@bucket",
    {"headers": {"Authorization": ["Bearer " + S]}},
    {"headers": [["authorization", "Basic " + S]]},
    {"auth": ["me", S]},
    {"auth": {"user": "me", "pass": S}},
    {"basicAuth": {"username": "u", "password": S}},
    f"ssh://me:{S}@h",
    f"rsync --password-file=/x rsync://me:{S}@h/",
    f"--set auth.password={S}",
    f"-Dpassword={S}",
    f"java -Djavax.net.ssl.keyStorePassword={S} -jar x",
    f"-Dspring.datasource.password={S}",
    f"secret: {S}",
    f"Secret = {S}",
    f"my secret is {S}",
    f"API key: {S}",
    f"api key = {S}",
    f"Access token: {S}",
    f"Your token is: {S}",
    f"password={S}",
    f"password={S};x=1",
    f"pw: {S}",
    f"PWD={S}",
    f"passwort: {S}",
    f"token={S}\tok",
    f"token:{S}",
    f"x-token={S}",
    f"<Password>{S}</Password>",
    f"<cfg pw='{S}'/>",
    f"<a><b>password</b><c>{S}</c></a>",
    f"password\n{S}",
    f"password:\n  {S}",
    f"'password':'{S}'",
    f"password\t{S}",
    f"docker login --username me --password {S}",
    f"echo {S} | docker login --password-stdin",
    f"echo 'me:{S}' | chpasswd",
    f"htpasswd -bc f me {S}",
    f"az login -u me -p {S}",
    f"rclone config create r s3 secret_access_key {S}",
    f"conda config --set x.token {S}",
    f"huggingface-cli login --token {S}",
    f"globus login --client-secret {S}",
    f"data: {{password: {S}}}",
    f"kind: Secret\ndata:\n  password: {S}\n",
    f"    password : {S}",
    f"password ={S}",
    f"password= {S}",
    f"PASSWORD:{S}",
    f"pass={S}",
    f"pass: {S}",
    f"user=me pass={S}",
    f"username=me&pass={S}",
    f"wpa_passphrase={S}",
    f"psk={S}",
    f"MASTER_KEY={S}x9Z",
    f"ENCRYPTION_KEY={S}",
    f"RAILS_MASTER_KEY={S}",
    f"DJANGO_SECRET_KEY='{S}'",
    f"SECRET_KEY_BASE={S}",
    f"JWT_SECRET={S}",
    f"SESSION_SECRET={S}",
    f"COOKIE_SECRET={S}",
    f"CSRF_TOKEN={S}",
    f"GH_TOKEN={S}",
    f"NPM_TOKEN={S}",
    f"HF_TOKEN={S}",
    f"WANDB_API_KEY={S}",
    f"OPENAI_KEY={S}",
    f"SENTRY_DSN=https://{S}{S}{S}@sentry.io/1",
    f"DATABASE_URL=postgres://me:{S}@h/d",
    f"REDIS_URL=redis://:{S}@h",
    f"cookie: sid={S}; a=b",
    f"Set-Cookie: session={S}; Path=/",
    f"X-Api-Key={S}",
    f"X-CSRFToken: {S}",
    f"Proxy-Authorization: Basic {S}",
    f'Authorization: Digest username="me", response="{S}"',
    f"Authorization: AWS4-HMAC-SHA256 Credential=me/x, Signature={S}",
    f"curl --oauth2-bearer {S} h",
    f'curl --header="Authorization: Bearer {S}"',
    f"curl -HAuthorization:{S}",
    f"http h X-Api-Key:{S}",
    [["token", S]],
    [{"header": "X-Auth", "value": S}],
    {"parameters": [{"Name": "DbPassword", "Value": S}]},
    {"ParameterKey": "DbPassword", "ParameterValue": S},
    {"k": "password", "v": S},
    {"env": ["DB_PASS=" + S]},
    {"passwords": {"me": S}},
    {"tokens": {"transfer": S}},
    {"token": {"access": S}},
    ("password", S),
    [("password", S)],
    {"x": f"password={S}".encode()},
    '"password" : "' + S + '"',
    f'{{"passwd":"{S}",',
    f"password: !vault {S}",
    f"password: >-\n    {S}\n",
    f"'token' => '{S}',",
    f"password => {S}",
    f"let password = `{S}`;",
    f"const apiKey='{S}'",
    f"apiKey: '{S}',",
    f'  apiKey: "{S}"',
    f'client = Client(token="{S}")',
    f'set_token("{S}")',
    f"getenv('X_TOKEN','{S}')",
    f"os.environ['X_TOKEN']='{S}'",
    f'config["db"]["password"] = "{S}"',
    f'config.db.password = "{S}"',
    f'password = "{S}" # x',
    f'#define PASSWORD "{S}"',
    f"DEFINE PASSWORD = '{S}'",
    f"set password={S}",
    f"set PASSWORD {S}",
    f"$password = '{S}';",
    f"ConvertTo-SecureString '{S}' -AsPlainText",
    f"-Credential (me,{S})",
    f"password%3A%20{S}",
)
harmless(
    "seen elsewhere",
    "passed 3 of 4 tokens per batch",
    "Token embedding dim: 512",
    "key: value",
    "Keys: a, b",
    "the password is required",
    "Password must have 8 characters",
    "authors: Curie, M.; Sklodowska",
    "key=lambda x: x[1]",
    "sorted(x, key=len)",
    "for key, value in d.items()",
    "tokens_seen=123456",
    "n_tokens: 1e9",
    "vocab: tokens.json",
    "token: <eos>",
    "stop_token = '\\n'",
    "loss at token 5: 0.3",
    "auth: globus",
    "auth=none",
    "passband: 3-5",
    "pass: 3",
    "pass=2/3",
    "secretion rate: 3 ug",
    "cookie: none",
    "credentials: none",
    "key 7: pressed",
    "key-value: yes",
    "keyed: true",
    "access: public",
    "session: 2024-05-01",
    "basic: true",
    "signature: (m,n)->(n)",
    "private: no",
    "sample: key1=3",
    "--key temperature",
    "--auth globus",
    "--pass 3",
    "--token-limit 5",
    "curl https://h -p 80",
    "mysql is a program -p",
    "docker login help",
    "the login config of wandb",
    "password reset email",
    {"tokens_total": 5},
    {"tokenized": ["a"]},
    {"token_ids": [1]},
    {"next_token": "abc"},
    {"stop_tokens": ["a"]},
    {"passes": [1, 2]},
    {"keys": {"a": "b"}},
    {"key": "abc", "value": "def"},
    {"name": "temperature", "value": 3},
    {"name": "key", "value": "C major"},
    [["a", "b"], ["key", "value"]],
    [["x", 1], ["y", 2]],
    {"author": {"name": "x"}},
    {"secret": False},
    {"auth": {"type": "none"}},
    {"access_token_expires_in": 3600},
    {"cookies_enabled": True},
    {"password_policy": "strong"},
    {"hmac": "sha256"},
    {"author_key": "curie1903"},
    {"bibtex_key": "Curie1903Radium"},
    {"legend_key": "upper right"},
    {"map_key": "A1"},
    {"answer": "pass"},
    {"quality_pass": "PASS_2"},
    {"imaging_pass": "second"},
    {"orbit_pass": "descending"},
    {"satellite_pass": "S1A_20240501"},
    "pass=descending",
    "relative_orbit_pass: ASCENDING",
    "HMAC-SHA256",
    "2024-05-01T12:00:00Z pass-through",
    "AKIAsomething",
    "eyJ",
    "sk-",
    "s3://AKIA/",
    "model=gpt-4o-mini tokens=12",
    "{'input_tokens': 12, 'output_tokens': 5}",
    "usage: {'prompt_tokens': 12}",
    "Bearer token",
    "bearing: 45",
    "basic dyes",
    "BasicBlock(64)",
    "xoxo hugs",
    "key_length: 128",
    "api_version: 2",
    "access key",
    "key.pem",
    "id_rsa.pub",
    "/home/me/.ssh/id_rsa",
    "--private-key-file /x",
    "password_file=/x",
    "passphrase-less",
    "Credit: NASA/JPL",
    "lr=3e-4;tokens=2048;seed=1",
    "Tokens: [CLS] a b [SEP]",
)

# --- contexts that were written without the rules in sight ---
MADE = {
    **TOKENS,
    "AWS secret": made("", ALNUM + "+/", 40),
    "RSA body": made("MIIEpAIBAAKCAQEA", ALNUM + "+/", 48),
    "Slack webhook end": made("", ALNUM, 24),
    "hex 40": made("", HEX, 40),
    "hex 48": made("", HEX, 48),
}


def marked(kind: str, text: str) -> None:
    """An input in which the secret stands between « and »."""
    before, _, rest = text.partition("«")
    inner, _, behind = rest.partition("»")
    gone = MADE[inner[1:]] if inner.startswith("@") else inner
    secret(kind, f"{before}{gone}{behind}", gone=gone)


for _kind, _texts in contexts.SECRETS.items():
    for _text in _texts:
        marked(f"{_kind} in context", _text)
for _kind, _texts in contexts.HARMLESS.items():
    harmless(f"{_kind} in context", *_texts)
for _text in contexts.LATER_SECRETS:
    marked("written later", _text)
harmless("written later", *contexts.LATER_HARMLESS)
