/** Where a picture is shown on the page, in OpenTok's ways. */

import { OTError } from "./errors.js";

/** How a picture is put on the page. */
export interface PlaceOptions {
  /** Relative to the element that was named; `replace`: in the place of what is in it. */
  readonly insertMode?: "replace" | "append" | "before" | "after";
  /** Pixels, or any of CSS's lengths. */
  readonly width?: number | string;
  readonly height?: number | string;
  /** `cover` (default) fills the element, `contain` shows all of the picture. */
  readonly fitMode?: "cover" | "contain";
  /** False: nothing is put on the page; `videoElementCreated` has the element. */
  readonly insertDefaultUI?: boolean;
}

/** An element, its id, or nothing: then the page's end. */
export type Target = HTMLElement | string | null | undefined;

const WIDTH_PIXELS = 264;
const HEIGHT_PIXELS = 198;
let count = 0;

/** A picture's place on the page. */
export class Place {
  readonly id: string;
  readonly video = document.createElement("video");
  /** What is on the page; undefined: nothing. */
  readonly element: HTMLElement | undefined;

  /** @throws OTError if the page has no such element. */
  constructor(kind: "publisher" | "subscriber", target: Target, options: PlaceOptions) {
    const { video } = this;
    video.autoplay = true;
    video.playsInline = true;
    video.muted = kind === "publisher";
    if (options.insertDefaultUI === false) {
      this.id = newId();
      return;
    }
    const given = typeof target === "string" ? document.getElementById(target) : target;
    if (typeof target === "string" && !given) {
      const message = `The page has no element with the id ${JSON.stringify(target)}.`;
      throw new OTError("OT_INVALID_PARAMETER", message);
    }
    const mode = given ? (options.insertMode ?? "replace") : "append";
    const element = given && mode === "replace" ? given : document.createElement("div");
    if (element === given) element.replaceChildren();
    else if (given && mode === "before") given.before(element);
    else if (given && mode === "after") given.after(element);
    else (given ?? document.body).append(element);
    element.id ||= newId();
    element.classList.add("OT_root", `OT_${kind}`);
    const { style } = element;
    style.width = length(options.width, WIDTH_PIXELS);
    style.height = length(options.height, HEIGHT_PIXELS);
    style.overflow = "hidden";
    video.classList.add("OT_video-element");
    const fit = options.fitMode ?? "cover";
    Object.assign(video.style, { width: "100%", height: "100%", objectFit: fit });
    element.append(video);
    this.element = element;
    this.id = element.id;
  }

  /** Show oneself as in a mirror, or no longer. */
  mirror(on: boolean): void {
    this.video.style.transform = on ? "scaleX(-1)" : "";
  }

  /** Show a stream. */
  show(stream: MediaStream): void {
    if (this.video.srcObject !== stream) this.video.srcObject = stream;
  }

  /** What is shown now, as a PNG in base64; null: nothing yet. */
  image(): string | null {
    const { videoWidth: width, videoHeight: height } = this.video;
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    const context = canvas.getContext("2d");
    if (!context || !width) return null;
    context.drawImage(this.video, 0, 0);
    return canvas.toDataURL("image/png").replace(/^data:image\/png;base64,/, "");
  }

  /** Be gone from the page. */
  remove(): void {
    this.video.srcObject = null;
    this.element?.remove();
  }
}

function newId(): string {
  return `OT_${String(++count)}_${crypto.randomUUID()}`;
}

function length(value: number | string | undefined, otherwise: number): string {
  const given = value ?? otherwise;
  return typeof given === "number" || /^\d+(\.\d+)?$/.test(given) ? `${String(given)}px` : given;
}
