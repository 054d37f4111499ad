"""Who exists in a sandbox: identities, clients with their scopes, groups.

Everything is kept in memory and may be read and added to from any thread.
"""

from __future__ import annotations

import secrets
import threading
import uuid
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from flows.sandbox.scopes import VIEW_MY_GROUPS, auth_scope, bare_scopes, resource_server

__all__ = ["Client", "Directory", "Group", "Identity"]


@dataclass(frozen=True)
class Identity:
    """Somebody who can own a token: a person, or a client acting for itself."""

    id: str
    username: str
    name: str = ""
    email: str | None = None
    linked: tuple[str, ...] = ()
    """Ids of the person's other identities, which count as the same person."""

    @property
    def urn(self) -> str:
        """The principal as Globus services write it."""
        return f"urn:globus:auth:identity:{self.id}"

    @property
    def identity_set(self) -> tuple[str, ...]:
        """The ids of this and all linked identities, this one first."""
        return (self.id, *self.linked)


@dataclass(frozen=True)
class Client:
    """A registered application: it can log in, and may own scopes of its own.

    A public one, such as a command line, has no secret; it logs people in and cannot act for
    itself.
    """

    client_id: str
    client_secret: str = field(repr=False)
    name: str = ""
    public: bool = False


@dataclass(frozen=True)
class Group:
    """A Globus group with the ids of its members."""

    id: str
    name: str
    members: frozenset[str]

    @property
    def urn(self) -> str:
        """The principal as Globus services write it."""
        return f"urn:globus:groups:id:{self.id}"


OF_CLIENTS = "@clients.auth.globus.org"
"""How the usernames of clients end."""


class Directory:
    """The register that Auth, Groups and Flows of one sandbox share."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._identities: dict[str, Identity] = {}
        self._clients: dict[str, Client] = {}
        self._groups: dict[str, Group] = {}
        self._dependencies: dict[str, tuple[str, ...]] = {}

    def add_identity(
        self,
        username: str,
        *,
        name: str = "",
        email: str | None = None,
        linked: Iterable[Identity] = (),
        identity_id: str | None = None,
    ) -> Identity:
        """A new identity; one with the same username is given back instead of doubled."""
        with self._lock:
            for known in self._identities.values():
                if known.username == username:
                    return known
            identity = Identity(
                id=identity_id or str(uuid.uuid4()),
                username=username,
                name=name or username.partition("@")[0],
                email=email or (username if "@" in username else None),
                linked=tuple(other.id for other in linked),
            )
            self._identities[identity.id] = identity
            return identity

    def add_client(
        self, name: str, *, client_id: str | None = None, public: bool = False
    ) -> Client:
        """A new client, with an identity of its own."""
        secret = "" if public else secrets.token_urlsafe(24)
        client = Client(client_id or str(uuid.uuid4()), secret, name, public)
        username = f"{client.client_id}{OF_CLIENTS}"
        with self._lock:
            self._clients[client.client_id] = client
        self.add_identity(username, name=name, identity_id=client.client_id)
        return client

    def remove_client(self, client_id: str) -> None:
        """Forgets a client and its scopes; its identity stays known."""
        with self._lock:
            self._clients.pop(client_id, None)
            for scope in [s for s in self._dependencies if resource_server(s) == client_id]:
                del self._dependencies[scope]

    def add_scope(
        self, client: Client, suffix: str, *, dependencies: Iterable[str] = (VIEW_MY_GROUPS,)
    ) -> str:
        """Registers a scope of a client, and gives its full string.

        `dependencies` are the scopes that the client may get tokens for, on behalf of whoever
        calls it with a token for this scope; one with ``*`` in front only once they consented to
        it by name.
        """
        scope = auth_scope(client.client_id, suffix)
        with self._lock:
            self._dependencies[scope] = tuple(dependencies)
        return scope

    def add_group(
        self, name: str, members: Iterable[Identity], *, group_id: str | None = None
    ) -> Group:
        """A new group."""
        ids = frozenset(member.id for member in members)
        group = Group(group_id or str(uuid.uuid4()), name, ids)
        with self._lock:
            self._groups[group.id] = group
        return group

    def identity(self, identity_id: str) -> Identity | None:
        """The identity with an id."""
        return self._identities.get(identity_id)

    def identities(self) -> list[Identity]:
        """All identities, in the order they were added."""
        with self._lock:
            return list(self._identities.values())

    def people(self) -> list[Identity]:
        """The identities that can log in: all but those of clients."""
        return [i for i in self.identities() if not i.username.endswith(OF_CLIENTS)]

    def linked_to(self, identity: Identity) -> list[Identity]:
        """This identity and those that it is linked to, this one first."""
        found = (self._identities.get(id_) for id_ in identity.identity_set)
        return [one for one in found if one is not None]

    def client(self, client_id: str) -> Client | None:
        """The client with an id."""
        return self._clients.get(client_id)

    def check_client(self, client_id: str, secret: str) -> Client | None:
        """The client, if the secret is its own or it needs none."""
        client = self._clients.get(client_id)
        if client and client.public:
            return client
        if client and secrets.compare_digest(client.client_secret.encode(), secret.encode()):
            return client
        return None

    def group(self, group_id: str) -> Group | None:
        """The group with an id."""
        return self._groups.get(group_id)

    def groups_of(self, identity: Identity) -> list[Group]:
        """The groups that any of somebody's identities is a member of."""
        ids = set(identity.identity_set)
        with self._lock:
            return [group for group in self._groups.values() if ids & group.members]

    def principals_of(self, identity: Identity) -> frozenset[str]:
        """The URNs that stand for somebody: linked identities and groups included."""
        own = {f"urn:globus:auth:identity:{id_}" for id_ in identity.identity_set}
        return frozenset(own | {group.urn for group in self.groups_of(identity)})

    def dependencies_of(self, scopes: Iterable[str], consents: Collection[str] = ()) -> list[str]:
        """The scopes that tokens for these scopes may be exchanged for, without repetition: the
        optional ones that were consented to among them."""
        with self._lock:
            found = [d for scope in scopes for d in self._dependencies.get(scope, ())]
        given = (text for text in found if not text.startswith("*") or text[1:] in consents)
        return list(dict.fromkeys(scope for text in given for scope in bare_scopes(text)))

    def scopes(self) -> dict[str, tuple[str, ...]]:
        """The registered scopes, each with what it depends on."""
        with self._lock:
            return dict(self._dependencies)

    def knows_scope(self, scope: str) -> bool:
        """Whether a scope may be asked for: one of another service, or one that is registered."""
        with self._lock:
            return scope in self._dependencies or resource_server(scope) not in self._clients
