/** Skapi: its realtime and WebRTC methods. */

import type { Config } from "../../index.js";
import { findProject } from "../../hosting.js";

import type { RTCConnector, RTCConnectorParams } from "./params.js";
import { Calls, requireCallback } from "./calls.js";
import { channelsWanted } from "./channel.js";
import {
  groupsOf,
  peerOf,
  response,
  usersOf,
  type DatabaseResponse,
  type GroupSearch,
  type RealtimeGroup,
  type RealtimeUser,
} from "./directory.js";
import { badParameter, badRequest, skapiError } from "./errors.js";
import type { RealtimeCallback, RealtimeMessage, RTCCallback } from "./events.js";
import { paramsOf, valuesOf } from "./forms.js";
import { groupName } from "./groups.js";
import { Realtime, type Identity } from "./realtime.js";

/** Skapi's limit for a notification, in bytes. */
const NOTIFICATION_BYTES = 3_072;
const CLOSED = { type: "close", message: "WebSocket connection closed." } as const;

/** Where the project is, and who one is; Skapi's own options are taken and not used. */
export interface SkapiOptions extends Identity {
  /** The Firebase project; default: what Firebase Hosting and `/firertc.json` say. */
  readonly firertc?: Config;
  readonly [other: string]: unknown;
}

/** What Skapi answers to what has no result. */
export interface Success {
  readonly type: "success";
  readonly message: string;
}

/** What stands in for the WebSocket that Skapi gives. */
export interface RealtimeConnection {
  /** 1 while connected, 3 afterwards, as a WebSocket's. */
  readonly readyState: number;
  readonly close: () => void;
}

