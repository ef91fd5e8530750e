"""The options. Generated from docs/options.schema.json by generate.py; do not edit."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence
    from typing import Any, Literal

    from typing_extensions import Required

    from .auth import Dialect
    from .stores import TokenStore


class StoreOptions(TypedDict, total=False):
    """Where the token pair is kept, in a store of the library's own."""

    type: Required[Literal["memory", "callback", "file", "redis", "vault"]]
    #: Of callback.
    id: str
    #: Of file, redis, vault.
    key: str | Mapping[str, Any]
    #: Of file, redis, vault.
    old_keys: Sequence[str | Mapping[str, Any]]
    #: Of file, vault.
    path: str | os.PathLike[str]
    #: Of file.
    plaintext: bool
    #: Of file.
    share_with_group: bool
    #: Of redis.
    allow_insecure: bool
    #: Of redis, vault.
    ca_file: str
    #: Of redis, vault.
    ca_only: bool
    #: Of redis, vault.
    client_cert_file: str
    #: Of redis, vault.
    client_key_file: str
    #: Of redis.
    cluster: bool
    #: Of redis.
    database: int
    #: Of redis.
    password: str | Mapping[str, Any]
    #: Of redis.
    prefix: str
    #: Of redis.
    sentinel: Mapping[str, Any]
    #: Of redis, vault.
    timeout_ms: int
    #: Of redis.
    tls: bool
    #: Of redis, vault.
    url: str | Mapping[str, Any] | Sequence[str | Mapping[str, Any]]
    #: Of redis.
    username: str
    #: Of redis.
    wait_replicas: int
    #: Of vault.
    allow_insecure_http: bool
    #: Of vault.
    approle_mount: str
    #: Of vault.
    mount: str
    #: Of vault.
    namespace: str
    #: Of vault.
    role_id: str | Mapping[str, Any]
    #: Of vault.
    secret_id: str | Mapping[str, Any]
    #: Of vault.
    token: str | Mapping[str, Any]
    #: Of vault.
    token_file: str


class ManagerOptions(TypedDict, total=False):
    """What a TokenManager takes by keyword; an option that is None counts as left out."""

    #: Allows `http://` to hosts that are not loopback. Passwords and tokens then travel readable. (default false)
    allow_insecure_http: bool | None
    #: Further origins (`https://host[:port]`) that the token may be sent to, beside the host's own. (default [])
    allowed_origins: Sequence[str] | None
    #: What login, refresh, logout and calls look like on the wire: a preset's name (`popup`, `oauth2`, `simplejwt`,
    #: `dj-rest-auth`, `directus`, `vault`), `{"file": PATH}`, or a dialect as an object; see
    #: [DIALECTS.md](DIALECTS.md). (default "popup")
    auth: str | Dialect | Mapping[str, Any] | None
    #: Values for the dialect's templates, by name: each a string, `{"env": NAME}` or `{"file": PATH}`. (default {})
    auth_params: str | Mapping[str, Any] | None
    #: A PEM file of certificate authorities to trust beside the platform's.
    ca_file: str | os.PathLike[str] | None
    #: Trust only `ca_file`, not the platform's certificate authorities. (default false)
    ca_only: bool | None
    #: A PEM file with the client's certificate chain, for mutual TLS.
    client_cert_file: str | os.PathLike[str] | None
    #: The identity under which a store keeps the token pair; the username unless given.
    client_id: str | None
    #: A PEM file with that certificate's private key; `client_cert_file` unless given.
    client_key_file: str | os.PathLike[str] | None
    #: How long connecting may take: the name look-up, TCP, the proxy and TLS. (milliseconds; 1 to 86400000; default
    #: 10000)
    connect_timeout_ms: int | None
    #: Headers sent with every call; a value may be an array (repeated). (default {})
    headers: Mapping[str, str | float | bool | Sequence[str | float | bool]] | None
    #: How long a connection that was kept open may be silent before an idempotent call is also sent over a new one,
    #: and takes the answer that comes first. Firewalls forget idle connections without a word. (milliseconds; 1 to
    #: 86400000; default 5000)
    kept_timeout_ms: int | None
    #: How many idle connections are kept. (count; 0 to 1024; default 16)
    max_idle_connections: int | None
    #: How many persistent clients the process keeps. Beyond that those end that no manager has, the least recently
    #: used first; their next manager logs in again, or takes its tokens from the store. Those in use never end.
    #: (count; 0 to 65536; default 64)
    max_persistent: int | None
    #: The largest answer taken, after decompression. (bytes; 1 to 1099511627776; default 67108864)
    max_response_bytes: int | None
    #: The lowest TLS version to speak. (default "1.2")
    min_tls: Literal["1.2", "1.3"] | None
    #: Managers with equal host, username, password and options share one client that outlives `tm_free`, so that a
    #: worker's next request neither logs in nor connects again. (default false)
    persistent: bool | None
    #: A proxy URL (`http`, `https`, `socks5` or `socks5h` `://[user:password@]host:port`), or `"none"`. Unless given,
    #: the environment's (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`), which never holds for this machine's own
    #: addresses. `NO_PROXY` holds for both. With `socks5h` the proxy looks names up.
    proxy: str | None
    #: How long before its expiry an access token is refreshed; never more than a quarter of its lifetime. (seconds; 0
    #: to 604800; default 300)
    refresh_before_seconds: int | None
    #: A random part of this, the same for the whole process, is added to `refresh_before_seconds`, so that a fleet
    #: does not refresh in one instant; never more than another quarter of the lifetime. (seconds; 0 to 604800; default
    #: 60)
    refresh_jitter_seconds: int | None
    #: Where the token pair is kept. (default {"type": "memory"})
    store: StoreOptions | TokenStore | None
    #: How long one call may take in all, a login or a refresh within it included. (milliseconds; 1 to 86400000;
    #: default 30000)
    timeout_ms: int | None
    #: The `User-Agent` header. (default "libtokenmgr/0.1.0")
    user_agent: str | None
