"""Other systems' interfaces on FireRTC: code that was written for them runs with another import.

* :mod:`firertc.compat.tutorial`: calls with pages of the two public Firestore tutorials;
* :mod:`firertc.compat.aiortc`: signaling for programs in the style of aiortc's examples;
* :mod:`firertc.compat.opentok`: the server side of OpenTok;
* :mod:`firertc.compat.peerjs`: a ``Peer`` with the words of PeerJS.

``docs/moving`` says for each what differs and what isn't there.
"""
