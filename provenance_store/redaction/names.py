"""Which names are named like a credential, and which values under them are one."""

from __future__ import annotations

import functools
import itertools
import re
import unicodedata
from collections.abc import Sequence
from enum import IntEnum
from typing import Any

from provenance_store.redaction.values import (
    describes_a_value,
    is_like_a_password,
    is_path,
    is_placeholder,
    is_random,
    is_type,
)

__all__ = [
    "Secrecy",
    "hides",
    "is_name_of_secret",
    "is_secret_key",
    "is_secret_parameter",
    "secrecy",
]

MAX_KEY = 256
LONGEST_WORD = 16
"""A list of ``tokens`` that are all shorter is one of words."""


class Secrecy(IntEnum):
    """What a name says of the value under it."""

    NONE = 0
    BY_VALUE = 1
    """It is a secret if it looks like one: ``auth``, ``pass``, ``SOME_KEY``."""
    SECRET = 2
    PASSWORD = 3
    """A secret even when it looks like the version of a package."""
    PRIVATE = 4
    """Private by the rules of Globus Flows, whatever it is."""


_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+|[A-Z0-9]+")


def _folded(text: str) -> str:
    """Letters without their accents."""
    folded = unicodedata.normalize("NFKD", text)
    return "".join(c for c in folded if not unicodedata.combining(c))


