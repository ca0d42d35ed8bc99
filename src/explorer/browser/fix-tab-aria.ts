/** Corrects the ARIA roles of GraphiQL's tabs: a list of buttons, one of them current. */

/**
 * Replaces the roles now and after every change. GraphiQL puts buttons into elements with the role `tab`,
 * which hides the buttons from screen readers (https://w3c.github.io/aria/#tab, "Children Presentational").
 */
export function fixTabAria(root: Element): void {
  const fixRoles = () => {
    root.querySelector("[role=tablist]")?.setAttribute("role", "list");
    for (const tab of root.querySelectorAll("[role=tab]")) tab.setAttribute("role", "listitem");
    for (const item of root.querySelectorAll("li[aria-selected]")) {
      const isCurrent = item.getAttribute("aria-selected") ?? "false";
      item.removeAttribute("aria-selected");
      item.querySelector("button")?.setAttribute("aria-current", isCurrent);
    }
  };
  new MutationObserver(fixRoles).observe(root, {
    subtree: true,
    childList: true,
    attributeFilter: ["role", "aria-selected"],
  });
}
