/** Lists the sessions of this account, with a button to end each. */
import type { Data } from "./data.ts";

export function Devices({ data }: { readonly data: Data }) {
  const devices = data.useDevices();
  const end = data.useEndSession();
  return (
    <details open={matchMedia("(min-width: 48rem)").matches}>
      <summary>
        <h2>My sessions ({devices.length})</h2>
      </summary>
      <ul className="devices">
        {devices.map(({ id, current, userAgent }) => (
          <li key={id}>
            <span>
              {nameOf(userAgent)}
              {current && <small>this one</small>}
            </span>
            <button
              className="quiet"
              aria-label={`End the session of ${nameOf(userAgent)}${current ? ", this one" : ""}`}
              // A session that was not ended stays in the list.
              onClick={() => void end(id).catch(() => {})}
            >
              End
            </button>
          </li>
        ))}
      </ul>
    </details>
  );
}

function nameOf(userAgent: string | null): string {
  const browser = /(Edg|Firefox|Chrome|Safari)/.exec(userAgent ?? "")?.[0].replace("Edg", "Edge");
  const system = /(Windows|Android|iPhone|iPad|Mac OS|Linux)/.exec(userAgent ?? "")?.[0];
  if (browser === undefined) return userAgent?.slice(0, 40) ?? "Unknown device";
  return system === undefined ? browser : `${browser} on ${system}`;
}
