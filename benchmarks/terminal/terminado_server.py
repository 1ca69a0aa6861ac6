"""terminado as small as its documentation shows: a terminal for every name, ended with its WebSocket.

Run with a port and the command of every terminal; it runs beside the benchmark's environment, not in it.
"""

import sys

import tornado.ioloop  # type: ignore[import-not-found]
import tornado.web  # type: ignore[import-not-found]
from terminado import TermSocket, UniqueTermManager  # type: ignore[import-not-found]


def main() -> None:
    manager = UniqueTermManager(shell_command=sys.argv[2:])
    handler = (r"/ws/.+", TermSocket, {"term_manager": manager})
    tornado.web.Application([handler]).listen(int(sys.argv[1]), "127.0.0.1")
    tornado.ioloop.IOLoop.current().start()


if __name__ == "__main__":
    main()