_LETTERS = re.compile(r"[^\W_]+")
"""Words in letters that are not ASCII, which have no capitals to tell them apart."""
_PASSWORDS = frozenset(
    "password passwords passwd pwd pw passphrase passphrases passcode passcodes requirepass "
    "masterauth passwort passworter kennwort senha contrasena contrasenya motdepasse mdp "
    "wachtwoord passord losenord adgangskode salasana heslo haslo jelszo parola sifre".split()
) | frozenset(
    map(
        _folded,
        "密码 密碼 口令 パスワード 비밀번호 пароль парола συνθηματικό κωδικός hasło şifre".split(),
    )
)
_SECRETS = frozenset(
    "authorization credential cred secret token cookie apikey bearer jwt authkey authtoken otp "
    "totp privkey".split()
) | frozenset(map(_folded, "密钥 令牌 токен секрет トークン 토큰".split()))
_PINS_OF = frozenset(
    "user sim card token device my door access login smartcard piv yubikey phone so".split()
)
_KEYS = frozenset(
    "api private priv access ssh signing secret account encryption decryption auth service client "
    "db database master consumer license licence subscription shared webhook deploy admin hmac ssl "
    "tls gpg pgp rsa bot app session "
    "openai anthropic claude gemini google gcp azure aws hf huggingface wandb comet neptune mlflow "
    "cohere mistral groq pinecone deepseek openrouter perplexity langchain "
    "langsmith stripe slack sendgrid twilio mailgun mailchimp github gitlab bitbucket datadog "
    "newrelic sentry grafana algolia mapbox cloudflare heroku digitalocean dropbox "
    "discord telegram globus zenodo ncbi elsevier ibm iam cloud".split()
)
"""What makes ``…_key`` a credential."""
_HARMLESS_KEYS = frozenset(
    "public pub primary foreign sort partition cache group row column index join dict lookup map "
    "hash config object data file s3 rng prng random jax seed query value field metric tag label "
    "sorting grouping ordering unique composite natural surrogate candidate major minor state "
    "host routing idempotency dedup translation i18n json yaml xml result feature parameter".split()
)
_PASS_OF = frozenset(
    "db database smtp imap pop3 mail email ftp sftp ssh http https proxy user usr username my "
    "mysql pg postgres postgresql redis mongo mongodb ldap bind admin root sudo login auth wifi "
    "wlan key keystore truststore store ssl tls cert vpn app api web server client service svc "
    "account amqp rabbit rabbitmq mqtt sql oracle mssql basic remote gpg pgp zip archive private "
    "vault registry docker git svn jenkins nexus artifactory irods myproxy elastic kafka "
    "default".split()
)
_HARMLESS_PASSES = frozenset(
    "n num number count total max min low high band all stop first second third fourth fifth "
    "single two one three multi by forward backward back next prev previous last final current "
    "test tests did does do is must can will to should per render compiler quality qc check checks "
    "filter read write optimization optimizer long short notch comb edge training train eval data "
    "cut selection trigger event orbit satellite imaging overpass flight".split()
)
_GLUED = re.compile(
    r"(?:password|passwd|secret|token|apikey).*"
    r"|.*(?:password|passwd|passphrase|passcode|secret|token|credential|sessionid|sessid"
    r"|(?:api|private|access|ssh|signing|secret|account|encryption|master|license|openai|auth)key)s?"
    r"|(?:db|database|smtp|imap|mail|ftp|sftp|ssh|http|proxy|user|my|mysql|pg|postgres|redis|mongo"
    r"|ldap|admin|root|login|key|store|keystore|wifi|ssl|git|bind)pass(?:wd)?"
    r"|(?:db|user|my|mysql|root|admin|login)(?:pwd|pw)"
)
"""Words run together: ``accesstoken``, ``secretkey``, ``PGPASSWORD``, ``dbpass``."""
_NOT_GLUED = re.compile(
    r".*token(?:i[sz]|less)\w*|secret(?:ar|ion|or|ed|es|iv|ing|e$|in$|om|as|ag|og)\w*|passwordless"
    r"|(?:max|min|num|n|total|sub|multi|pre|un|de)tokens?|tokencounts?|tokenids?|tokentypes?"
)
_HARMLESS_LAST = frozenset(
    "count counts limit length lengths len type types size exp expiry expires expiration ttl "
    "lifetime path file filename filepath dir directory folder url uri endpoint policy name names "
    "required enabled disabled supported status valid validated verified format scope scopes "
    "algorithm alg issuer version env var stdin prompt store audience helper provider "
    "manager backend".split()
)
_COUNTED = frozenset({"max", "min", "num", "n", "total", "prompt", "completion"})
_TOKENS_OF_TEXT = frozenset(
    "pad eos bos unk mask cls sep special image vision visual audio text patch patches class input "
    "inputs output outputs context next prev previous train training eval cached reasoning "
    "generated target src tgt start end stop first last query latent global word words "
    "subword padding masked unknown begin beginning bpe separator soft virtual prefix register "
    "summary average avg mean budget batch seq sequence vocab vocabulary".split()
)
"""Tokens of which language models are made."""
_OF_TOKENS = frozenset(
    "id ids type types total sum average embedding embeddings embed embedder index indices idx "
    "dim dims dropout budget per rate "
    "mask masks level accuracy loss losses seen used usage classification classifier mixer mixing "
    "shift probs prob probability probabilities logits logit logprobs distribution frequency "
    "frequencies label labels merging pruning set vocab entropy position positions window rank "
    "stream streams batch throughput map order weights weight text texts strings list "
    "counter overlap similarity sort ratio start starts end "
    "ends number kind kinds children defs offset".split()
)
_SIGNATURES = frozenset({"sig", "signature", "hmac", "awsaccesskeyid", "googleaccessid"})
_PARAMETERS = frozenset({"key", "code", "auth", "pass", "ticket", "otp", "session", "sid"})

_VERSION = re.compile(r"[<>=~!^ ]{0,3}v?\d{1,5}(?:\.\d{1,6}){1,4}[\w.+=-]{0,40}")
_NUMBERS = re.compile(r"[\d\s.,\[\]()_kKMB/]{1,256}")
_FINGERPRINT = re.compile(r"(?:0x)?(?:[0-9A-F]{4} ?){2,10}")
"""What a GPG key is called by, which is public."""
_SOURCES = re.compile(
    r"(?:(?:files|compat|sss|nis|ldap|systemd|db|winbind|\[[\w=! ]{1,40}\])(?: |\Z))+"
)
"""Where ``/etc/nsswitch.conf`` has names looked up."""
_SHORTEST_PSK, _LONGEST_PSK = 8, 64
_FEW_DIGITS = re.compile(r"\d{1,6}")
_COUNTER = re.compile(r"-?\d{1,3}[;)]?")
"""What a token or a key of a program is: ``int token = 0;``."""
_CONSTANT = re.compile(r"(?:[A-Z]{2,24}(?:_[A-Z]{1,24}){1,6}|(?:[A-Z][a-z]{2,24}){2,6})[,;):]{0,2}")
"""What a token is in a program that reads a language: ``TOKEN_IN: PRECEDENCE_MEMBERSHIP``."""
_PIN = re.compile(r"\d{4,8}")
_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_RESULT = re.compile(
    r"(?i:[a-z]{1,5}|passed|failed|skipped|success|succeeded|warning|unknown|partial"
    r"|ascending|descending|forward|backward)"
    r"|[-+]?\d[\d.,:eE+-]*[%;]?|\d+/\d+|.*\s.*",
    re.DOTALL,
)


