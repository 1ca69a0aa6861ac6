"""The scenarios: what runs in a workspace, whether a person would call it work, and who is connected meanwhile.

Each is a script of bash that runs in a unit of its own, so that stopping the unit ends all of it. ``client`` names what
goes on outside: a terminal that is open, keys that are typed, requests. Labels were set before anything was measured; a
scenario that the product gets wrong stays.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scenario:
    """One scenario."""

    name: str
    works: bool
    script: str = "sleep infinity"
    client: str = ""
    units: tuple[str, ...] = ()
    """Units that this workspace's policy names as work."""


PYTHON = "exec python3 -u -c '{}'"
SOURCE = (
    (
        "mkdir -p ~/b && cd ~/b && for i in $(seq 12); do "
        "printf '#include <stdio.h>\\n#include <math.h>\\nint f%d(int x){{int s=0;for(int i=0;i<x;i++)s+=i*%d;return s;}}\\n' "
        "$i $i > f$i.c; done; printf 'all: $(patsubst %.c,%.o,$(wildcard *.c))\\n%.o: %.c\\n\\tgcc -O3 -c $< -o $@\\n' "
        "> Makefile; "
    )
    .replace("{{", "{")
    .replace("}}", "}")
)
SERVER = (
    "import http.server,socketserver\n"
    "class H(http.server.BaseHTTPRequestHandler):\n"
    '    protocol_version="HTTP/1.1"\n'
    "    def do_GET(s):\n"
    '        b=b"{}"*{size}; s.send_response(200); s.send_header("Content-Length",str(len(b))); s.end_headers(); '
    "s.wfile.write(b)\n"
    "    def log_message(s,*a): pass\n"
    "socketserver.ThreadingTCPServer.allow_reuse_address=True\n"
    'socketserver.ThreadingTCPServer(("",8000),H).serve_forever()'
)
CLOCK = (
    "import socket,time,threading\n"
    's=socket.create_server(("",8000))\n'
    "def f(c):\n"
    "    while True:\n"
    '        c.sendall(b"tick %d\\n" % time.time()); time.sleep(1)\n'
    "while True: threading.Thread(target=f,args=(s.accept()[0],),daemon=True).start()"
)
SINK = 'import socket\ns=socket.create_server(("",8000))\nc=s.accept()[0]\nwhile c.recv(65536): pass'


def _python(code: str) -> str:
    return PYTHON.format(code)


