/** For a script tag: sets `Peer` and `peerjs`, as PeerJS's own script does. */

import * as peerjs from "../peerjs.js";

Object.assign(globalThis, { Peer: peerjs.Peer, peerjs });
