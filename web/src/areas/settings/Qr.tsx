import { encode } from 'uqr'

/** A QR code, drawn here: what it says leaves this page for no other server. Black on white in every theme. */
export function Qr({ text, label }: { text: string; label: string }) {
  return (
    <svg role="img" aria-label={label} viewBox={box(text)} className="mx-auto block size-[220px] rounded-card bg-white" shapeRendering="crispEdges">
      <path d={squares(text)} fill="#000" />
    </svg>
  )
}

const quiet = 4 // modules of white around it (ISO/IEC 18004)

function modules(text: string): boolean[][] {
  return encode(text, { ecc: 'M', border: 0 }).data
}

function box(text: string): string {
  const n = modules(text).length + 2 * quiet
  return `${-quiet} ${-quiet} ${n} ${n}`
}

export function squares(text: string): string {
  return modules(text).flatMap((row, y) => row.map((dark, x) => (dark ? `M${x} ${y}h1v1h-1z` : ''))).join('')
}