WORKING = (
    Scenario("build: make and gcc over and over", True, SOURCE + "while :; do make -s all; rm -f *.o; done"),
    Scenario("build: make with two jobs", True, SOURCE + "while :; do make -s -j2 all; rm -f *.o; done"),
    Scenario("build: ninja that waits for a slow step", True,
             "mkdir -p ~/n && cd ~/n && printf 'rule r\\n  command = sleep 600\\nbuild x: r\\n' > build.ninja; exec ninja"),
    Scenario("training loop", True, _python("import random\nw=[0.0]*500\nwhile True:\n    w=[x+random.random()*.01 for x in w]")),
    Scenario("training loop with pauses between epochs", True,
             _python("import time\nwhile True:\n    t=time.process_time()\n    while time.process_time()-t<2: sum(range(1000))\n    time.sleep(2)")),
    Scenario("tests: many short processes", True, "while :; do python3 -c 'sum(range(300000))'; done"),
    Scenario("job that uses a tenth of a core", True,
             _python("import time\nwhile True:\n    t=time.process_time()\n    while time.process_time()-t<.1: pass\n    time.sleep(.9)")),
    Scenario("compression", True, "while :; do head -c 20M /dev/urandom | gzip -9 > /dev/null; done"),
    Scenario("archive of a tree to disk", True, "while :; do tar -cf ~/t.tar -C / run/current-system/sw/lib 2>/dev/null; sync ~/t.tar; sleep 1; done"),
    Scenario("hashes of files", True, "while :; do find /run/current-system/sw/ -type f | head -200 | xargs sha256sum > /dev/null; done"),
    Scenario("search through all files", True, "while :; do find / -xdev > /dev/null 2>&1; done"),
    Scenario("database: writes that are synced", True,
             _python('import sqlite3,os,time\nc=sqlite3.connect(os.path.expanduser("~/d.db"))\nc.execute("create table if not exists t(x)")\nwhile True:\n    c.execute("insert into t values(randomblob(20000))"); c.commit(); time.sleep(.05)')),
    Scenario("database: redis that serves 200 requests a second", True,
             "redis-server --port 7000 --save '' > /dev/null & until redis-cli -p 7000 ping > /dev/null 2>&1; do sleep .2; done; "
             + _python('import socket,time\ns=socket.create_connection(("127.0.0.1",7000))\nwhile True:\n    for _ in range(10): s.sendall(b"PING\\r\\n"); s.recv(100)\n    time.sleep(.05)')),
    Scenario("web server under requests", True, _python(SERVER.replace("{size}", "2000")), client="requests"),
    Scenario("copy with rsync, slowly", True,
             "mkdir -p ~/r && head -c 50M /dev/zero > ~/r/a; exec rsync --bwlimit=200 ~/r/a ~/r/b"),
    Scenario("writes of 100 KB a second", True, "while :; do head -c 50K /dev/urandom >> ~/w; sleep .5; done"),
    Scenario("download of 200 KB a second", True, _python(SINK), client="push"),
    Scenario("download from here by somebody", True, _python(SERVER.replace("{size}", "4000000")), client="pull"),
    Scenario("download with wget at 1 KB a second", True,
             "python3 -c 'import socket,time\ns=socket.create_server((\"\",7001))\nc=s.accept()[0]; c.recv(999)\nc.sendall(b\"HTTP/1.0 200 OK\\r\\n\\r\\n\")\nwhile True: c.sendall(bytes(1000)); time.sleep(1)' & sleep 1; exec wget -q -O /dev/null http://127.0.0.1:7001/"),
    Scenario("debugger at a breakpoint", True,
             SOURCE + "printf 'int main(){int s=0;for(int i=0;i<9;i++)s+=i;return s;}' > m.c; gcc -g m.c -o m; "
             "mkfifo -m 600 in 2>/dev/null; sleep infinity > in & exec gdb -q -ex 'break main' -ex run ./m < in"),
    Scenario("debugger at a breakpoint in a terminal", True, client="terminal:cd ~ && printf 'int main(){return 1;}' > q.c && gcc -g q.c -o q && gdb -q -ex 'break main' -ex run ./q"),
    Scenario("a person types in vim", True, client="typing:vim ~/notes"),
    Scenario("a person types in a shell", True, client="typing:cat"),
    Scenario("a person reads with less", True, client="typing:less /etc/services"),
    Scenario("a person types over SSH", True, client="ssh-typing"),
    Scenario("a timer in 4 minutes", True, "systemd-run --user --quiet --on-active=4min --unit=soon true; exec sleep infinity"),
    Scenario("a calendar timer in 4 minutes, as cron has it", True,
             "systemd-run --user --quiet --on-calendar=\"*-*-* $(date -d '+4 min' +%H:%M:00)\" --unit=soon true; exec sleep infinity"),
    Scenario("tmux with a job that runs", True, "tmux -L t new-session -d 'while :; do :; done'; exec sleep infinity"),
    Scenario("a job in the background after its shell has gone", True, "(setsid bash -c 'while :; do :; done' &) ; exec sleep infinity"),
    Scenario("node: a bundler", True, "exec node -e 'for(;;){JSON.parse(JSON.stringify(Array(9999).fill({a:1})))}'"),
    Scenario("index of sources, as a language server makes it", True,
             _python('import ast,glob,sysconfig\nwhile True:\n    for f in glob.glob(sysconfig.get_path("stdlib")+"/*.py"): ast.parse(open(f,errors="replace").read())')),
    Scenario("a unit that its owner has named as work", True, "systemd-run --user --quiet --collect --unit=keep-me sleep infinity; exec sleep infinity", units=("keep-*.service",)),
)  # fmt: skip

