import { type ReactNode, useEffect } from "react";
import "./page.css";
import "./parts.css";

interface PageProps {
  readonly title: string;
  /** A line under the title. */
  readonly about?: ReactNode;
  /** Buttons at the right of the title. */
  readonly actions?: ReactNode;
  readonly children: ReactNode;
}

/** The frame of every page except the chat: a title, actions, and scrolling content. */
export function Page({ title, about, actions, children }: PageProps): ReactNode {
  useDocumentTitle(title);
  return (
    <main className="page" id="main" tabIndex={-1}>
      <header className="page-head">
        <div>
          <h1>{title}</h1>
          {about && <div className="page-about">{about}</div>}
        </div>
        {actions && <div className="buttons">{actions}</div>}
      </header>
      {children}
    </main>
  );
}

/** The title of the browser's tab while a component is shown. */
export function useDocumentTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · Millrace`;
    return () => {
      document.title = "Millrace";
    };
  }, [title]);
}

/** A titled part of a page. */
export function Section(props: { title: string; actions?: ReactNode; children: ReactNode }): ReactNode {
  return (
    <section className="section" aria-label={props.title}>
      <header className="section-head">
        <h2>{props.title}</h2>
        {props.actions && <div className="buttons">{props.actions}</div>}
      </header>
      {props.children}
    </section>
  );
}
