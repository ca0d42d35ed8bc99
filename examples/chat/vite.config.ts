/** Builds one page for each client. `npx vite` serves them from source while the chat server runs. */
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [react()],
  build: { rolldownOptions: { input: ["index.html", "apollo.html", "urql.html"] } },
  server: {
    proxy: { "/graphql": { target: `http://localhost:${process.env["PORT"] ?? 4000}`, ws: true } },
  },
});
