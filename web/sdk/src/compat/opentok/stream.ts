/** Who is in a session, what they publish, and what peers tell one another of it. */

/** One who is in a session. */
export interface Connection {
  readonly connectionId: string;
  /** What the token's maker said of its holder. */
  readonly data: string;
  /** Milliseconds since 1970. */
  readonly creationTime: number;
}

/** Where a picture comes from. */
export type VideoType = "camera" | "screen" | "custom";

/** What peers tell of a stream. */
export interface StreamCard {
  readonly id: string;
  readonly name: string;
  readonly hasAudio: boolean;
  readonly hasVideo: boolean;
  readonly videoType: VideoType | null;
  readonly width: number;
  readonly height: number;
  readonly frameRate: number | null;
  readonly createdAt: number;
}

/** What somebody publishes; its fields change as it does. */
export class Stream {
  readonly streamId: string;
  readonly creationTime: number;
  readonly name: string;
  readonly videoType: VideoType | undefined;
  readonly frameRate: number | undefined;
  hasAudio: boolean;
  hasVideo: boolean;
  videoDimensions: { readonly width: number; readonly height: number };

  constructor(
    card: StreamCard,
    readonly connection: Connection,
  ) {
    this.streamId = card.id;
    this.creationTime = card.createdAt;
    this.name = card.name;
    this.videoType = card.videoType ?? undefined;
    this.frameRate = card.frameRate ?? undefined;
    this.hasAudio = card.hasAudio;
    this.hasVideo = card.hasVideo;
    this.videoDimensions = { width: card.width, height: card.height };
  }

  /** Be as told; what has changed. @internal */
  become(card: StreamCard): Change[] {
    const changes: Change[] = [];
    for (const changedProperty of ["hasAudio", "hasVideo"] as const) {
      const oldValue = this[changedProperty];
      const newValue = card[changedProperty];
      if (oldValue === newValue) continue;
      this[changedProperty] = newValue;
      changes.push({ changedProperty, oldValue, newValue });
    }
    const { width, height } = card;
    const before = this.videoDimensions;
    if (before.width !== width || before.height !== height) {
      this.videoDimensions = { width, height };
      const newValue = this.videoDimensions;
      changes.push({ changedProperty: "videoDimensions", oldValue: before, newValue });
    }
    return changes;
  }
}

/** What `streamPropertyChanged` tells. */
export interface Change {
  readonly changedProperty: "hasAudio" | "hasVideo" | "videoDimensions";
  readonly oldValue: unknown;
  readonly newValue: unknown;
}

/** What this adapter's peers say to one another on their links. */
export type Said =
  | {
      readonly opentok: "streams";
      readonly streams: readonly StreamCard[];
      /** Why those that are missing are. */
      readonly reason?: string;
    }
  /** By a moderator: stop it, silence it, or know who is about to be put out. */
  | { readonly opentok: "unpublish"; readonly stream: string }
  | { readonly opentok: "mute"; readonly stream: string | null; readonly except: readonly string[] }
  | { readonly opentok: "unmute" }
  | { readonly opentok: "disconnecting"; readonly connection: string };

/** Asked of who publishes a stream: send these of its kinds, and no others. */
export interface Wish {
  readonly opentok: "subscribe";
  readonly stream: string;
  readonly audio: boolean;
  readonly video: boolean;
}

/** In which sections of the link they come. */
export interface Granted {
  readonly audio: number | null;
  readonly video: number | null;
}

/** What a peer said on a link, if it is one of ours. */
export function said(body: unknown): Said | null {
  if (!isMap(body)) return null;
  const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);
  switch (body["opentok"]) {
    case "streams":
      return {
        opentok: "streams",
        streams: list(body["streams"]).flatMap((one) => card(one)),
        reason: text(body["reason"]) || "clientDisconnected",
      };
    case "unpublish":
      return { opentok: "unpublish", stream: text(body["stream"]) };
    case "mute": {
      const { stream, except } = body;
      const some = typeof stream === "string" ? stream : null;
      return { opentok: "mute", stream: some, except: list(except).map(text) };
    }
    case "unmute":
      return { opentok: "unmute" };
    case "disconnecting":
      return { opentok: "disconnecting", connection: text(body["connection"]) };
  }
  return null;
}

/** What a peer asks of us, if it is one of ours. */
export function wished(body: unknown): Wish | null {
  if (!isMap(body) || body["opentok"] !== "subscribe") return null;
  const [audio, video] = [body["audio"] === true, body["video"] === true];
  return { opentok: "subscribe", stream: text(body["stream"]), audio, video };
}

/** What a peer granted. */
export function granted(body: unknown): Granted {
  const section = (value: unknown): number | null => (typeof value === "number" ? value : null);
  const map = isMap(body) ? body : {};
  return { audio: section(map["audio"]), video: section(map["video"]) };
}

function card(value: unknown): StreamCard[] {
  if (!isMap(value) || typeof value["id"] !== "string") return [];
  const number = (name: string): number =>
    typeof value[name] === "number" && Number.isFinite(value[name]) ? value[name] : 0;
  const videoType = (["camera", "screen", "custom"] as const).find(
    (one) => one === value["videoType"],
  );
  return [
    {
      id: value["id"],
      name: text(value["name"]),
      hasAudio: value["hasAudio"] === true,
      hasVideo: value["hasVideo"] === true,
      videoType: videoType ?? null,
      width: number("width"),
      height: number("height"),
      frameRate: number("frameRate") || null,
      createdAt: number("createdAt"),
    },
  ];
}

/** What a peer's data, or a token's, says of its holder. */
export function connectionData(data: unknown): string {
  return isMap(data) ? text(data["connectionData"]) : "";
}

/** A value of JSON, or null. */
export function parsed(json: string | null): unknown {
  try {
    return json === null ? null : (JSON.parse(json) as unknown);
  } catch {
    return null;
  }
}

export function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
