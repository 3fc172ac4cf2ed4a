"""Where a request comes from, as far as that can be believed."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp import web

_FORWARDED = "X-Forwarded-For"
#: One customer's network: addresses within it cost nothing (RFC 6177).
_IPV6_NETWORK_BITS = 64
_UNKNOWN = ""


def address_of(request: web.BaseRequest, *, behind_proxy: bool) -> str:
    """The address that limits are counted for; see `caller_address`."""
    return network_of(caller_address(request, behind_proxy=behind_proxy))


def caller_address(request: web.BaseRequest, *, behind_proxy: bool) -> str:
    """The caller's address in full; empty where it is none.

    Behind a proxy it is the last hop of `X-Forwarded-For`, the one that our proxy
    itself has added; earlier hops are what the caller says. Without one it is the
    proxy's own. Not behind a proxy the header means nothing.
    """
    if behind_proxy:
        hops = request.headers.getall(_FORWARDED, ())
        if hops:
            last = hops[-1].rpartition(",")[2].strip()
            if network_of(last) != _UNKNOWN:
                return last
    return request.remote or _UNKNOWN


def network_of(text: str) -> str:
    """An IPv4 address as it is, an IPv6 address without its last 64 bits.

    Empty for what is no address.
    """
    try:
        address = ip_address(text)
    except ValueError:
        return _UNKNOWN
    if not isinstance(address, IPv6Address):
        return text
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return f"{int(address) >> _IPV6_NETWORK_BITS:x}::"
