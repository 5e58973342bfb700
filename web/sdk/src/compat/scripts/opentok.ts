/** For a script tag: sets `OT`, as OpenTok's own script does. */

import * as OT from "../opentok.js";

Object.assign(globalThis, { OT });
