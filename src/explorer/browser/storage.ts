/** What GraphiQL remembers in this browser: its looks, and the tabs without passwords, tokens and headers. */
import type { Settings } from "./graphiql.ts";
import { redactQuery, redactVariables } from "./redact.ts";

const prefix = "graphiql:";
const tabsKey = `${prefix}tabState`;

interface Tab {
  readonly query: string | null;
  readonly variables: string | null;
}

interface Tabs {
  readonly activeTabIndex?: number;
  readonly tabs?: readonly Tab[];
}

export function safeStorage(storage: Storage): Settings["storage"] {
  const ownKeys = () => Object.keys(storage).filter((key) => key.startsWith(prefix));
  const activeTab = (): Tab | undefined => {
    const { tabs, activeTabIndex = 0 } = parse(storage.getItem(tabsKey));
    return tabs?.[activeTabIndex];
  };
  return {
    getItem(key) {
      // What it keeps once more by themselves are those of the tab.
      if (key === `${prefix}query`) return activeTab()?.query ?? null;
      if (key === `${prefix}variables`) return activeTab()?.variables ?? null;
      return key === `${prefix}headers` ? null : storage.getItem(key);
    },
    setItem(key, value) {
      if (key === tabsKey) storage.setItem(key, JSON.stringify(redactTabs(parse(value))));
      else if (!/:(?:query|variables|headers)$/.test(key)) storage.setItem(key, value);
    },
    removeItem: (key) => storage.removeItem(key),
    clear: () => ownKeys().forEach((key) => storage.removeItem(key)),
    get length() {
      return ownKeys().length;
    },
  };
}

function redactTabs({ tabs = [], ...others }: Tabs): Tabs {
  const redacted = tabs.map((tab) => ({
    ...tab,
    query: tab.query && redactQuery(tab.query),
    variables: tab.variables && redactVariables(tab.variables, tab.query ?? ""),
    headers: null,
  }));
  return { ...others, tabs: redacted };
}

function parse(value: string | null): Tabs {
  try {
    return (JSON.parse(value ?? "{}") ?? {}) as Tabs;
  } catch {
    return {};
  }
}