def is_secret_key(key: str) -> bool:
    """Whether a key is private to Globus Flows or named like a credential.

    Word by word: ``accessToken``, ``mytoken`` and ``AWS_SECRET`` are, ``token_count``,
    ``tokenizer`` and ``max_tokens`` are not. Names whose values decide, such as ``auth``, are not.
    """
    return secrecy(key) > Secrecy.BY_VALUE


def secrecy(key: str) -> Secrecy:
    """What a key of a document, an option, a variable or a header says of its value."""
    if len(key) > MAX_KEY:
        key = f"{key[: MAX_KEY // 2]} {key[-MAX_KEY // 2 :]}"
    return _secrecy(key)


def is_secret_parameter(name: str, *, query: bool) -> bool:
    """The same of a URL's parameter, signatures among them; those after a ``?`` or ``#`` are
    secret by further names, such as ``code`` and ``key``."""
    plain = name.strip().lower()
    return (
        plain in _SIGNATURES
        or plain.endswith(("-signature", "_signature"))
        or (query and plain in _PARAMETERS)
        or is_secret_key(name)
    )


def hides(name: str, value: Any) -> bool:
    """Whether a value is a secret, by its name and, where that says too little, by its look."""
    said = secrecy(name)
    if said is Secrecy.NONE:
        return False
    if said is Secrecy.PRIVATE:
        return True
    if not isinstance(value, str):
        if said is Secrecy.BY_VALUE:
            return _is_login(name, value)
        return not (
            _is_empty(value) or _counts_tokens(name, value) or describes_a_value(value)
            or (isinstance(value, int) and _numbers_session(name, str(value)))
        )  # fmt: skip
    value = value[: MAX_KEY + 1].strip()
    if not value or is_placeholder(value):
        return False
    if said is Secrecy.BY_VALUE:
        return _looks_secret(name, value)
    if is_path(value) or is_type(value) or _SOURCES.fullmatch(value):
        return False
    return said is Secrecy.PASSWORD or not (
        _VERSION.fullmatch(value)
        or _counts_tokens(name, value)
        or _numbers_session(name, value)
        or _COUNTER.fullmatch(value)
        or _CONSTANT.fullmatch(value)
        or not any(map(str.isalnum, value))
        or (_FINGERPRINT.fullmatch(value) and name.lower().startswith(("gpg", "pgp")))
    )


def is_name_of_secret(word: str, of: str, *, in_program: bool = True) -> bool:
    """Whether a word is rather a variable that holds a secret than one: ``token=api_token``.

    `of` is the name to which it is given; ``password=password`` says no more than that. What is
    not `in_program` may be a weak password: ``password: super_secret``.
    """
    words = [part.lower() for part in _WORDS.findall(word)]
    if not words or any(character.isdigit() for character in word):
        return False
    last = _singular(words[-1])
    own = [_singular(part.lower()) for part in _WORDS.findall(of)]
    if len(words) == 1 and own[-1:] != [last]:
        return False
    if len(words) > 1 and not in_program and [*map(_singular, words)] != own:
        return False
    if secrecy(of) is Secrecy.PASSWORD:
        return words[-1] in _PASSWORDS or words[-1] == "pass"
    return words[-1] in _PASSWORDS or last in _SECRETS or last == "key"


def _singular(word: str) -> str:
    return word.removesuffix("s")


def _is_login(name: str, value: Any) -> bool:
    """Whether ``auth`` is given as a user and a password."""
    pair = isinstance(value, list | tuple) and len(value) == 2
    return pair and name.lower().endswith("auth") and all(isinstance(v, str) for v in value)


def _is_empty(value: Any) -> bool:
    if isinstance(value, list | tuple | dict):
        return not value
    return value is None or isinstance(value, bool)


