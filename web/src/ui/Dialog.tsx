import { Dialog as Radix } from "radix-ui";
import type { ReactNode } from "react";
import { Icon } from "./Icon";
import "./dialog.css";

interface DialogProps {
  readonly title: string;
  readonly description?: ReactNode;
  readonly isOpen: boolean;
  readonly onClose: () => void;
  readonly isWide?: boolean;
  /** The element that gets the focus first; by default the close button. */
  readonly firstFocus?: () => HTMLElement | null | undefined;
  /** The buttons, with the primary one last. */
  readonly footer?: ReactNode;
  readonly children?: ReactNode;
}

/**
 * A modal dialog. Escape and a click outside close only the topmost one. Its overlay is a plain element:
 * Radix's own writes a style sheet into the page, which the content security policy refuses.
 */
export function Dialog({ title, description, isOpen, onClose, isWide, firstFocus, footer, children }: DialogProps): ReactNode {
  const focus = (event: Event) => {
    const first = firstFocus?.();
    if (!first) return;
    event.preventDefault();
    first.focus();
  };
  return (
    <Radix.Root open={isOpen} onOpenChange={(open) => !open && onClose()}>
      <Radix.Portal>
        <div className="overlay" />
        <Radix.Content
          className="dialog"
          data-wide={Boolean(isWide)}
          onOpenAutoFocus={focus}
          {...(!description && { "aria-describedby": undefined })}
        >
          <header className="dialog-head">
            <Radix.Title>{title}</Radix.Title>
            <Radix.Close className="bare" aria-label="Close">
              <Icon name="close" />
            </Radix.Close>
          </header>
          {description && <Radix.Description className="dialog-about">{description}</Radix.Description>}
          {children && <div className="dialog-body">{children}</div>}
          {footer && <footer className="dialog-foot">{footer}</footer>}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}
