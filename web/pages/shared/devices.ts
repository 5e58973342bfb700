/** One's own microphone, camera and screen, and what of them is sent. */

import { openMedia, openScreen, type Kind } from "firertc";

/** What carries the tracks: a link, or every link of a room. */
export interface Carrier {
  addTrack: (track: MediaStreamTrack) => Promise<void>;
  removeTrack: (track: MediaStreamTrack) => Promise<void>;
  /** Send another track of the same kind in place of the one that is sent; false if none is. */
  replaceTrack: (track: MediaStreamTrack) => Promise<boolean>;
  mute: (kinds: Readonly<Partial<Record<Kind, boolean>>>) => void;
}

/** Which devices are on. */
export interface DeviceStates {
  readonly microphone: boolean;
  readonly camera: boolean;
  readonly screen: boolean;
}

/** The devices of one call. */
export class Devices {
  /** Told whenever something was turned on or off. */
  onChange: () => void = () => undefined;
  /** Where the tracks go, once there is a connection. */
  carrier: Carrier | null = null;

  #microphone: MediaStreamTrack | null = null;
  #camera: MediaStreamTrack | null = null;
  #screen: MediaStreamTrack | null = null;

  /** Open microphone and camera, as wanted. */
  async open(wanted: Readonly<Record<Kind, boolean>>): Promise<void> {
    if (!wanted.audio && !wanted.video) return;
    for (const track of await openMedia(wanted)) {
      if (track.kind === "audio") this.#microphone = track;
      else this.#camera = track;
    }
    this.onChange();
  }

  /** The tracks to send: the screen goes before the camera. */
  get sending(): MediaStreamTrack[] {
    return [this.#microphone, this.picture].filter((track) => track !== null);
  }

  /** The picture that is sent. */
  get picture(): MediaStreamTrack | null {
    return this.#screen ?? this.#camera;
  }

  /** Which are on. */
  get states(): DeviceStates {
    return {
      microphone: this.#microphone?.enabled ?? false,
      camera: this.#camera?.enabled ?? false,
      screen: this.#screen !== null,
    };
  }

  /** Turn microphone or camera on or off; one that was not opened so far is opened. */
  async turn(kind: Kind): Promise<void> {
    const track = kind === "audio" ? this.#microphone : this.#camera;
    if (track) {
      track.enabled = !track.enabled;
    } else {
      const [opened] = await openMedia({ [kind]: true });
      if (!opened) return;
      if (kind === "audio") this.#microphone = opened;
      else this.#camera = opened;
      if (kind === "audio" || !this.#screen) await this.#send(opened);
    }
    this.#tell();
  }

  /**
   * Send the picture of the next camera.
   *
   * @returns the name of the camera that is now used; null if there is only one.
   */
  async switchCamera(): Promise<string | null> {
    const cameras = (await navigator.mediaDevices.enumerateDevices()).filter(
      ({ kind }) => kind === "videoinput",
    );
    const used = this.#camera?.getSettings().deviceId;
    const at = cameras.findIndex(({ deviceId }) => deviceId === used);
    const next = cameras[(at + 1) % cameras.length];
    if (!next || next.deviceId === used) return null;
    // Some phones open no second camera while the first is open.
    const enabled = this.#camera?.enabled ?? true;
    this.#camera?.stop();
    const [opened] = await openMedia({ video: { deviceId: { exact: next.deviceId } } });
    if (!opened) return null;
    opened.enabled = enabled;
    this.#camera = opened;
    if (!this.#screen) await this.#send(opened);
    this.#tell();
    return next.label;
  }

  /** Send the screen in place of the camera, or stop that. */
  async turnScreen(): Promise<void> {
    if (this.#screen) {
      await this.#endScreen();
      return;
    }
    const track = await openScreen();
    this.#screen = track;
    // The browser's own button ends it, too.
    track.addEventListener("ended", () => void this.#endScreen());
    await this.#send(track);
    this.#tell();
  }

  async #endScreen(): Promise<void> {
    const track = this.#screen;
    if (!track) return;
    this.#screen = null;
    track.stop();
    // Without a camera nothing takes its place: the others shall not keep its last picture.
    if (this.#camera) await this.#send(this.#camera);
    else await this.carrier?.removeTrack(track);
    this.#tell();
  }

  async #send(track: MediaStreamTrack): Promise<void> {
    const { carrier } = this;
    if (!carrier) return;
    if (!(await carrier.replaceTrack(track))) await carrier.addTrack(track);
  }

  /** Tell the others what is silent or dark on purpose. */
  #tell(): void {
    this.carrier?.mute({
      audio: this.#microphone?.enabled === false,
      video: !this.#screen && this.#camera?.enabled !== true,
    });
    this.onChange();
  }

  /** Give every device back. */
  stop(): void {
    this.carrier = null;
    for (const track of [this.#microphone, this.#camera, this.#screen]) track?.stop();
    this.#microphone = this.#camera = this.#screen = null;
  }
}
