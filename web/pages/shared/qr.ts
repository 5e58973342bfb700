/** The QR code of a link. */

import qrcode from "qrcode-generator";

/** Light modules around it, which scanners need (ISO/IEC 18004, section 6.3.8). */
const QUIET_MODULES = 4;

/** Draw a link as a QR code into an `<svg>`. */
export function drawQr(svg: SVGElement, link: string): void {
  const code = qrcode(0, "M");
  code.addData(link);
  code.make();
  const count = code.getModuleCount();
  let modules = "";
  for (let row = 0; row < count; row++) {
    for (let column = 0; column < count; column++) {
      if (code.isDark(row, column)) {
        modules += `M${String(column + QUIET_MODULES)} ${String(row + QUIET_MODULES)}h1v1h-1z`;
      }
    }
  }
  const size = String(count + 2 * QUIET_MODULES);
  const path = document.createElementNS(svg.namespaceURI, "path");
  path.setAttribute("d", modules);
  svg.setAttribute("viewBox", `0 0 ${size} ${size}`);
  svg.replaceChildren(path);
}