/** A user of the realm: others see it, send to it and call it. */
export class Skapi {
  readonly #options: SkapiOptions;
  readonly #key: string | undefined;
  /** An error in the application is its own: it must not end what it is told of. */
  readonly #tell = (message: RealtimeMessage): void => {
    try {
      this.#callback(message);
    } catch (error) {
      reportError(error);
    }
  };
  readonly #calls = new Calls(this.#tell);
  #user: string | null = null;
  #resume: string | undefined;
  #realtime: Promise<Realtime> | null = null;
  #connection: Promise<Realtime> | null = null;
  #callback: RealtimeCallback = () => undefined;

  /**
   * `new Skapi(key?, owner?, options?)` as Skapi has it, or `new Skapi(options)`.
   *
   * @param service a key of the realm in place of the service's id; default: the project's own.
   * @param _owner taken and not used.
   */
  constructor(service?: string | SkapiOptions, _owner?: string, options?: SkapiOptions) {
    this.#key = typeof service === "string" ? service : undefined;
    this.#options = (typeof service === "object" ? service : options) ?? {};
  }

  /** Who one is, once joined; null before. */
  get user(): { readonly user_id: string } | null {
    return this.#user === null ? null : { user_id: this.#user };
  }

  /** Join the realm, if that is not done, and say who one is. */
  async getProfile(): Promise<{ readonly user_id: string } | null> {
    const realtime = await this.#anyRealtime();
    await this.#joined(realtime);
    return this.user;
  }

  async #joined(realtime: Realtime): Promise<void> {
    this.#user = await realtime.join();
    this.#resume = realtime.resume;
  }

  // Realtime.

  /**
   * Be seen by others, and hear from them.
   *
   * @param callback given every {@link RealtimeMessage}.
   */
  async connectRealtime(callback: RealtimeCallback): Promise<RealtimeConnection> {
    // Typed, but not everybody who calls this is.
    if (typeof callback !== "function") throw badRequest("Callback must be a function.");
    this.#callback = callback;
    this.#connection ??= this.#connect();
    const connection = this.#connection;
    const realtime = await connection;
    return {
      get readyState() {
        return realtime.room ? WebSocket.OPEN : WebSocket.CLOSED;
      },
      close: () => {
        if (this.#connection === connection) void this.closeRealtime();
      },
    };
  }

  async #connect(): Promise<Realtime> {
    // Whoever doesn't await this gives its other requests now: they wait for the outcome.
    const realtime = await this.#anyRealtime();
    try {
      await this.#joined(realtime);
      await realtime.enter();
    } catch (error) {
      const { message } = error as Error;
      // Unless it was closed meanwhile, and another is being made.
      if ((await this.#realtime) === realtime) this.#connection = this.#realtime = null;
      await realtime.close();
      this.#tell({ type: "error", message: `Skapi: WebSocket connection error. ${message}` });
      throw error;
    }
    realtime.connected();
    return realtime;
  }

  /** What joins the realm; the same until it is closed. */
  async #anyRealtime(): Promise<Realtime> {
    this.#realtime ??= this.#makeRealtime();
    try {
      return await this.#realtime;
    } catch (error) {
      this.#realtime = null;
      throw skapiError(error);
    }
  }

  async #makeRealtime(): Promise<Realtime> {
    const config = this.#options.firertc ?? (await findProject());
    const { user_id = this.#user ?? undefined, serverToken, credentials } = this.#options;
    return new Realtime(
      this.#key === undefined ? config : { ...config, key: this.#key },
      { user_id, serverToken, credentials, resume: this.#resume },
      {
        message: this.#tell,
        ring: this.#calls.rung.bind(this.#calls),
        lost: () => {
          void this.#close(false);
        },
      },
    );
  }

  async #connected(): Promise<Realtime> {
    if (this.#connection) return await this.#connection;
    throw badRequest("No realtime connection. Execute connectRealtime() before this method.");
  }

  /** Hang up, leave the group, and be seen no longer. */
  async closeRealtime(): Promise<void> {
    await this.#close(true);
  }

  async #close(byUs: boolean): Promise<void> {
    const [connection, realtime] = [this.#connection, this.#realtime];
    this.#connection = this.#realtime = null;
    this.#calls.hangUp(() => true);
    if (!realtime) return;
    await connection?.catch(() => undefined);
    await (await realtime).close();
    if (byUs && connection) this.#tell(CLOSED);
  }

  /**
   * Be in a group, and in no other.
   *
   * @param params `{ group }`, null: in none; or a form.
   */
  async joinRealtime(params: { readonly group?: string | null } | SubmitEvent): Promise<Success> {
    const realtime = await this.#connected();
    const group = groupName(paramsOf(params)["group"]);
    await realtime.joinGroup(group);
    const joined = `Joined realtime message group: "${group ?? ""}".`;
    return success(group === null ? "Left realtime message group." : joined);
  }

  /**
   * Who is in a group.
   *
   * @param params `{ group, user_id }`; default: the group that one is in.
   */
  async getRealtimeUsers(
    params?: { readonly group?: string; readonly user_id?: string } | SubmitEvent,
  ): Promise<DatabaseResponse<RealtimeUser>> {
    const { group: wanted, user_id } = paramsOf(params);
    const realtime = await this.#anyConnection();
    const group = groupName(wanted) ?? realtime.groups.mine;
    if (group === null) {
      throw badRequest('No group has been joined. Otherwise "group" is required.');
    }
    if (user_id !== undefined && typeof user_id !== "string") {
      throw badParameter('"user_id" must be a string.');
    }
    return response(usersOf(await realtime.peers(), group, user_id));
  }

  /** The groups that somebody is in, by name or by how many are in them. */
  async getRealtimeGroups(
    params?: GroupSearch | SubmitEvent | null,
  ): Promise<DatabaseResponse<RealtimeGroup>> {
    const search = paramsOf(params) as GroupSearch;
    const realtime = await this.#anyConnection();
    return response(groupsOf(await realtime.peers(), search));
  }

  async #anyConnection(): Promise<Realtime> {
    return await (this.#connection ?? this.#anyRealtime());
  }

  /**
   * Say something to the group that one is in, or to one user.
   *
   * @param message any JSON value of at most 16,000 characters, or a form.
   * @param recipient the group's name, a user's id, or a `cid:…`.
   * @param notification checked; nothing is pushed.
   */
  async postRealtime(
    message: unknown,
    recipient: string,
    notification?: { readonly title: string; readonly body: string },
  ): Promise<Success> {
    // The form's values are gone once this has waited.
    const content = valuesOf(message);
    const realtime = await this.#connected();
    if (!recipient) throw badRequest("No recipient.");
    if (notification) checkNotification(notification);
    await realtime.post(content, recipient);
    return success("Message sent.");
  }

  // Calls.

  /**
   * Call a user.
   *
   * @param params whom, what to send, and which channels to open.
   * @param callback given every {@link RTCEvent}.
   * @returns once it rings; its `connection` settles in any case.
   */
  async connectRTC(
    params: RTCConnectorParams | SubmitEvent,
    callback: RTCCallback,
  ): Promise<RTCConnector> {
    requireCallback(callback);
    const given = paramsOf(params) as Partial<RTCConnectorParams>;
    const peer = peerOf(given.cid);
    const channels = channelsWanted(given.channels);
    return await this.#calls.place(await this.#connected(), peer, channels, given, callback);
  }

  /** Hang up with one user, or with all: `{ cid }`, `{ close_all: true }`. */
  async closeRTC(params: { readonly cid?: string; readonly close_all?: boolean }): Promise<void> {
    await Promise.resolve();
    const { cid, close_all } = paramsOf(params);
    if (close_all === true) {
      this.#calls.hangUp(() => true);
    } else {
      if (cid === undefined) throw badParameter('"cid" is required.');
      const peer = peerOf(cid);
      this.#calls.hangUp((one) => one === peer);
    }
  }
}

function success(message: string): Success {
  return { type: "success", message };
}

function checkNotification(notification: { readonly title: string; readonly body: string }): void {
  const { title, body } = notification;
  const bytes = new TextEncoder().encode(JSON.stringify({ title, body })).length;
  if (bytes > NOTIFICATION_BYTES) throw badParameter("Notification size exceeds 3kb.");
  console.warn("Skapi: there are no push notifications; the message alone is sent.");
}
