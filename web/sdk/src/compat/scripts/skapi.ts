/** For a script tag: sets `Skapi`, as Skapi's own script does. */

import { Skapi } from "../skapi.js";

Object.assign(globalThis, { Skapi });
