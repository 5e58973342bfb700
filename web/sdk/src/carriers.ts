/** Which connection a link runs on: the one in use, the one before, those that are coming. */

import { Carrier, type CarrierUser } from "./carrier.js";
import type { Connection } from "./connection.js";
import type { Frame } from "./control.js";

/** Who is told of what happens on any of a link's connections. */
export interface CarriersUser extends Pick<CarrierUser, "brokeProtocol" | "channel"> {
  /** The one in use is open. */
  opened: () => void;
  /** The link runs on another one now. */
  moved: (old: Carrier, now: Carrier) => void;
  /** Something came; `current`: on the one in use. */
  heard: (frame: Frame | null, current: boolean) => void;
  /** None is left that carries anything. */
  fell: (how: "closed" | "failed") => void;
  /** The other side sends a track on the one in use. */
  track: (section: number, track: MediaStreamTrack, names: readonly string[]) => void;
  /** That one is no more. */
  dropped: (carrier: Carrier) => void;
}

/** The connections of one link: make before break. */
export class Carriers {
  /** The one in use. */
  current: Carrier;
  /** The one before, until something came on the one in use. */
  #previous: Carrier | null = null;
  readonly #coming = new Set<Carrier>();

  constructor(
    connection: Connection,
    readonly user: CarriersUser,
  ) {
    this.current = this.#carrierOf(connection);
  }

  /** Connections that may take the place of the one in use. */
  get coming(): readonly Connection[] {
    return [...this.#coming].map(({ connection }) => connection);
  }

  #carrierOf(connection: Connection): Carrier {
    const { user } = this;
    return new Carrier(connection, {
      opened: (carrier) => {
        if (carrier === this.current) user.opened();
        else this.#adopt(carrier);
      },
      heard: (carrier, frame) => {
        const current = carrier === this.current;
        if (current && this.#previous) {
          const previous = this.#previous;
          this.#previous = null;
          this.#drop(previous);
        }
        user.heard(frame, current);
      },
      brokeProtocol: user.brokeProtocol,
      fell: (carrier, how) => {
        this.#onFall(carrier, how);
      },
      track: (carrier, section, track) => {
        // Those of one that is coming are taken when it has come.
        if (carrier === this.current) user.track(section, track, carrier.connection.remoteNames);
      },
      channel: user.channel,
    });
  }

  /** Let another one come; see {@link Link.carry}. */
  carry(connection: Connection): Carrier {
    const carrier = this.#carrierOf(connection);
    this.#coming.add(carrier);
    return carrier;
  }

  /** Give up one that was coming; nothing happens if the link runs on it. */
  giveUp(carrier: Carrier): void {
    if (carrier === this.current || carrier === this.#previous) return;
    this.#coming.delete(carrier);
    this.#drop(carrier);
  }

  /** Run on one that came, from now on. */
  #adopt(carrier: Carrier): void {
    this.#coming.delete(carrier);
    if (this.#previous) this.#drop(this.#previous);
    this.#previous = this.current;
    this.current = carrier;
    this.user.moved(this.#previous, carrier);
  }

  #onFall(carrier: Carrier, how: "closed" | "failed"): void {
    if (carrier === this.#previous) {
      this.#previous = null;
      this.#drop(carrier);
    } else if (carrier !== this.current) {
      this.giveUp(carrier);
    } else if (this.#previous?.isAlive) {
      this.current = this.#previous;
      this.#previous = null;
      this.user.moved(carrier, this.current);
      this.#drop(carrier);
    } else {
      this.user.fell(how);
    }
  }

  #drop(carrier: Carrier): void {
    this.user.dropped(carrier);
    carrier.drop();
  }

  /** The link has ended. */
  close(): void {
    for (const carrier of this.#coming) carrier.drop();
    this.#previous?.drop();
    this.current.drop();
  }
}
