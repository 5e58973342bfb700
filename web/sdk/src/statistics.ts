/** What a link carries, in numbers: totals, and rates for a chart. */

/** The network path that a connection found. */
export interface Path {
  /** `host`, `srflx`, `prflx` or `relay` (RFC 8445, section 5.1.1), the farthest of both ends. */
  readonly kind: string;
  readonly local: string;
  readonly remote: string;
  /** `ip:port` of the other side. */
  readonly address: string;
}

/** What one connection has carried so far. */
export interface Snapshot {
  readonly path: Path | null;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** Pictures encoded and sent. */
  readonly framesSent: number;
  /** Pictures decoded. */
  readonly framesReceived: number;
  /** Pictures that came and were not shown. */
  readonly framesDropped: number;
  /** RTP packets that did not come. */
  readonly packetsLost: number;
}

/** What a link carries. */
export interface Statistics extends Snapshot {
  /** Of the latest ping on the control channel. */
  readonly roundTripSeconds: number | null;
  /**
   * Since the statistics before these, of everything: pictures, sound, data; 0 the first time.
   */
  readonly bitsPerSecondSent: number;
  readonly bitsPerSecondReceived: number;
  readonly framesPerSecondSent: number;
  readonly framesPerSecondReceived: number;
}

type Entry = Readonly<Record<string, unknown>>;

/** What a report of `RTCPeerConnection.getStats` says. */
export function read(report: RTCStatsReport): Snapshot {
  const entries = [...(report.values() as Iterable<Entry>)];
  const byId = (id: unknown): Entry | undefined => entries.find((entry) => entry["id"] === id);
  const selected = entries.find((entry) => entry["type"] === "transport")?.[
    "selectedCandidatePairId"
  ];
  const pair =
    byId(selected) ??
    entries.find((entry) => entry["type"] === "candidate-pair" && entry["nominated"] === true);
  const sum = (type: string, name: string): number =>
    entries
      .filter((entry) => entry["type"] === type)
      .reduce((total, entry) => total + Number(entry[name] ?? 0), 0);
  return {
    path: pathOf(byId(pair?.["localCandidateId"]), byId(pair?.["remoteCandidateId"])),
    bytesSent: Number(pair?.["bytesSent"] ?? 0),
    bytesReceived: Number(pair?.["bytesReceived"] ?? 0),
    framesSent: sum("outbound-rtp", "framesSent"),
    framesReceived: sum("inbound-rtp", "framesDecoded"),
    framesDropped: sum("inbound-rtp", "framesDropped"),
    packetsLost: sum("inbound-rtp", "packetsLost"),
  };
}

function pathOf(local: Entry | undefined, remote: Entry | undefined): Path | null {
  if (!local || !remote) return null;
  const ends = [String(local["candidateType"]), String(remote["candidateType"])] as const;
  const kind = ["relay", "srflx", "prflx"].find((word) => ends.includes(word)) ?? "host";
  const { address, port } = remote as { address?: string; port?: number };
  return {
    kind,
    local: ends[0],
    remote: ends[1],
    address: `${address ?? "?"}:${String(port ?? "?")}`,
  };
}

/** Makes rates of totals; remembers the path. */
export class Rates {
  #path: Path | null = null;
  #before: { readonly at: number; readonly now: Snapshot } | null = null;

  /** The path in use, or the last one that was. */
  path(now: Path | null): Path | null {
    this.#path = now ?? this.#path;
    return this.#path;
  }

  /** @param at when these were true, in seconds. */
  of(now: Snapshot, at: number, roundTripSeconds: number | null): Statistics {
    const before = this.#before;
    this.#before = { at, now };
    const rate = (
      name: "bytesSent" | "bytesReceived" | "framesSent" | "framesReceived",
    ): number => {
      if (!before || at <= before.at) return 0;
      // Fewer than before: another connection, which counts from 0.
      const last = now[name] < before.now[name] ? 0 : before.now[name];
      return (now[name] - last) / (at - before.at);
    };
    return {
      ...now,
      path: this.path(now.path),
      roundTripSeconds,
      bitsPerSecondSent: 8 * rate("bytesSent"),
      bitsPerSecondReceived: 8 * rate("bytesReceived"),
      framesPerSecondSent: rate("framesSent"),
      framesPerSecondReceived: rate("framesReceived"),
    };
  }
}
