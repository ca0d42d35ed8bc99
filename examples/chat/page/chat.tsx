/** The chat of a signed-in user: rooms, people, messages, and the sessions of the account. */
import { useState } from "react";
import { Badge } from "./badge.tsx";
import type { Data, Room } from "./data.ts";
import { Devices } from "./devices.tsx";
import { Composer, Log } from "./messages.tsx";
import { session, useConnected } from "./session.ts";

const rooms: Readonly<Record<Room, string>> = {
  LOBBY: "Lobby",
  KITCHEN: "Kitchen",
  GARDEN: "Garden",
};

interface ChatProps {
  readonly data: Data;
  readonly userId: string;
}

export function Chat({ data, userId }: ChatProps) {
  const [room, setRoom] = useState<Room>("LOBBY");
  const isConnected = useConnected();
  // The client retries. If all attempts fail, the session ends by its expiry.
  const signOut = () => void session.logout().catch(() => {});
  return (
    <div className="chat">
      <header>
        <h1>
          <img src="/icon.svg" alt="" width="28" height="28" />
          <span>
            Curfew chat <small>with {data.name}</small>
          </span>
        </h1>
        <nav aria-label="Rooms">
          {(Object.keys(rooms) as Room[]).map((each) => (
            <button
              key={each}
              className="tab"
              aria-current={each === room ? "page" : undefined}
              onClick={() => setRoom(each)}
            >
              {rooms[each]}
            </button>
          ))}
        </nav>
        <button className="quiet" onClick={signOut}>
          Sign out
        </button>
      </header>
      <aside>
        <Present key={room} data={data} room={room} userId={userId} />
        <Devices data={data} />
      </aside>
      <main>
        <p role="status" className="connection">
          {!isConnected && <span>The connection is lost. Reconnecting …</span>}
        </p>
        <Log key={room} data={data} room={room} name={rooms[room]} userId={userId} />
        <Composer key={`to ${room}`} data={data} room={room} name={rooms[room]} />
      </main>
    </div>
  );
}

function Present({ data, room, userId }: ChatProps & { readonly room: Room }) {
  const people = data.usePresent(room);
  return (
    <section aria-labelledby="present">
      <h2 id="present">Here now</h2>
      <ul className="people">
        {people.map((person) => (
          <li key={person.id}>
            <Badge person={person} /> {person.name}
            {person.id === userId && <small> (you)</small>}
          </li>
        ))}
      </ul>
    </section>
  );
}
