"""Names → addresses for Scrapy, refusing names that lead to a private one.

The connection is made to the very addresses that were checked: Twisted asks this resolver once a connection and uses
what it delivers. A name that leads to a public and a private address is refused whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from twisted.internet.interfaces import IAddress, IHostnameResolver, IHostResolution, IResolutionReceiver
from zope.interface import implementer

from drfhq_tools.crawl.addresses import is_public

REFUSED: set[str] = set()
"""Names that led to a private address in this process; a process runs one crawl."""


@implementer(IResolutionReceiver)
class _Checked:
    """Collects what a name resolves to, and passes it on if all of it is public."""

    def __init__(self, receiver: Any, name: str) -> None:
        self._receiver, self._name = receiver, name
        self._found: list[Any] = []

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:  # noqa: N802  Twisted's name
        self._receiver.resolutionBegan(resolutionInProgress)

    def addressResolved(self, address: IAddress) -> None:  # noqa: N802
        self._found.append(address)

    def resolutionComplete(self) -> None:  # noqa: N802
        if all(is_public(address.host) for address in self._found):
            for address in self._found:
                self._receiver.addressResolved(address)
        else:
            REFUSED.add(self._name)
        self._receiver.resolutionComplete()


@implementer(IHostnameResolver)
class PublicResolver:
    """The reactor's resolver with that check. Scrapy makes it from its settings and installs it."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._inner = reactor.nameResolver

    @classmethod
    def from_crawler(cls, _crawler: object, reactor: Any) -> Self:
        """As Scrapy asks for."""
        return cls(reactor)

    def install_on_reactor(self) -> None:
        """As Scrapy asks for."""
        self._reactor.installNameResolver(self)

    def resolveHostName(  # noqa: N802
        self,
        resolutionReceiver: Any,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[type[IAddress]] | None = None,
        transportSemantics: str = "TCP",
    ) -> IHostResolution:
        """See IHostnameResolver."""
        checked = _Checked(resolutionReceiver, hostName.lower())
        resolution: IHostResolution = self._inner.resolveHostName(
            checked, hostName, portNumber, addressTypes, transportSemantics
        )
        return resolution


class AnyResolver(PublicResolver):
    """The reactor's own resolver, for those who allow private addresses."""

    def install_on_reactor(self) -> None:
        """Leave the reactor as it is."""
