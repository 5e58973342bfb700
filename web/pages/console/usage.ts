/** Use per day: a chart, and the same as a table. */

import type { Firestore } from "firebase/firestore";

import { drawing, element } from "../shared/screen.js";
import { listenUsage, type Day, type Stop } from "./live.js";
import { piece } from "./pieces.js";

const DAYS = 14;
const DAY_MILLISECONDS = 86_400_000;
/** Of the drawing's view box. */
const CHART_HEIGHT = 40;
const BAR = { width: 8, step: 10 };

/** Show the last two weeks of a realm until it is stopped. */
export function showUsage(
  firestore: Firestore,
  realm: string,
  failed: (error: Error) => void,
): Stop {
  const first = dayOf(Date.now() - (DAYS - 1) * DAY_MILLISECONDS);
  const tell = (found: Day[]): void => {
    show(addUp(found));
  };
  show(addUp([]));
  return listenUsage(firestore, realm, first, tell, failed);
}

/** Every day of the two weeks, the oldest first. */
function addUp(found: readonly Day[]): Day[] {
  const now = Date.now();
  return Array.from({ length: DAYS }, (_, index) => {
    const day = dayOf(now - (DAYS - 1 - index) * DAY_MILLISECONDS);
    const parts = found.filter((part) => part.day === day);
    const sum = (name: "joins" | "renewals" | "rooms"): number =>
      parts.reduce((total, part) => total + part[name], 0);
    return { day, joins: sum("joins"), renewals: sum("renewals"), rooms: sum("rooms") };
  });
}

function show(days: readonly Day[]): void {
  const most = Math.max(1, ...days.map(({ joins }) => joins));
  drawing("chart-bars").setAttribute(
    "d",
    days
      .map(({ joins }, index) => {
        const height = (joins / most) * CHART_HEIGHT;
        const x = String(index * BAR.step + (BAR.step - BAR.width) / 2);
        return `M${x} ${(CHART_HEIGHT - height).toFixed(2)}h${String(BAR.width)}V${String(CHART_HEIGHT)}h-${String(BAR.width)}z`;
      })
      .join(""),
  );
  const used = days.filter(({ joins, renewals, rooms }) => joins + renewals + rooms > 0);
  element("days", "tbody").replaceChildren(
    ...used.reverse().map(({ day, joins, renewals, rooms }) => {
      const line = document.createElement("tr");
      const name = piece("th", day);
      name.scope = "row";
      line.append(name, ...[joins, renewals, rooms].map((count) => piece("td", String(count))));
      return line;
    }),
  );
}

function dayOf(unixMilliseconds: number): string {
  return new Date(unixMilliseconds).toISOString().slice(0, 10);
}
