/** The messages of a room, and the form to send one. */
import { useEffect, useRef, useState, type SubmitEvent } from "react";
import { Badge } from "./badge.tsx";
import type { Data, Message, Room } from "./data.ts";

interface RoomProps {
  readonly data: Data;
  readonly room: Room;
  /** The room's name. */
  readonly name: string;
}

export function Log({ data, room, name, userId }: RoomProps & { readonly userId: string }) {
  const { messages, error } = data.useMessages(room);
  const log = useRef<HTMLDivElement>(null);
  const last = messages.at(-1)?.id;
  useEffect(() => {
    // In braces: some browsers return a promise, which is not a clean-up function.
    log.current?.scrollTo(0, log.current.scrollHeight);
  }, [last]);
  return (
    <div ref={log} className="log" role="log" aria-label={`Messages in the ${name}`} tabIndex={0}>
      {messages.length === 0 && <p className="empty">No messages yet.</p>}
      <ol>
        {messages.map((message) => (
          <Said key={message.id} message={message} isOwn={message.author.id === userId} />
        ))}
      </ol>
      {error !== undefined && <p className="notice">New messages have stopped: {error.message}</p>}
    </div>
  );
}

function Said({ message, isOwn }: { readonly message: Message; readonly isOwn: boolean }) {
  const { author, text, saidAt } = message;
  const time = new Date(saidAt).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  return (
    <li className={isOwn ? "said own" : "said"}>
      <Badge person={author} />
      <div>
        <p className="by">
          <b>{author.name}</b> <time dateTime={saidAt}>{time}</time>
        </p>
        <p className="text">{text}</p>
      </div>
    </li>
  );
}

export function Composer({ data, room, name }: RoomProps) {
  const say = data.useSay(room);
  const [text, setText] = useState("");
  const [problem, setProblem] = useState<string>();

  async function submit(event: SubmitEvent<HTMLFormElement>) {
    event.preventDefault();
    try {
      const fault = await say(text);
      setProblem(fault);
      if (fault === undefined) setText("");
    } catch {
      setProblem("That was not sent. Please try again.");
    }
  }

  return (
    <form className="composer" onSubmit={(event) => void submit(event)}>
      <div role="alert">{problem}</div>
      <input
        aria-label={`Message to the ${name}`}
        placeholder={`Say something in the ${name}`}
        value={text}
        onChange={(event) => setText(event.target.value)}
        autoComplete="off"
      />
      <button>Send</button>
    </form>
  );
}
