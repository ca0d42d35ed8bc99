/** Renders the page: the sign-in form, or the chat. */
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { Chat } from "./chat.tsx";
import type { Data } from "./data.ts";
import { useSessionState } from "./session.ts";
import { SignIn } from "./sign-in.tsx";

export function open(data: Data): void {
  const root = document.querySelector("#root");
  if (root === null) throw new Error("The page has no #root");
  createRoot(root).render(
    <StrictMode>
      <Page data={data} />
    </StrictMode>,
  );
}

function Page({ data }: { readonly data: Data }) {
  const state = useSessionState();
  switch (state.status) {
    case "starting":
      return null;
    case "signedOut":
      return <SignIn reason={state.endReason ?? state.reason} />;
    case "signedIn":
      return (
        <data.Provider key={state.sessionId}>
          <Chat data={data} userId={state.userId} />
        </data.Provider>
      );
  }
}