def _counts_tokens(name: str, value: Any) -> bool:
    """Whether ``tokens`` are those of a text: their number, their ids, or words."""
    if name[-6:].lower() != "tokens":
        return False
    if isinstance(value, str):
        words = value.split()
        return bool(_NUMBERS.fullmatch(value)) or (len(words) > 1 and _are_words(words))
    if isinstance(value, list | tuple):
        return _are_words(value)
    return isinstance(value, int | float)


def _are_words(items: Sequence[Any]) -> bool:
    return all(
        len(item) < LONGEST_WORD if isinstance(item, str) else isinstance(item, int | float)
        for item in items
    )


def _looks_secret(name: str, value: str) -> bool:
    """Whether a value under a name that may mean anything looks like a secret."""
    low = name.lower().strip("-_0123456789")
    if low.endswith("pass"):
        return (low == "pass" or is_like_a_password(value)) and not _RESULT.fullmatch(value)
    if low.endswith("auth"):
        return is_like_a_password(value) or ":" in value
    if low.endswith("pin"):
        return _PIN.fullmatch(value) is not None
    if low.endswith("psk"):
        return _SHORTEST_PSK <= len(value) <= _LONGEST_PSK and not _NUMBERS.fullmatch(value)
    return is_random(value) and not _UUID.fullmatch(value)


def _numbers_session(name: str, value: str) -> bool:
    """Whether a session is one of an experiment: ``sessionid: 3``."""
    return "sess" in name.lower() and _FEW_DIGITS.fullmatch(value) is not None


@functools.lru_cache(maxsize=4096)
def _secrecy(key: str) -> Secrecy:
    if key.startswith("_private") or key == "_tokens":
        return Secrecy.PRIVATE
    key = key if key.isascii() else _folded(key)
    words = [word.lower() for word in (_WORDS if key.isascii() else _LETTERS).findall(key)]
    if not words or words[-1] in _HARMLESS_LAST or words[-2:-1] == ["expires"]:
        return Secrecy.NONE
    if _names_password(words):
        return Secrecy.PASSWORD
    if _names_secret(words):
        return Secrecy.SECRET
    return Secrecy.BY_VALUE if _may_name_secret(words) else Secrecy.NONE


def _names_password(words: list[str]) -> bool:
    pairs = itertools.pairwise(words)
    return any(_bare(word) in _PASSWORDS for word in words) or any(
        (_bare(word) == "pass" and before in _PASS_OF) or (before, word) == ("de", "passe")
        for before, word in pairs
    )


def _names_secret(words: list[str]) -> bool:
    public = "public" in words or "pub" in words
    pairs = itertools.pairwise(words)
    if not public and any(w in ("key", "keys") and before in _KEYS for before, w in pairs):
        return True
    if ("auth", "header") in itertools.pairwise(words):
        return True
    found = {word for word in words if _is_secret_word(word)}
    if found <= {"token", "tokens"} and _speaks_of_text(words):
        return False
    return bool(found)


def _speaks_of_text(words: list[str]) -> bool:
    """Whether the tokens are those of a language model: ``max_tokens``, ``pad_token_id``."""
    if words[0] in _COUNTED or "per" in words:
        return True
    for number, word in enumerate(words):
        if word in ("token", "tokens"):
            before = words[number - 1] if number else ""
            behind = words[number + 1] if number + 1 < len(words) else ""
            if before in _TOKENS_OF_TEXT or behind in _OF_TOKENS:
                return True
    return False


def _may_name_secret(words: list[str]) -> bool:
    last, before = _bare(words[-1]), words[-2] if len(words) > 1 else ""
    if last == "key":
        return bool(before) and before not in _HARMLESS_KEYS
    if last == "pass":
        return before not in _HARMLESS_PASSES
    if last == "pin":
        return not before or before in _PINS_OF
    return last in ("auth", "sid", "psk") or (before, last) in (("session", "id"), ("pin", "code"))


def _is_secret_word(word: str) -> bool:
    plain = _bare(word)
    if plain in _SECRETS or plain.removesuffix("s") in _SECRETS:
        return True
    return _GLUED.fullmatch(plain) is not None and _NOT_GLUED.fullmatch(plain) is None


def _bare(word: str) -> str:
    """A word without its number: ``password2``."""
    return word.strip("0123456789")
