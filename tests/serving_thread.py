"""A server of a simulated board, serving in a thread for as long as a test wants it."""

import threading
from contextlib import contextmanager


@contextmanager
def running(server):
    """Yield the server's port; in the end it stops, within ten seconds."""
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield server.port
    finally:
        server.stop()
        thread.join(10)
        assert not thread.is_alive()
