/** For a script tag: sets `Skyway`, `Skylink` and `attachMediaStream`, as Skyway's scripts do. */

import { attachMediaStream, Skylink, Skyway } from "../skyway.js";

Object.assign(globalThis, { Skyway, Skylink, attachMediaStream });
