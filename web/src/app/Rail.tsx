import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { Icon } from "../ui/Icon";
import { AccountMenu } from "./AccountMenu";
import { openPalette } from "./CommandPalette";
import { PAGES, type PageLink } from "./pages";

/** The pages, at the left; on a phone at the bottom. */
export function Rail(): ReactNode {
  return (
    <nav className="rail" aria-label="Pages">
      <Link to="/chat" className="rail-brand" aria-label="Millrace">
        <Icon name="waves" />
      </Link>
      <ul>
        {PAGES.map((page) => (
          <RailItem key={page.to} page={page} />
        ))}
      </ul>
      <button type="button" className="rail-item" onClick={openPalette} aria-keyshortcuts="Control+K Meta+K">
        <Icon name="search" />
        <span>Search</span>
      </button>
      <AccountMenu />
    </nav>
  );
}

function RailItem({ page }: { page: PageLink }): ReactNode {
  return (
    <li>
      <Link to={page.to} className="rail-item">
        <Icon name={page.icon} />
        <span>{page.label}</span>
      </Link>
    </li>
  );
}
