"""``make bench``: every measurement, in turn."""

from . import handshake

handshake.main()
