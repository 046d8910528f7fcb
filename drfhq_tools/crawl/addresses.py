"""Which addresses may be asked at all: the scheme, the host and port, and whether an IP address is a public one.

A name is judged here by what the user allowed; the addresses it resolves to are judged by
:mod:`~drfhq_tools.crawl.resolver` when the connection is made, so that a name cannot resolve to one address for the
check and to another for the connection.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from drfhq_tools.crawl.outcomes import Outcome, RefusedError

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_DEFAULT_PORTS = {"http": 80, "https": 443}
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_MAX_URL = 8192


def is_public(address: str) -> bool:
    """Whether an IP address in text is one of the public internet, also where it wraps another: IPv4 in IPv6."""
    try:
        ip = ipaddress.ip_address(address.strip("[]"))
    except ValueError:
        return False
    return all(part.is_global and not part.is_multicast for part in (ip, *_wrapped(ip)))


def _wrapped(ip: IPAddress) -> tuple[IPAddress, ...]:
    """The IPv4 addresses that an IPv6 address leads to: mapped, 6to4, Teredo, NAT64."""
    if isinstance(ip, ipaddress.IPv4Address):
        return ()
    inner = [ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())]
    if ip in _NAT64:
        inner.append(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
    return tuple(address for address in inner if address is not None)


@dataclass(frozen=True, slots=True)
class Address:
    """What a URL says of the server: ``host`` in small letters, ``port`` always a number."""

    scheme: str
    host: str
    port: int

    @property
    def origin(self) -> str:
        """``scheme://host:port``, the port only where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}"


def address_of(url: str) -> Address:
    """Where ``url`` leads.

    Raises:
        RefusedError: it is no plain http(s) address.
    """
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port
        name = host.encode("ascii" if ":" in host else "idna").decode("ascii").lower()
    except ValueError as error:
        raise RefusedError(Outcome.BAD_URL, f"cannot be read as an address: {error}") from error
    if parts.scheme not in _DEFAULT_PORTS or not name:
        raise RefusedError(Outcome.BAD_URL, "only http and https addresses with a host are asked")
    if parts.username is not None or parts.password is not None:
        raise RefusedError(Outcome.BAD_URL, "an address with a user name or password is not asked")
    if len(url) > _MAX_URL:
        raise RefusedError(Outcome.BAD_URL, f"the address is longer than {_MAX_URL} characters")
    return Address(parts.scheme, name, _DEFAULT_PORTS[parts.scheme] if port is None else port)


@dataclass(frozen=True, slots=True)
class AllowedHosts:
    """What the user allowed: names such as ``example.org``, ``*.example.org`` (its subdomains), ``example.org:8080``.

    A name without a port allows the ports 80 and 443.
    """

    names: frozenset[str]

    @classmethod
    def of(cls, names: Iterable[str], urls: Iterable[str]) -> AllowedHosts:
        """The hosts named, and those of ``urls`` with just their ports; what is no address adds nothing."""
        allowed = {name.strip().lower() for name in names}
        for url in urls:
            try:
                address = address_of(url)
            except RefusedError:
                continue
            allowed.add(f"{address.host}:{address.port}")
        return cls(frozenset(allowed))

    def allow(self, address: Address) -> bool:
        """Whether the address's host is among them, on that port."""
        labels = address.host.split(".")
        wild = [f"*.{'.'.join(labels[start:])}" for start in range(1, len(labels))]
        names = [address.host, *wild]
        ports = [f"{name}:{address.port}" for name in names]
        common = names if address.port in _DEFAULT_PORTS.values() else []
        return not self.names.isdisjoint([*ports, *common])


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """What may be asked in this crawl."""

    hosts: AllowedHosts
    allow_private: bool

    def check(self, url: str, *, any_host: bool = False) -> Address:
        """Where ``url`` leads, if it may be asked; ``any_host`` asks only for a proper public address.

        Raises:
            RefusedError: it may not.
        """
        address = address_of(url)
        if not any_host and not self.hosts.allow(address):
            raise RefusedError(Outcome.HOST_NOT_ALLOWED, f"{address.host}:{address.port} is none of the allowed hosts")
        if not self.allow_private and _is_literal(address.host) and not is_public(address.host):
            raise RefusedError(Outcome.PRIVATE_ADDRESS, f"{address.host} is no public address")
        return address


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
