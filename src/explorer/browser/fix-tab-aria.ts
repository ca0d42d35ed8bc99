/** Lets GraphiQL's tabs be heard as what they are: a list of buttons, one of which is the current one. */

/**
 * It gives the role of a tab to what has buttons in it, which no tab may have: they are hidden from who
 * hears the page (https://w3c.github.io/aria/#tab, "Children Presentational").
 */
export function mendTabs(root: Element): void {
  const mend = () => {
    root.querySelector("[role=tablist]")?.setAttribute("role", "list");
    for (const tab of root.querySelectorAll("[role=tab]")) tab.setAttribute("role", "listitem");
    for (const item of root.querySelectorAll("li[aria-selected]")) {
      const isCurrent = item.getAttribute("aria-selected") ?? "false";
      item.removeAttribute("aria-selected");
      item.querySelector("button")?.setAttribute("aria-current", isCurrent);
    }
  };
  new MutationObserver(mend).observe(root, {
    subtree: true,
    childList: true,
    attributeFilter: ["role", "aria-selected"],
  });
}
