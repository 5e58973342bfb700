/** What the measurement drives from outside: one object for each way of connecting. */

import * as code from "./code.js";
import * as door from "./door.js";
import { instant } from "./instant.js";
import * as mesh from "./mesh.js";
import * as peerjs from "./peerjs.js";
import * as room from "./room.js";
import * as tutorial from "./tutorial.js";

Object.assign(globalThis, { bench: { instant, peerjs, tutorial, room, door, code, mesh } });