IDLE = (
    Scenario("nothing at all", False),
    Scenario("sleep in a loop", False, "while :; do sleep 1; done"),
    Scenario("vim that nobody types in", False, client="terminal:vim ~/notes"),
    Scenario("a shell that nobody types in", False, client="terminal:true"),
    Scenario("less that nobody reads", False, client="terminal:less /etc/services"),
    Scenario("a Python prompt", False, client="terminal:python3"),
    Scenario("top in a forgotten terminal", False, client="terminal:top -d 3"),
    Scenario("watch in a forgotten terminal", False, client="terminal:watch -n 2 date"),
    Scenario("a spinner that turns every second", False, client="terminal:while :; do printf .; sleep 1; done"),
    Scenario("an SSH session with keep-alives", False, client="ssh-idle"),
    Scenario("a forgotten WebSocket that ticks", False, _python(CLOCK), client="connected"),
    Scenario("twenty forgotten connections", False, _python(CLOCK.replace("sleep(1)", "sleep(30)")), client="connected20"),
    Scenario("a web server", False, _python(SERVER.replace("{size}", "10"))),
    Scenario("a web server that an open page asks every 2 s", False, _python(SERVER.replace("{size}", "500")), client="poll"),
    Scenario("node: a web server", False, "exec node -e 'require(\"http\").createServer((q,s)=>s.end(\"x\")).listen(8000)'"),
    Scenario("redis without clients", False, "exec redis-server --port 7000 --save ''"),
    Scenario("redis with twenty connections that say nothing", False,
             "redis-server --port 7000 --save '' > /dev/null & until redis-cli -p 7000 ping > /dev/null 2>&1; do sleep .2; done; "
             + _python('import socket,time\na=[socket.create_connection(("127.0.0.1",7000)) for _ in range(20)]\ntime.sleep(9999)')),
    Scenario("tmux with a finished job", False, "tmux -L t new-session -d 'make --version; exec bash'; exec sleep infinity"),
    Scenario("tmux with tail -f", False, "touch ~/log; tmux -L t new-session -d 'tail -f ~/log'; exec sleep infinity"),
    Scenario("a stopped job (Ctrl-Z)", False, "bash -c 'while :; do :; done' & sleep 1; kill -STOP $!; wait"),
    Scenario("a zombie", False, _python("import os,time\nif os.fork()==0: os._exit(0)\ntime.sleep(9999)")),
    Scenario("two threads that wait for each other", False,
             _python("import threading\na,b=threading.Lock(),threading.Lock()\na.acquire();b.acquire()\nthreading.Thread(target=a.acquire).start()\nb.acquire()")),
    Scenario("a program that waits at a pipe", False, "mkfifo ~/p 2>/dev/null; exec cat ~/p"),
    Scenario("a notebook kernel without a cell that runs", False,
             _python('import select,socket\ns=socket.create_server(("127.0.0.1",0))\nwhile True: select.select([s],[],[],1.0)')),
    Scenario("a client that waits for a long poll", False,
             "python3 -c 'import socket,time\ns=socket.create_server((\"\",7001))\nc=s.accept()[0]\ntime.sleep(9999)' & sleep 1; exec curl -s http://127.0.0.1:7001/"),
    Scenario("figures that are scraped every 5 s", False, _python(SERVER.replace("{size}", "3000")), client="scrape"),
    Scenario("a debugger without a program", False, "mkfifo -m 600 ~/in 2>/dev/null; sleep infinity > ~/in & exec gdb -q < ~/in"),
    Scenario("a timer in 3 hours", False, "systemd-run --user --quiet --on-active=3h --unit=late true; exec sleep infinity"),
    Scenario("node: a watcher of files", False, "mkdir -p ~/f; exec node -e 'require(\"fs\").watch(process.env.HOME+\"/f\",()=>{});setInterval(()=>{},1000)'"),
    Scenario("a finished build", False, SOURCE + "make -s all; exec sleep infinity"),
)  # fmt: skip

ALL = (*WORKING, *IDLE)
