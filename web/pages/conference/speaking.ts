/** Who is speaking: how loud each voice is, a few times a second. */

const EVERY_MILLISECONDS = 250;
/** Of a level from 0 to 1: speech is above, breath below. */
const SPEAKING_LEVEL = 0.02;

/** A voice to listen to. */
export interface Voice {
  readonly stream: MediaStream | null;
  readonly told: (speaking: boolean) => void;
}

/** Meters for the voices that are there. */
export class Speaking {
  readonly #context = new AudioContext();
  readonly #meters = new Map<MediaStreamTrack, AnalyserNode>();
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #samples = new Float32Array(1024);

  /** @param voices asked every time who is there. */
  constructor(voices: () => Iterable<Voice>) {
    this.#timer = setInterval(() => {
      for (const { stream, told } of voices()) told(this.#level(stream) > SPEAKING_LEVEL);
    }, EVERY_MILLISECONDS);
  }

  #level(stream: MediaStream | null): number {
    const track = stream?.getAudioTracks().find(({ readyState }) => readyState === "live");
    if (!track) return 0;
    let meter = this.#meters.get(track);
    if (!meter) {
      meter = this.#context.createAnalyser();
      meter.fftSize = 2048;
      this.#context.createMediaStreamSource(new MediaStream([track])).connect(meter);
      this.#meters.set(track, meter);
      track.addEventListener("ended", () => this.#meters.delete(track));
    }
    meter.getFloatTimeDomainData(this.#samples);
    const sum = this.#samples.reduce((total, sample) => total + sample * sample, 0);
    return Math.sqrt(sum / this.#samples.length);
  }

  /** Stop listening. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#meters.clear();
    await this.#context.close();
  }
}
