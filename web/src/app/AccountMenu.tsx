import { useNavigate } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { Icon } from "../ui/Icon";
import { Menu } from "../ui/Menu";
import { useSession } from "./context";
import { SETTINGS } from "./pages";
import { chooseTheme, THEMES, type Theme, useTheme } from "./theme";

const THEME_LABELS: Record<Theme, string> = { system: "system", light: "light", dark: "dark" };
const THEME_ICONS = { system: "system", light: "sun", dark: "moon" } as const;

/** The signed-in user, the choice of colors, and signing out. */
export function AccountMenu(): ReactNode {
  const { auth } = useSession();
  const navigate = useNavigate();
  const theme = useTheme();
  const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length] ?? "system";
  const { name, organization } = auth.account;
  return (
    <Menu
      label="Account"
      side="right"
      className="rail-item"
      head={
        <>
          <strong>{name ?? "Signed in"}</strong>
          {organization && <div className="muted">{organization}</div>}
        </>
      }
      items={[
        { label: SETTINGS.label, icon: SETTINGS.icon, onSelect: () => void navigate({ to: SETTINGS.to }) },
        {
          label: `Colors: ${THEME_LABELS[theme]}`,
          icon: THEME_ICONS[theme],
          onSelect: () => chooseTheme(next),
        },
        { label: "Sign out", icon: "exit", onSelect: () => void auth.signOut() },
      ]}
    >
      <Icon name="user" />
      <span>Account</span>
    </Menu>
  );
}
