/** How a data connection turns values into messages and back: one message a value. */

import { decode, encode } from "@msgpack/msgpack";
import { pack, unpack, type Packable, type Unpackable } from "peerjs-js-binarypack";

/** What a channel carries. */
export type Wire = string | ArrayBuffer;

/** One way of writing values. */
export interface Serializer {
  readonly name: string;
  readonly encode: (value: unknown) => Wire | Promise<Wire>;
  readonly decode: (message: Wire) => unknown;
}

const text = new TextDecoder();

function bytes(message: Wire): ArrayBuffer {
  return typeof message === "string" ? new TextEncoder().encode(message).buffer : message;
}

/** PeerJS's own: BinaryPack. Dates arrive as text, views and blobs as ArrayBuffer. */
const binary: Serializer = {
  name: "binary",
  encode: async (value) => exact(await pack(value as Packable)),
  decode: (message) => unpack<Unpackable>(bytes(message)),
};

const json: Serializer = {
  name: "json",
  encode: (value) => JSON.stringify(value),
  decode: (message): unknown =>
    JSON.parse(typeof message === "string" ? message : text.decode(message)),
};

/** As the data channel has it: text or bytes. */
const raw: Serializer = {
  name: "raw",
  encode: async (value) => {
    if (typeof value === "string" || value instanceof ArrayBuffer) return value;
    if (value instanceof Blob) return await value.arrayBuffer();
    if (ArrayBuffer.isView(value)) return exact(value);
    throw new TypeError("A raw connection sends text, ArrayBuffer, typed arrays and Blob.");
  },
  decode: (message) => message,
};

const msgpack: Serializer = {
  name: "MsgPack",
  encode: (value) => exact(encode(value)),
  decode: (message) => decode(bytes(message)),
};

/** Just the bytes of a view, which may be a part of a larger buffer. */
function exact(view: ArrayBufferView | ArrayBuffer | SharedArrayBuffer): ArrayBuffer {
  const part = ArrayBuffer.isView(view)
    ? new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
    : new Uint8Array(view);
  return new Uint8Array(part).buffer;
}

/** Those that `serialization` may name. */
export const SERIALIZERS: Readonly<Record<string, Serializer>> = {
  binary,
  "binary-utf8": { ...binary, name: "binary-utf8" },
  json,
  raw,
  MsgPack: msgpack,
};
