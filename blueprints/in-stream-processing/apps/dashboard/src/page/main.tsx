import "./style.css";
import { Component, StrictMode } from "react";
import type { ReactNode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./app";

/** A mistake of the page's own must not leave a blank one. */
class Guard extends Component<{ children: ReactNode }, { error: Error | null }> {
  state = { error: null as Error | null };
  static getDerivedStateFromError(error: Error) {
    return { error };
  }
  render() {
    const { error } = this.state;
    if (!error) return this.props.children;
    return (
      <div className="boot">
        <h1>This page made a mistake</h1>
        <p>{error.message}</p>
        <button type="button" onClick={() => location.reload()}>
          Load it again
        </button>
      </div>
    );
  }
}

createRoot(document.getElementById("root") as HTMLElement).render(
  <StrictMode>
    <Guard>
      <App />
    </Guard>
  </StrictMode>,
);
