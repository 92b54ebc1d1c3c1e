// A QR code as a picture of one path: made here, without a style and without a request.
import { encode } from 'uqr';
import type { ReactElement } from 'react';

import { qrPath } from './qr';

/** Light around the code, in modules: ISO/IEC 18004 asks for four. */
const MARGIN = 4;

export function QrCode({ text, label }: { text: string; label: string }): ReactElement {
  const { data, size } = encode(text, { ecc: 'M', border: MARGIN });
  return (
    <svg
      className="qr"
      viewBox={`0 0 ${size} ${size}`}
      role="img"
      aria-label={label}
      shapeRendering="crispEdges"
    >
      <rect width={size} height={size} fill="#fff" />
      <path d={qrPath(data)} fill="#000" />
    </svg>
  );
}
