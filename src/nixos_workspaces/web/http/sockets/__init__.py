"""WebSockets below any feature: messages past ASGI, and the sockets that are open."""
