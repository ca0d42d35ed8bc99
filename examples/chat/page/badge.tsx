/** Shows a person's initial in a colour that depends on their id. */
import type { Person } from "./data.ts";

export function Badge({ person: { id, name } }: { readonly person: Person }) {
  const hue = [...id].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 360, 0);
  return (
    <span className="badge" aria-hidden="true" style={{ "--hue": hue } as React.CSSProperties}>
      {name.charAt(0).toUpperCase()}
    </span>
  );
}
