"""Questions and answers of the resolver as messages of DNS. Pure.

Source: RFC 1035, RFC 6891 (EDNS), RFC 8914 (extended errors), RFC 9460 (HTTPS records).
"""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

LONGEST_QUESTION = 512
LONGEST_DATAGRAM = 1232
"""As agreed upon on DNS flag day 2020: it passes every network in one piece."""
LONGEST_TTL = 300
"""An answer is asked for again after so many seconds, so that an address is allowed as long as it is used."""
_MOST_RECORDS = 64
_EMPTY = frozenset({dns.rdatatype.AAAA, dns.rdatatype.HTTPS, dns.rdatatype.SVCB})
"""Records that would lead to IPv6, which is off, or past the addresses that are answered."""
_FORWARDED = frozenset(
    map(
        dns.rdatatype.from_text,
        ("CAA", "CNAME", "DNSKEY", "DS", "MX", "NAPTR", "NS", "PTR", "SOA", "SRV", "TLSA", "TXT"),
    )
)


@dataclass(frozen=True, slots=True)
class Question:
    """One question, and the message that it came in."""

    name: str
    """In lower case, without the last dot."""
    kind: dns.rdatatype.RdataType
    message: dns.message.Message

    @property
    def is_for_addresses(self) -> bool:
        """Whether it asks for IPv4 addresses."""
        return self.kind == dns.rdatatype.A

    @property
    def is_for_nothing(self) -> bool:
        """Whether the answer is empty for every name."""
        return self.kind in _EMPTY

    @property
    def is_forwarded(self) -> bool:
        """Whether it asks for other records that are passed on where every name may be asked for."""
        return self.kind in _FORWARDED


@dataclass(frozen=True, slots=True)
class Found:
    """The answer of a name server that was asked on behalf of a workspace."""

    code: dns.rcode.Rcode
    records: tuple[dns.rrset.RRset, ...] = ()
    addresses: tuple[str, ...] = ()
    ttl: int = 0


def question_of(data: bytes) -> Question | None:
    """Read a question; None for anything that is not exactly one of the internet's class."""
    if len(data) > LONGEST_QUESTION:
        return None
    try:
        message = dns.message.from_wire(data)
    except (dns.exception.DNSException, ValueError, IndexError):
        return None
    if message.flags & dns.flags.QR or message.opcode() != dns.opcode.QUERY or len(message.question) != 1:
        return None
    asked = message.question[0]
    if asked.rdclass != dns.rdataclass.IN:
        return None
    return Question(text_of(asked.name), asked.rdtype, message)


def text_of(name: dns.name.Name) -> str:
    """Return a name as the entries of rules have it."""
    return name.to_text(omit_final_dot=True).lower()


def asking(question: Question) -> dns.message.Message:
    """Return the message that asks a name server the same: nothing else of the workspace's message leaves."""
    message = dns.message.make_query(question.name + ".", question.kind, use_edns=0, payload=LONGEST_DATAGRAM)
    message.id = secrets.randbits(16)
    return message


def found_of(asked: dns.message.Message, data: bytes) -> Found | None:
    """Read a name server's answer; None for what is none to this question."""
    try:
        answer = dns.message.from_wire(data, ignore_trailing=True)
    except (dns.exception.DNSException, ValueError, IndexError):
        return None
    if not asked.is_response(answer):
        return None
    kind = asked.question[0].rdtype
    records, addresses = _followed(answer, asked.question[0].name, kind)
    ttl = min((one.ttl for one in records), default=0)
    return Found(answer.rcode(), tuple(records), tuple(addresses), ttl)


def is_cut_off(data: bytes) -> bool:
    """Tell whether an answer did not fit into a datagram."""
    return len(data) > 2 and bool(data[2] & 0x02)  # noqa: PLR2004 - the flag TC lies in the third byte


def _followed(
    answer: dns.message.Message, name: dns.name.Name, kind: dns.rdatatype.RdataType
) -> tuple[list[dns.rrset.RRset], list[str]]:
    """Return the records that lead from a name to what was asked for, and the addresses among them."""
    records: list[dns.rrset.RRset] = []
    for _ in range(16):  # aliases of aliases
        here = [one for one in answer.answer if one.name == name and one.rdtype == kind]
        if here:
            records += here
            break
        alias = [one for one in answer.answer if one.name == name and one.rdtype == dns.rdatatype.CNAME]
        if not alias:
            break
        records.append(alias[0])
        name = next(iter(alias[0])).target
    addresses = [one.address for found in records if found.rdtype == dns.rdatatype.A for one in found]
    return records[:_MOST_RECORDS], [str(ipaddress.IPv4Address(one)) for one in addresses[:_MOST_RECORDS]]


def answered(question: Question, found: Found, longest: int) -> bytes:
    """Return the answer to a workspace, with nothing but the records that answer its question."""
    answer = dns.message.make_response(question.message, recursion_available=True)
    answer.set_rcode(found.code)
    for record in found.records:
        copy = dns.rrset.from_rdata_list(record.name, min(record.ttl, LONGEST_TTL), list(record))
        answer.answer.append(copy)
    return _wire(answer, longest)


def nothing(question: Question, longest: int) -> bytes:
    """Return the answer that there are no such records."""
    return answered(question, Found(dns.rcode.NOERROR), longest)


def blocked(question: Question, longest: int) -> bytes:
    """Return the answer that a name is not there, because the workspace may not ask for it.

    Not REFUSED: programs would ask again and again, or somebody else.
    """
    answer = dns.message.make_response(question.message, recursion_available=True)
    answer.set_rcode(dns.rcode.NXDOMAIN)
    if question.message.edns >= 0:
        why = dns.edns.EDEOption(dns.edns.EDECode.BLOCKED, "not allowed by the workspace's network policy")
        answer.use_edns(0, 0, LONGEST_DATAGRAM, options=[why])
    return _wire(answer, longest)


def failed(question: Question, longest: int) -> bytes:
    """Return the answer that no name server could be asked."""
    return answered(question, Found(dns.rcode.SERVFAIL), longest)


def room_for(question: Question) -> int:
    """Return the longest datagram that the workspace takes."""
    return min(max(question.message.payload or 512, 512), LONGEST_DATAGRAM)


def addresses_in(found: Sequence[dns.rrset.RRset]) -> list[str]:
    """Return the addresses of records, whatever their kind."""
    return [one.address for record in found if record.rdtype in {dns.rdatatype.A, dns.rdatatype.AAAA} for one in record]


def _wire(answer: dns.message.Message, longest: int) -> bytes:
    try:
        return answer.to_wire(max_size=longest)
    except dns.exception.TooBig:
        short = dns.message.Message(answer.id)
        short.flags = answer.flags | dns.flags.TC
        short.question = answer.question
        return short.to_wire()
