"""Secrets are taken out; everything else is kept."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provenance_store.errors import TooLarge
from provenance_store.redaction import REDACTED, is_secret_key, redact, scrub_text
from provenance_store.redaction.commands import document

HIDDEN = "hunter2secret"

SECRET = (
    "token accessToken access_token refresh-token Authorization password dbPassword "
    "DB_PASSWORD client_secret AWS_SECRET_ACCESS_KEY api_key apiKey APIKey x-api-key "
    "private_key _private_x _tokens ssh_key bearer Cookie credentials https_token tokens "
    "jwt accesstoken secretkey ACCESSKEY mytoken PGPASSWORD dbPassword1 passcode pw sessionid "
    "max_secret tokens_info globus_token_info api_keys"
).split()
HARMLESS = (
    "max_tokens num_tokens token_count tokenizer key keys primary_key name secretary path "
    "keyword monkey password_length token_type n_tokens public_keynote tokenize compass "
    "tokens_per_second tokenCount maxTokens numtokens passwordless secretion detokenized"
).split()


@pytest.mark.parametrize("key", SECRET)
def test_a_key_named_like_a_credential_is_secret(key: str) -> None:
    assert is_secret_key(key)


@pytest.mark.parametrize("key", HARMLESS)
def test_a_harmless_key_is_kept(key: str) -> None:
    assert not is_secret_key(key)


def test_private_parameters_are_hidden_at_any_level_with_any_suffix() -> None:
    document = {
        "list": [{"a.$": "$.x", "b.=": "y", "c": 1, "__Private_Parameters": ["a", "b.="]}],
        "c": 2,
    }
    assert redact(document) == {"list": [{"a.$": REDACTED, "b.=": REDACTED, "c": 1}], "c": 2}
    assert redact(document, private=["c"])["c"] == REDACTED


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from("abc"), inner),
)


TEXTS = {
    "https://u:S@h/x": "https://u:[redacted]@h/x",
    "https://u@h/x?a=1": "https://u@h/x?a=1",
    "https://S12345678901234567890@h/x": "https://[redacted]@h/x",
    "postgresql://me:S@S/S@db/x": "postgresql://me:[redacted]@db/x",
    "see https://u:S S@h/x now": "see https://u:[redacted]@h/x now",
    "https://u:S@[::1/x": "[redacted]",
    "http://[::1/?token=S": "http://[::1/?token=[redacted]",
    "https://h/?a=1&X-Amz-Signature=S&b=2#c": "https://h/?a=1&X-Amz-Signature=[redacted]&b=2#c",
    "https://h/?X-Amz-Credential=S&code=S&key=S": "https://h/?X-Amz-Credential=[redacted]"
    "&code=[redacted]&key=[redacted]",
    "https://h/cb#access_token=S&state=1": "https://h/cb#access_token=[redacted]&state=1",
    "https://h/a;sig=S/b": "https://h/a;sig=[redacted]",
    "https://h/?r=https%3A%2F%2Fq%3Ftoken%3DS": "https://h/?r=[redacted]",
    "Bearer S": "Bearer [redacted]",
    "Basic dXNlcjpwYXNz": "Basic [redacted]",
    "curl -H 'Authorization: token S' x": "curl -H 'Authorization: [redacted]' x",
    "PASSWORD=S run": "PASSWORD=[redacted] run",
    "run --password S --x": "run --password [redacted] --x",
    "run --api-key=S --x": "run --api-key=[redacted] --x",
    "AccountName=a;AccountKey=S==;E=c": "AccountName=a;AccountKey=[redacted];E=c",
    "https://h/x?a=b;token=S&c=d": "https://h/x?a=b;token=[redacted]&c=d",
    "password=S;S": "password=[redacted]",
    "db:\n  password: S S\n  host: h": "db:\n  password: [redacted]\n  host: h",
    "{'password': 'S'}": "{'password': [redacted]}",
    'x {\\"password\\": \\"S a\\"} y': 'x {\\"password\\": [redacted]} y',
    '{"password": "S", "a": 1}': '{"password":"[redacted]","a":1}',
    '{"a": "{\\"token\\": 1}"}': '{"a":"{\\"token\\":\\"[redacted]\\"}"}',
    "-----BEGIN RSA PRIVATE KEY-----\nS\n": "[redacted]",
    "curl -sku me:S https://h": "curl -sku me:[redacted] https://h",
    "docker login -pS reg && docker run -p 80:80 i": "docker login -p[redacted] reg"
    " && docker run -p 80:80 i",
    "mc alias set lab https://h me S --api S3v4": "mc alias set lab https://h me [redacted]"
    " --api S3v4",
    "net use Z: \\\\nas\\raw S /user:me": "net use Z: \\\\nas\\raw [redacted] /user:me",
    "echo S | docker login -u me --password-stdin h": "echo [redacted]"
    " | docker login -u me --password-stdin h",
    "echo 'me:S' | sudo chpasswd": "echo 'me:[redacted]' | sudo chpasswd",
    "run(['mysql', '-u', 'me', '-pS', 'db'])": "run(['mysql', '-u', 'me', '-p[redacted]', 'db'])",
    "get(u, auth=('me', 'S'), timeout=3)": "get(u, auth=('me', '[redacted]'), timeout=3)",
    'get(u, auth=HTTPBasicAuth("me", "S"))': 'get(u, auth=HTTPBasicAuth("me", "[redacted]"))',
    "wandb.login(key='S', relogin=True)": "wandb.login(key='[redacted]', relogin=True)",
    "key = env.KEY || 'x'; apiKey = env.KEY || 'S'": "key = env.KEY || 'x';"
    " apiKey = env.KEY || [redacted]",
    "PWD={a}}S};Port=1": "PWD=[redacted];Port=1",
    "password: 'a''S'\nhost: h": "password: [redacted]\nhost: h",
    "https_proxy=me:S@proxy:3128": "https_proxy=me:[redacted]@proxy:3128",
    "scan.h5?sp=r&sig=SSSSSSSS&se=1": "scan.h5?sp=r&sig=[redacted]&se=1",
    "http://[::1 me:S@h/x": "http://[redacted]@h/x",
    "&lt;password&gt;S&lt;/password&gt;": "&lt;password&gt;[redacted]&lt;/password&gt;",
    '<input type="password" name="p" value="S">': '<input type="password" name="p"'
    ' value="[redacted]">',
    "<name>db.password</name><value>S</value>": "<name>db.password</name><value>[redacted]</value>",
    "- name: DB_PASSWORD\n  value: S\n": "- name: DB_PASSWORD\n  value: [redacted]\n",
    "kind: Secret\ndata:\n  a: S\n  b: S\ntype: Opaque": "kind: Secret\ndata:\n  a: [redacted]\n"
    "  b: [redacted]\ntype: Opaque",
    'variable "db_password" {\n  default = "S"\n}': 'variable "db_password" {\n'
    "  default = [redacted]\n}",
    "SSSSSSSSSSSSSSSS\nSS==\n-----END PRIVATE KEY-----": "[redacted]\n-----END PRIVATE KEY-----",
    "h:15432:db:me:SECRET9\nnext": "h:15432:db:me:[redacted]\nnext",
    'x --password "SSS""SSS" y': "x --password [redacted] y",
    'x --password "SSS"SSS y': "x --password [redacted] y",
    "x --password 'SSS''SSS' y": "x --password [redacted] y",
    'x --password "SSS" "SSS"': "x --password [redacted]",
    'password = "SSS" "SSS"': "password = [redacted]",
    'db_pass: "SSS""SSS"': "db_pass: [redacted]",
    'echo "SSS""SSS" | kinit': 'echo "[redacted]" | kinit',
    "['--password', 'SSS' 'SSS']": "['--password', '[redacted]']",
    "echo SSS12345 | rclone obscure -": "echo [redacted] | rclone obscure -",
    "expect('Password:'); child.sendline('S')": "expect('Password:'); child.sendline('[redacted]')",
}


@pytest.mark.parametrize("text", TEXTS)
def test_secrets_inside_text_are_taken_out(text: str) -> None:
    assert scrub_text(text) == TEXTS[text]
    assert redact({"a": {"b": text}}) == {"a": {"b": TEXTS[text]}}


def test_every_program_that_is_known_to_take_a_secret_loses_it() -> None:
    left = []
    for entry in document()["program"]:
        after = [entry["after"]] if "after" in entry else []
        commands = [
            *([*after, option, HIDDEN] for option in entry.get("value", ())),
            *([*after, glued + HIDDEN] for glued in entry.get("glued", ())),
            *([*after, option, "me", HIDDEN] for option in entry.get("second", ())),
            *([*after, o, f"me{between}{HIDDEN}"] for o, between in entry.get("pair", {}).items()),
            *(
                [*words.split(), *["me"] * (number - 1), HIDDEN]
                for words, number in entry.get("places", ())
                if words not in ("use", "alias set")  # behind a share or a URL, which are no words
            ),
        ]
        lines = [" ".join([name, *words]) for name in entry["names"] for words in commands]
        left += [line for line in lines if HIDDEN in scrub_text(line)]
    assert left == []


@pytest.mark.parametrize("text", TEXTS.values())
def test_what_was_redacted_once_stays_as_it_is(text: str) -> None:
    assert scrub_text(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "Basic research on basic things",
        "the bearer of bad news",
        "if token == 3",
        "monkey: 3",
        "http://localhost:8080/x, me@example.org",
        "https://h/x?max_tokens=5&page=2#part",
        '{"a":  1, "tokenizer": "x"}',
        "globus://c/p/key.h5",
        "a secret garden, its key and the password policy",
    ],
)
def test_text_that_only_speaks_of_secrets_is_kept(text: str) -> None:
    assert scrub_text(text) == text


@pytest.mark.parametrize(
    "value",
    [
        *("get_token()", "os.environ['TOKEN']", "config['db']['password']", "settings.api_key"),
        *("token", "api_token", "self.token", "getpass.getpass('Password: ')", "str", "None"),
    ],
)
@pytest.mark.parametrize("before", ["token = ", "api_token: "])
def test_an_expression_of_a_program_is_kept(before: str, value: str) -> None:
    assert scrub_text(before + value) == before + value


@pytest.mark.parametrize(
    "text",
    [
        'curl -H "Authorization: Bearer $TOKEN" https://h',
        'headers = {"Authorization": f"Bearer {token}"}',
        ":param token: The token of the server.",
        "    TOKEN_IN: PRECEDENCE_MEMBERSHIP,",
        "tokens = parse_lines(\n    text\n)",
        '"cookie": "🍪",',
        "'token:', token, 'and password:', password",
        "if (pass == 2) and token in (None, ''): pass",
    ],
)
def test_lines_of_programs_are_kept(text: str) -> None:
    assert scrub_text(text) == text


@pytest.mark.parametrize(
    "value",
    [
        *("$(cat /run/x)", "${TOKEN:?set it}", "$TOKEN", "${{ secrets.TOKEN }}", "$1", "%TOKEN%"),
        *("{{ vault_token }}", "<your token>", "`cat /run/x`", "{api_token}", "/run/secrets/token"),
    ],
)
@pytest.mark.parametrize("before", ["token = ", "api_token: ", "x --token ", "TOKEN="])
def test_what_stands_for_a_secret_is_kept(before: str, value: str) -> None:
    assert scrub_text(before + value) == before + value


@pytest.mark.parametrize(
    "value",
    [
        *("S3CRET9x", "bytes.fromhex('6f1e9a2c')", "SecretStr('S3CRET9x')", "${TOKEN:-S3CRET9x}"),
        *("os.environ.get('TOKEN', 'S3CRET9x')", "a/b+C3d9x==", "$(echo S3CRET9x)"),
    ],
)
def test_an_expression_with_a_secret_written_out_goes(value: str) -> None:
    shown = scrub_text(f"token = {value}")
    assert "S3CRET9x" not in shown
    assert "6f1e9a2c" not in shown
    assert REDACTED in shown


def test_all_that_a_secret_of_kubernetes_holds_is_hidden() -> None:
    manifest = {"kind": "Secret", "metadata": {"name": "db"}, "data": {"a": "Uw==", "b": "eA=="}}
    assert redact(manifest) == {**manifest, "data": {"a": REDACTED, "b": REDACTED}}
    assert redact({**manifest, "kind": "ConfigMap"}) == {**manifest, "kind": "ConfigMap"}


def test_a_schema_of_a_password_is_no_password() -> None:
    schema = {"properties": {"password": {"type": "string", "minLength": 8}}}
    assert redact(schema) == schema
    given = {"properties": {"password": {"type": "string", "default": "S"}}}
    assert "'S'" not in str(redact(given))


@pytest.mark.parametrize(
    "key",
    ["Passwort", "mot_de_passe", "contraseña", "senha", "wachtwoord", "密码", "пароль", "psk"],
)
def test_names_in_other_languages_are_known(key: str) -> None:
    assert redact({key: "Secret99x"}) == {key: REDACTED}
    assert "Secret99x" not in scrub_text(f"{key}: Secret99x")


def test_command_lines_and_headers_lose_their_values() -> None:
    line = ["x", "--password", "-S", "PASSWORD=S S", "--token", "--keep", "S", "--api-key=a b"]
    assert redact(line) == [
        *("x", "--password", REDACTED, f"PASSWORD={REDACTED}", "--token", "--keep", "S"),
        f"--api-key={REDACTED}",
    ]
    header = {"name": "Authorization", "value": "S"}
    assert redact([header, {"name": "x", "value": 1}])[0]["value"] == REDACTED


def test_what_is_no_json_yet_is_redacted_as_what_it_becomes() -> None:
    @dataclasses.dataclass
    class Login:
        user: str
        password: str

    assert redact({"login": Login("u", "S")})["login"] == {"user": "u", "password": REDACTED}


@settings(deadline=None)
@given(st.text("abz :/?#@;=&-_{}[]\"'\\\n0%.", max_size=300))
def test_any_text_can_be_scrubbed(text: str) -> None:
    once = scrub_text(f"token {text}")
    assert scrub_text(once) == once


@settings(deadline=None)
@given(json)
def test_what_holds_no_secret_is_unchanged(value: object) -> None:
    assert redact(value) == value


def test_a_document_that_is_too_deep_is_refused() -> None:
    deep: object = 1
    for _ in range(500):
        deep = [deep]
    with pytest.raises(TooLarge, match="nested"):
        redact(deep)


@pytest.mark.parametrize(
    "text",
    [
        "Endpoint=sb://b.example.net/;SharedAccessKeyName=Root;SharedAccessKey=kT9x/Lm2Qw8SECRET9=",
        "jdbc:sqlserver://h;user=a;password=kT9x/SECRET9;encrypt=true",
        "https://h.example.org/x;token=ab/SECRET9",
        "TableEndpoint=https://a.example.net/;AccountKey=kT9x/SECRET9==",
    ],
)
def test_a_secret_with_a_slash_goes_as_a_whole(text: str) -> None:
    assert "SECRET9" not in scrub_text(text)
    assert REDACTED in scrub_text(text)


@pytest.mark.parametrize("before", ["Your token is ", "my API token is ", "Globus secret is "])
def test_a_secret_that_a_sentence_tells_is_redacted(before: str) -> None:
    assert scrub_text(f"{before}k9Xa8Lm2Qw8Er7") == f"{before}[redacted]"


@pytest.mark.parametrize(
    "text",
    ["the key is under the mat", "the token is read once", "The secret is that it is simple"],
)
def test_a_sentence_without_a_secret_is_kept(text: str) -> None:
    assert scrub_text(text) == text
