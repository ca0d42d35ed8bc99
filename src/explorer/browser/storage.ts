/** The storage of GraphiQL's settings and tabs in this browser, without passwords, tokens and headers. */
import type { GraphiQLSettings } from "./graphiql.ts";
import { redactQuery, redactVariables } from "./redact.ts";

const prefix = "graphiql:";
const tabsKey = `${prefix}tabState`;

interface EditorTab {
  readonly query: string | null;
  readonly variables: string | null;
}

interface TabState {
  readonly activeTabIndex?: number;
  readonly tabs?: readonly EditorTab[];
}

export function safeStorage(storage: Storage): GraphiQLSettings["storage"] {
  const ownKeys = () => Object.keys(storage).filter((key) => key.startsWith(prefix));
  const activeTab = (): EditorTab | undefined => {
    const { tabs, activeTabIndex = 0 } = parseTabState(storage.getItem(tabsKey));
    return tabs?.[activeTabIndex];
  };
  return {
    getItem(key) {
      // GraphiQL stores the query and the variables of the active tab a second time.
      if (key === `${prefix}query`) return activeTab()?.query ?? null;
      if (key === `${prefix}variables`) return activeTab()?.variables ?? null;
      return key === `${prefix}headers` ? null : storage.getItem(key);
    },
    setItem(key, value) {
      if (key === tabsKey) storage.setItem(key, JSON.stringify(redactTabs(parseTabState(value))));
      else if (!/:(?:query|variables|headers)$/.test(key)) storage.setItem(key, value);
    },
    removeItem: (key) => storage.removeItem(key),
    clear: () => ownKeys().forEach((key) => storage.removeItem(key)),
    get length() {
      return ownKeys().length;
    },
  };
}

function redactTabs({ tabs = [], ...others }: TabState): TabState {
  const redacted = tabs.map((tab) => ({
    ...tab,
    query: tab.query && redactQuery(tab.query),
    variables: tab.variables && redactVariables(tab.variables, tab.query ?? ""),
    headers: null,
  }));
  return { ...others, tabs: redacted };
}

function parseTabState(value: string | null): TabState {
  try {
    return (JSON.parse(value ?? "{}") ?? {}) as TabState;
  } catch {
    return {};
  }
}
