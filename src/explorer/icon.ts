/** Curfew's icon: a moon in GraphiQL's colour. */

export const icon =
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" aria-hidden="true">' +
  '<path d="M20.5 14.6A8.9 8.9 0 0 1 9.4 3.5a8.9 8.9 0 1 0 11.1 11.1Z" fill="#d60590"/>' +
  "</svg>";
