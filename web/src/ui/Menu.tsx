import { DropdownMenu } from "radix-ui";
import type { ReactNode } from "react";
import { Icon, type IconName } from "./Icon";
import "./menu.css";

export interface MenuItem {
  readonly label: string;
  readonly onSelect: () => void;
  readonly icon?: IconName;
  readonly isDangerous?: boolean;
  readonly isDisabled?: boolean;
}

interface MenuProps {
  /** The button's name; shown unless there is an icon. */
  readonly label: string;
  readonly icon?: IconName;
  /** Lines above the items. */
  readonly head?: ReactNode;
  readonly items: readonly MenuItem[];
  readonly side?: "bottom" | "right" | "top";
  readonly className?: string;
  /** What the button shows instead of its icon or label. */
  readonly children?: ReactNode;
}

/** A button with a list of actions. Not modal: Radix's modal menus write style sheets into the page. */
export function Menu({ label, icon, head, items, side = "bottom", className, children }: MenuProps): ReactNode {
  return (
    <DropdownMenu.Root modal={false}>
      <DropdownMenu.Trigger className={className ?? (icon ? "bare" : "button")} aria-label={label}>
        {children ?? (icon ? <Icon name={icon} /> : label)}
      </DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content className="menu-list" side={side} align="end" sideOffset={6} collisionPadding={8}>
          {head && <div className="menu-head">{head}</div>}
          {items.map((item) => (
            <Item key={item.label} item={item} />
          ))}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}

function Item({ item }: { item: MenuItem }): ReactNode {
  return (
    <DropdownMenu.Item
      className="menu-item"
      data-dangerous={Boolean(item.isDangerous)}
      disabled={Boolean(item.isDisabled)}
      onSelect={item.onSelect}
    >
      {item.icon && <Icon name={item.icon} />}
      {item.label}
    </DropdownMenu.Item>
  );
}
