import { defineConfig } from "vite";

export default defineConfig({
  root: "src/page",
  esbuild: { jsx: "automatic" },
  build: {
    outDir: "../../dist/page",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0, // the content security policy allows files of this origin only
    modulePreload: { polyfill: false },
  },
  test: { root: ".", include: ["src/**/*.test.ts"] },
} as Parameters<typeof defineConfig>[0]);
