/** The styles of the panel, by GraphiQL's variables for both of its themes, and of GraphiQL on narrow screens. */

export const styles = `
body, html { margin: 0; }
.graphiql-container { height: 100dvh; }

.curfew-logo { width: 20px; height: 20px; margin-left: auto; margin-right: var(--px-8); color: hsl(var(--color-primary)); }
/* GraphiQL's own contrast is too low here (WCAG 2.2, 1.4.3). */
.graphiql-container .graphiql-logo { color: hsl(var(--color-neutral)); }
.graphiql-container .monaco-editor .line-numbers:not(.active-line-number) { color: hsla(var(--color-neutral), var(--alpha-secondary)); }
/* The editor numbers its colours: 8 is comments. */
body.graphiql-dark .monaco-editor .mtk8 { color: #7fae6c; }
@media (prefers-color-scheme: dark) { body:not(.graphiql-light) .monaco-editor .mtk8 { color: #7fae6c; } }

.curfew-good { color: hsl(var(--color-success)); }
.curfew-none { color: hsla(var(--color-neutral), var(--alpha-tertiary)); }
.curfew-poor { color: hsl(var(--color-warning)); }

.curfew-panel {
  /* Readable on both white and dark. */
  --curfew-error: color-mix(in srgb, hsl(var(--color-error)) 60%, hsl(var(--color-neutral)));
  --curfew-line: 1px solid hsla(var(--color-neutral), var(--alpha-background-heavy));
  display: flex;
  flex-direction: column;
  gap: var(--px-16);
  max-width: 480px;
}
.curfew-panel :is(h2, h3, p, ul, dl, dd) { margin: 0; padding: 0; }
.curfew-panel :is(h2, h3) { font-weight: var(--font-weight-medium); outline: none; }
.curfew-panel h2 { font-size: var(--font-size-h2); line-height: 1.3; }
.curfew-panel h3 { font-size: var(--font-size-h4); margin-top: var(--px-8); }
/* Present from the start: some screen readers ignore regions that are added later. Empty, it takes no space. */
.curfew-panel > [role="status"]:empty, .curfew-panel [role="alert"]:empty { margin-top: calc(-1 * var(--px-16)); }
.curfew-panel button.graphiql-button { font-family: inherit; line-height: 1.3; }
.curfew-panel :is(button, input):focus-visible { outline: 2px solid hsl(var(--color-primary)); outline-offset: 1px; }
.curfew-panel code { font-family: var(--font-family-mono); font-size: var(--font-size-inline-code); }
.curfew-hint { color: hsla(var(--color-neutral), var(--alpha-secondary)); font-size: var(--font-size-inline-code); }
.curfew-foot { border-top: var(--curfew-line); padding-top: var(--px-12) !important; }
.curfew-strong { font-weight: var(--font-weight-medium); overflow-wrap: anywhere; }
.curfew-grow { flex: 1; min-width: 0; }

.curfew-notice {
  background: hsla(var(--color-neutral), var(--alpha-background-light));
  border-radius: var(--border-radius-8);
  padding: var(--px-10) var(--px-12) !important;
}
.curfew-notice.curfew-warning {
  background: hsla(var(--color-error), var(--alpha-background-medium));
  box-shadow: inset 3px 0 hsl(var(--color-error));
}

.curfew-form { display: flex; flex-direction: column; gap: var(--px-16); }
.curfew-form .graphiql-button-group > button { flex: 1; }
.curfew-field { display: flex; flex-direction: column; gap: var(--px-4); }
.curfew-field label { font-weight: var(--font-weight-medium); font-size: var(--font-size-inline-code); }
.curfew-field input {
  background: hsl(var(--color-base));
  border: 1px solid hsla(var(--color-neutral), var(--alpha-tertiary));
  border-radius: var(--border-radius-4);
  font-size: 16px;
  padding: var(--px-8) var(--px-10);
  width: 100%;
}
.curfew-field input[aria-invalid="true"] { border-color: var(--curfew-error); }
.curfew-problem { color: var(--curfew-error); font-size: var(--font-size-inline-code); }
button.graphiql-button.curfew-primary {
  background: hsl(var(--color-primary));
  color: hsl(var(--color-base));
  font-weight: var(--font-weight-medium);
}
button.graphiql-button.curfew-primary:hover { background: hsla(var(--color-primary), 0.88); }
button.graphiql-button.curfew-primary[aria-disabled="true"] { cursor: progress; }

.curfew-card {
  align-items: center;
  border: var(--curfew-line);
  border-radius: var(--border-radius-8);
  display: flex;
  gap: var(--px-12);
  padding: var(--px-10) var(--px-12);
}
.curfew-panel .curfew-card button { flex: none; font-size: var(--font-size-inline-code); padding: var(--px-6) var(--px-12); }
.curfew-list { display: flex; flex-direction: column; gap: var(--px-8); list-style: none; }
.curfew-badge, .curfew-count {
  background: hsla(var(--color-neutral), var(--alpha-background-light));
  border-radius: var(--border-radius-8);
  font-size: var(--font-size-hint);
  font-weight: var(--font-weight-regular);
  margin-left: var(--px-8);
  padding: 1px var(--px-8);
  white-space: nowrap;
}
.curfew-facts { display: grid; gap: var(--px-6) var(--px-16); grid-template-columns: auto 1fr; }
.curfew-facts dt { color: hsla(var(--color-neutral), var(--alpha-secondary)); }
.curfew-dot {
  background: currentColor;
  border-radius: 50%;
  display: inline-block;
  height: var(--px-8);
  margin-right: var(--px-8);
  width: var(--px-8);
}

@media (max-width: 720px) {
  .graphiql-container .graphiql-container { flex-direction: column; }
  .graphiql-container .graphiql-sidebar {
    flex-direction: row;
    gap: var(--px-4);
    overflow: visible;
    padding: var(--px-4) var(--px-8) 0;
    width: auto;
  }
  /* GraphiQL moves the buttons after this one to the end of the bar. */
  .graphiql-container .graphiql-sidebar > button[style] { margin: 0 0 0 auto !important; }
  .graphiql-container .graphiql-main { min-height: 0; }
  /* Shows either a plugin or the editors. */
  .graphiql-container .graphiql-plugin { border: 0; flex: 1 !important; }
  .graphiql-container .graphiql-main:has(> .graphiql-horizontal-drag-bar) > .graphiql-sessions,
  .graphiql-container .graphiql-horizontal-drag-bar { display: none; }
  .graphiql-container .graphiql-sessions { margin: var(--px-8); }
  .graphiql-container #graphiql-session { flex-direction: column; min-height: 0; }
  .curfew-panel { max-width: none; }
}
`;
