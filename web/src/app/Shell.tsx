import { Outlet } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { ConfirmProvider } from "../ui/Confirm";
import { Toasts } from "../ui/toast";
import { CommandPalette } from "./CommandPalette";
import { Rail } from "./Rail";
import "./shell.css";

/** The frame around every page. */
export function Shell(): ReactNode {
  return (
    <ConfirmProvider>
      <div className="shell">
        <a className="skip" href="#main">
          Skip to the page
        </a>
        <Rail />
        <div className="shell-page">
          <Outlet />
        </div>
      </div>
      <CommandPalette />
      <Toasts />
    </ConfirmProvider>
  );
}
