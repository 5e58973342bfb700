/** What all pages have in common, put into each while it is built. */

import { readFileSync } from "node:fs";
import { basename } from "node:path";

/** Pages with sound and pictures. */
const WITH_MEDIA = ["call", "conference"];

const RECAPTCHA = "https://www.google.com/recaptcha/";

/** What a page may load; App Check runs reCAPTCHA in the pages, by its own scripts and frames. */
function policy(page, appCheck) {
  const rules = [
    "default-src 'none'",
    ...(appCheck
      ? [
          `script-src 'self' ${RECAPTCHA} https://www.gstatic.com/recaptcha/`,
          `frame-src ${RECAPTCHA} https://recaptcha.google.com/recaptcha/`,
          "worker-src 'self'",
        ]
      : ["script-src 'self'"]),
    "style-src 'self'",
    "img-src 'self' data:",
    ...(WITH_MEDIA.includes(page) ? ["media-src 'self' blob: mediastream:"] : []),
    "connect-src 'self' https: http://127.0.0.1:* http://localhost:*",
    "base-uri 'none'",
    "form-action 'none'",
  ];
  return rules.join("; ");
}

/** Puts a part where a page says so: `<!-- shared/head.html -->`. */
export function parts({ appCheck }) {
  const read = (path) => readFileSync(new URL(path, import.meta.url), "utf-8").trimEnd();
  return {
    name: "parts",
    transformIndexHtml: {
      // Before Vite looks for the scripts and styles of a page.
      order: "pre",
      handler: (html, { filename }) => {
        const page = basename(filename, ".html");
        const part = (path) =>
          read(path).replaceAll("{page}", page).replaceAll("{policy}", policy(page, appCheck));
        return html.replaceAll(/^( *)<!-- (shared\/\w+\.html) -->$/gm, (_, indent, path) =>
          part(path).replaceAll(/^(?=.)/gm, indent),
        );
      },
    },
  };
}
